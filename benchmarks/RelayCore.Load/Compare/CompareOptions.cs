namespace RelayCore.Load.Compare;

/// <summary>What to compare and how long.</summary>
internal sealed record CompareOptions
{
    public const string DirectName = "direct";
    private static readonly string[] s_defaultPeers = ["relay", "relay-plain", "mitmdump", "haproxy", "nginx"];

    public required Workload[] Workloads { get; init; }

    public required Peer[] Peers { get; init; }

    /// <summary>Peers of the default list that cannot be run here, with the reason.</summary>
    public required string[] Absent { get; init; }

    public required int Rounds { get; init; }

    public required double Seconds { get; init; }

    public required double WarmUp { get; init; }

    /// <summary>Flows of w10 and of mem-flows.</summary>
    public required long Flows { get; init; }

    public required long ManyFlows { get; init; }

    public required int IdleConnections { get; init; }

    public required long HugeOctets { get; init; }

    /// <summary>Body of w6d.</summary>
    public required long DownloadOctets { get; init; }

    /// <summary>Scratch folder, ours to fill.</summary>
    public required string Work { get; init; }

    public required string Root { get; init; }

    /// <summary>Where compare.md and compare.json go.</summary>
    public required string Out { get; init; }

    /// <summary>Fail when a floor is missed.</summary>
    public required bool Check { get; init; }

    public static CompareOptions From(Arguments arguments)
    {
        var root = arguments.RequiredText("--root");
        var command = arguments.Text("--relay-cmd") ?? RelayPeer.DefaultCommand;
        var relay = new RelayPeer(command);
        var names = arguments.Text("--peers")?.Split(',');
        var peers = (names ?? s_defaultPeers).Select(name => name switch
        {
            "relay" => (Peer)relay,
            "mitmdump" => new MitmdumpPeer(),
            "haproxy" => new HaproxyPeer(),
            "nginx" => new NginxPeer(),
            RelayPeer.PlainName => new RelayPeer(command, hasRules: false),
            _ => throw new UsageException($"--peers: '{name}' is not one of {string.Join(", ", s_defaultPeers)}."),
        }).ToList();

        List<string> absent = [];
        if (peers.Contains(relay) && !relay.IsPresent(root))
        {
            var reason = $"relay: {relay.Program} does not exist";
            if (names is not null)
            {
                throw new UsageException($"{reason}; build it, give --relay-cmd or leave it out of --peers.");
            }

            peers.Remove(relay);
            absent.Add(reason);
        }

        var options = new CompareOptions
        {
            Workloads = arguments.Text("--workloads") is { } list ? [.. list.Split(',').Select(Find)] : Workload.All,
            Peers = [.. peers],
            Absent = [.. absent],
            Rounds = (int)arguments.Integer("--rounds", 5, smallest: 1),
            Seconds = arguments.Number("--seconds", 8),
            WarmUp = arguments.Number("--warmup", 2),
            Flows = arguments.Integer("--flows", 50_000, smallest: 1),
            ManyFlows = arguments.Integer("--many-flows", 200_000, smallest: 1),
            IdleConnections = (int)arguments.Integer("--idle-connections", 10_000, smallest: 1),
            HugeOctets = arguments.Integer("--huge-mib", 2048, smallest: 1) << 20,
            DownloadOctets = arguments.Integer("--download-mib", 1024, smallest: 1) << 20,
            Work = arguments.RequiredText("--work"),
            Root = root,
            Out = arguments.RequiredText("--out"),
            Check = arguments.Flag("--check"),
        };
        arguments.RejectRest();
        return options;
    }

    private static Workload Find(string name) =>
        Workload.All.FirstOrDefault(workload => workload.Name == name)
        ?? throw new UsageException($"--workloads: '{name}' is not one of {string.Join(", ", Workload.All.Select(workload => workload.Name))}.");
}

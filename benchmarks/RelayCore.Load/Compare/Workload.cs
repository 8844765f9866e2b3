using RelayCore.Load.Load;

namespace RelayCore.Load.Compare;

/// <summary>How a workload is measured.</summary>
internal enum WorkloadKind
{
    /// <summary>Rounds of load for a fixed time against peers that stay up.</summary>
    Load,

    /// <summary>A fresh start each round.</summary>
    Start,

    /// <summary>Memory before and after a number of small flows.</summary>
    Flows,

    /// <summary>Memory while one huge body passes.</summary>
    HugeBody,

    /// <summary>Memory with idle connections held open.</summary>
    Idle,

    /// <summary>Rounds of one large download, over HTTP/2 and over HTTP/1.1 in turn.</summary>
    BothVersions,
}

/// <summary>What the proxies do to each exchange beside forwarding it.</summary>
internal enum RuleLoad
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>One field line is added to each request and one to each response.</summary>
    HeaderEachWay,

    /// <summary>A thousand rules for other hosts are there; none applies.</summary>
    ThousandHosts,
}

/// <summary>Bounds RelayCore must hold (floor) and aims at (goal). Factors are by CPU-second against a peer of the same round.</summary>
internal sealed record Targets
{
    public (double Floor, double? Goal)? TimesMitmdump { get; init; }

    public (double Floor, double? Goal)? TimesHaproxy { get; init; }

    /// <summary>Against RelayCore without rules.</summary>
    public (double Floor, double? Goal)? TimesPlain { get; init; }

    /// <summary>Least of the rate over HTTP/1.1 that the one over HTTP/2 is to have.</summary>
    public double? TimesHttp1 { get; init; }

    public double? P99Ms { get; init; }

    public (double Floor, double Goal)? FirstAnswerMs { get; init; }

    public (double Floor, double Goal)? IdleRssMb { get; init; }

    public (double Floor, double Goal)? KbPerFlow { get; init; }

    /// <summary>Most the resident size may grow, in MiB.</summary>
    public double? GrowthMib { get; init; }

    /// <summary>Most that may be resident, in MiB.</summary>
    public double? RssMib { get; init; }
}

/// <summary>One thing to measure.</summary>
internal sealed record Workload(string Name, string Title, WorkloadKind Kind)
{
    public const int CaptureMemoryMib = 256;

    public static readonly Workload[] All =
    [
        new("w1", "plain HTTP GET 1 KB, keep-alive, 100 connections", WorkloadKind.Load)
        {
            Targets = new() { TimesMitmdump = (35, 50), TimesHaproxy = (0.7, 1.0), P99Ms = 20 },
        },
        new("w1r", "plain HTTP GET 1 KB, keep-alive, 100 connections, fixed rate of 500 requests a second", WorkloadKind.Load) { Rate = 500 },
        new("w1h", "plain HTTP GET 1 KB, 100 connections, a rule that adds one field each way", WorkloadKind.Load)
        {
            Rules = RuleLoad.HeaderEachWay, Targets = new() { TimesMitmdump = (34, null), TimesPlain = (0.97, null) },
        },
        new("w1k", "plain HTTP GET 1 KB, 100 connections, 1,000 rules for other hosts", WorkloadKind.Load)
        {
            Rules = RuleLoad.ThousandHosts, Targets = new() { TimesPlain = (0.95, null) },
        },
        new("w2", "intercepted HTTPS GET 1 KB, keep-alive, 64 connections", WorkloadKind.Load)
        {
            Tls = true, Connections = 64,
            Targets = new() { TimesMitmdump = (26, 38), TimesHaproxy = (0.65, 0.95) },
        },
        new("w3", "intercepted HTTPS GET 1 KB, a new connection and full handshake each, 16 at once", WorkloadKind.Load)
        {
            Tls = true, Connections = 16, NewConnections = true,
            Targets = new() { TimesMitmdump = (5, 7), TimesHaproxy = (0.5, 0.67) },
        },
        new("w4d", "100 MB downloads, intercepted, 2 connections", WorkloadKind.Load)
        {
            Tls = true, Connections = 2, Path = "/100m", ContentOctets = Testbed.LargeOctets, LargeBodies = true,
            Targets = new() { TimesMitmdump = (2.3, null), TimesHaproxy = (0.8, 0.95) },
        },
        new("w5", "100 MB uploads, intercepted, 2 connections", WorkloadKind.Load)
        {
            Tls = true, Connections = 2, Path = "/upload", ContentOctets = Testbed.LargeOctets, LargeBodies = true, Upload = true,
            Targets = new() { TimesMitmdump = (1.6, 2), TimesHaproxy = (0.55, 0.7) },
        },
        new("w6", "intercepted HTTP/2 GET 1 KB, 8 connections of 32 streams", WorkloadKind.Load)
        {
            Tls = true, Protocol = LoadProtocol.Http2, Connections = 8, Streams = 32, Path = "/octets/1024",
            Targets = new() { TimesMitmdump = (25, 35) },
        },
        new("w6d", "one huge download, intercepted, over HTTP/2 and over HTTP/1.1", WorkloadKind.BothVersions)
        {
            Tls = true, LargeBodies = true, Connections = 1, OwnOrigin = true, Targets = new() { TimesHttp1 = 0.7, GrowthMib = 64 },
        },
        new("w7", "intercepted WebSocket, echo of 64 octets, 32 connections", WorkloadKind.Load)
        {
            Tls = true, Protocol = LoadProtocol.WebSocket, Connections = 32, Path = "/echo", ContentOctets = 64, Unit = "msg",
            Targets = new() { TimesMitmdump = (12, 17), TimesHaproxy = (0.6, 0.8) },
        },
        new("w9", "start and idle memory", WorkloadKind.Start)
        {
            Targets = new() { FirstAnswerMs = (300, 150), IdleRssMb = (80, 50) },
        },
        new("w10", "memory per captured flow of 1 KB", WorkloadKind.Flows) { Targets = new() { KbPerFlow = (2.5, 1.8) } },
        new("mem-down", "memory while one huge body is downloaded", WorkloadKind.HugeBody)
        {
            Path = "/huge", LargeBodies = true, Targets = new() { GrowthMib = 64 },
        },
        new("mem-up", "memory while one huge body is uploaded", WorkloadKind.HugeBody)
        {
            Path = "/upload", LargeBodies = true, Upload = true, Targets = new() { GrowthMib = 64 },
        },
        new("mem-flows", "memory after many captured flows", WorkloadKind.Flows) { Targets = new() { RssMib = CaptureMemoryMib + 100 } },
        new("mem-idle", "memory with idle keep-alive connections", WorkloadKind.Idle) { Targets = new() { RssMib = 600 } },
    ];

    public bool Tls { get; init; }

    public LoadProtocol Protocol { get; init; }

    public int Connections { get; init; } = 100;

    /// <summary>Requests in flight on each HTTP/2 connection.</summary>
    public int Streams { get; init; } = 1;

    public bool NewConnections { get; init; }

    public string Path { get; init; } = "/1k";

    /// <summary>Octets of content in each request (upload), response (download) or message.</summary>
    public long ContentOctets { get; init; } = Testbed.SmallOctets;

    public bool Upload { get; init; }

    /// <summary>Served by our own origin instead of nginx; uploads, HTTP/2 and WebSocket are in any case.</summary>
    public bool OwnOrigin { get; init; }

    /// <summary>What is counted, unless it is MB.</summary>
    public string Unit { get; init; } = "req";

    /// <summary>Judged in MB instead of requests.</summary>
    public bool LargeBodies { get; init; }

    public double Rate { get; init; }

    public RuleLoad Rules { get; init; }

    public Targets Targets { get; init; } = new();

    private bool HasOwnOrigin => OwnOrigin || Upload || Protocol != LoadProtocol.Http1;

    public PeerSetup Setup(Testbed bed, bool tls) =>
        new(tls, Protocol == LoadProtocol.Http2, OriginPort(bed, tls), LargeBodies, KeepFlows: Kind == WorkloadKind.Flows, Rules);

    /// <summary>Where the origin of this workload listens.</summary>
    public int OriginPort(Testbed bed, bool tls) => (HasOwnOrigin, tls, Protocol) switch
    {
        (false, false, _) => bed.Nginx.Http,
        (false, true, _) => bed.Nginx.Https,
        (true, false, _) => bed.Own.Http,
        (true, true, LoadProtocol.Http2) => bed.Own.H2,
        (true, true, _) => bed.Own.Https,
    };
}

using System.Net;
using RelayCore.Rules.Catalog;
using RelayCore.Rules.Execution;
using static RelayCore.Rules.Filters.FilterParts;

namespace RelayCore.Rules.Filters;

/// <summary>Filters of the connection and the flow: addresses, TLS, tags, variables.</summary>
internal static class ConnectionFilters
{
    private const RuleStage FromHello = RuleStage.All & ~RuleStage.Connect;

    /// <summary>All of them.</summary>
    public static IReadOnlyList<FilterType> All { get; } =
    [
        new("SrcIp", RuleStage.All, "The address of the client.", Shape.Single(PropertyKind.Text, "An IP address or a network (CIDR)."), config => Source("SrcIp", config))
        {
            Example = "\"10.0.0.0/8\"",
        },
        new("ClientAddress", RuleStage.All, "The address of the client.", Shape.Single(PropertyKind.Any, "An IP address or network (CIDR), or a list of them."),
            config => Source("ClientAddress", config))
        {
            Example = """["10.0.0.0/8","::1"]""",
        },
        new("DstPort", RuleStage.All, "The port asked for.",
            new() { Value = new("config", PropertyKind.Integer, "The port.") { IsRequired = true, Min = 0, Max = 65535 } }, config => RequestFilters.Port("DstPort", config))
        {
            Example = "443",
        },
        new("Destination", RuleStage.All, "Where it goes: the host and port asked for, or the address of the server's connection once there is one.",
            Shape.Single(PropertyKind.Any, "A host, `host:port`, an IP address or network (CIDR), or a list of them; a host may begin with `*.`."), Destination)
        {
            Example = """["*.example.com:443","192.168.0.0/16"]""",
        },
        new("Protocol", RuleStage.All, "The transport protocol; all traffic is TCP at present.",
            new() { Value = new("config", PropertyKind.Choice, "`TCP` or `UDP`.") { IsRequired = true, Values = ["TCP", "UDP"] } }, config =>
            {
                var isTcp = config.Node.Text.Equals("TCP", StringComparison.OrdinalIgnoreCase);
                return new Fact<bool>($"Protocol {(isTcp ? "TCP" : "UDP")}", RuleStage.All, isTcp, static (_, isTcp) => isTcp);
            })
        {
            Example = "\"TCP\"",
        },
        new("TransparentMode", RuleStage.All, "Whether the connection came in transparent mode: whether the flow has the tag `transparent`.",
            Shape.Single(PropertyKind.Boolean, "Whether it must."), config =>
            {
                var wanted = config.Node.Text == "true";
                return new Fact<bool>($"TransparentMode {(wanted ? "true" : "false")}", config.Scope.Stage, wanted, static (context, wanted) => HasTag(context, "transparent") == wanted);
            })
        {
            Example = "false",
        },
        Tls("Sni", "The server name the client asked for in its ClientHello.", """{"mode":"Suffix","value":".example.com"}""",
            static (context, matcher) => Facts.Text(Facts.ClientTls(context)?.ServerName, context, matcher), ignoreCase: true),
        Tls("Alpn", "The protocol negotiated with the client (ALPN); at ClientHello any it offers.", "\"h2\"", static (context, matcher) =>
            context.Hello is { } hello ? Facts.Any(hello.Hello.OfferedProtocols, context, matcher) : Facts.Text(context.Flow.Client.Tls?.ApplicationProtocol, context, matcher)),
        Tls("TlsVersion", "The TLS version negotiated with the client, e.g. `TLSv1.3`; at ClientHello any it offers.", "\"TLSv1.3\"", static (context, matcher) =>
            context.Hello is { } hello ? Facts.Any(hello.Hello.OfferedVersions, context, matcher) : Facts.Text(context.Flow.Client.Tls?.Version, context, matcher)),
        Tls("Ja3", "The JA3 fingerprint of the client, 32 hex digits.", "\"e7d705a3286e19ea42f587b344ee6865\"",
            static (context, matcher) => Facts.Text(Facts.ClientTls(context)?.Ja3, context, matcher), ignoreCase: true),
        Tls("Ja4", "The JA4 fingerprint of the client.", """{"mode":"Prefix","value":"t13d"}""",
            static (context, matcher) => Facts.Text(Facts.ClientTls(context)?.Ja4, context, matcher)),
        new("ClientCertificate", Request, "The subject of the certificate the client presented.",
            new() { Value = new("config", PropertyKind.Matcher, "Matcher on the subject; `null`: any certificate.") { MayBeNull = true } }, ClientCertificate)
        {
            Example = """{"mode":"Contains","value":"CN=build"}""",
        },
        new("Process", RuleStage.All, "The process of the client. The proxy does not know it at present: matches nothing.",
            Shape.Single(PropertyKind.Matcher, "Matcher on its name."), Process)
        {
            Example = "\"curl\"",
        },
        new("Tag", RuleStage.All, "Any tag of the flow.", Shape.Single(PropertyKind.Matcher, "Matcher on the tag, `key:value` for what the action Tag adds."), config =>

            // Known at the rule's own stage only: until then an earlier rule may still add it.
            config.CapturingMatcher() is { } matcher
                ? new Fact<Matcher>($"Tag {matcher.Text}", config.Scope.Stage, matcher, static (context, matcher) => Facts.Any(context.Flow.Tags, context, matcher)) : null)
        {
            Example = "\"team:web\"",
        },
        new("Variable", RuleStage.All, "A variable of the flow, set by SetVariable.", NamedShape("variable"), config => ReadNamed(config) is { } named
            ? new Fact<Named>($"Variable {named.Name}{(named.Value is null ? "" : " " + named.Value.Text)}", config.Scope.Stage, named, Variable) : null)
        {
            Example = """{"name":"who","value":"10.0.0.1"}""",
        },
        new("Replay", RuleStage.All, "Whether the flow is a replay: whether it has the tag `replay`.", Shape.Single(PropertyKind.Boolean, "Whether it must."), config =>
        {
            var wanted = config.Node.Text == "true";
            return new Fact<bool>($"Replay {(wanted ? "true" : "false")}", config.Scope.Stage, wanted, static (context, wanted) => IsReplay(context) == wanted);
        })
        {
            Example = "true",
        },
    ];

    internal static bool HasTag(RuleContext context, string tag)
    {
        var tags = context.Flow.Tags;
        for (var i = 0; i < tags.Count; i++)
        {
            if (tags[i] == tag)
            {
                return true;
            }
        }

        return false;
    }

    internal static bool IsReplay(RuleContext context) => HasTag(context, "replay");

    internal static bool Variable(RuleContext context, Named named) =>
        context.Flow.Variables.TryGetValue(named.Name, out var value) && (named.Value?.Matches(value.AsSpan(), context) ?? true);

    private static FilterType Tls(string name, string summary, string example, Func<RuleContext, Matcher, bool> holds, bool ignoreCase = false) =>
        Matching(name, FromHello, summary, example, holds, ignoreCase);

    private static Fact<AddressSet>? Source(string name, ConfigReader config)
    {
        var (set, isBad) = (new AddressSet(), false);
        foreach (var node in Texts(config))
        {
            if (set.Add(node.Text) is { } problem)
            {
                config.Scope.Problems.Error("RULE-313", node, problem + ".", "Write an address such as 192.0.2.1 or a network such as 10.0.0.0/8 or fd00::/8.");
                isBad = true;
            }
        }

        return isBad ? null : new Fact<AddressSet>($"{name} {string.Join(", ", Texts(config).Select(x => x.Text))}", RuleStage.All, set,
            static (context, set) => set.Contains(context.Flow.Client.RemoteEndPoint));
    }

    private static Fact<Place[]>? Destination(ConfigReader config)
    {
        var places = new List<Place>();
        var isBad = false;
        foreach (var node in Texts(config))
        {
            if (Place.Read(node.Text, out var problem) is { } place)
            {
                places.Add(place);
            }
            else
            {
                config.Scope.Problems.Error("RULE-313", node, problem + ".", "Write example.com, *.example.com:443, 192.0.2.1, [::1]:8080 or 10.0.0.0/8.");
                isBad = true;
            }
        }

        // The address a name stands for is known with the server's connection, which comes between the stages: only the rule's own counts.
        var known = places.Exists(x => x.Addresses is not null) ? config.Scope.Stage : RuleStage.All;
        return isBad ? null : new Fact<Place[]>($"Destination {string.Join(", ", Texts(config).Select(x => x.Text))}", known, [.. places], static (context, places) =>
        {
            foreach (var place in places)
            {
                if (place.Holds(context))
                {
                    return true;
                }
            }

            return false;
        });
    }

    private static Fact<Matcher?>? ClientCertificate(ConfigReader config)
    {
        var matcher = config.Node.IsNull ? null : config.CapturingMatcher();
        return matcher is null && !config.Node.IsNull ? null : new($"ClientCertificate {matcher?.Text}".TrimEnd(), Request, matcher, static (context, matcher) =>
            context.Flow.Client.Tls?.PeerCertificates is [var leaf, ..] && (matcher?.Matches(leaf.AsSpan(), context) ?? true));
    }

    private static Fact<Matcher>? Process(ConfigReader config)
    {
        if (config.CapturingMatcher() is not { } matcher)
        {
            return null;
        }

        config.Scope.Problems.Warning("RULE-320", config.Node, "the proxy does not know the process of a client, so this matches nothing.", "Use SrcIp or RequestHeader user-agent instead.");
        return new($"Process {matcher.Text}", RuleStage.All, matcher, static (_, _) => false);
    }
}

/// <summary>A destination as written: host and port, or addresses and port. Immutable.</summary>
internal sealed record Place(string Host, bool IsSuffix, AddressSet? Addresses, int? Port)
{
    public static Place? Read(string text, out string? problem)
    {
        problem = null;
        var (host, port) = (text, (int?)null);
        var colon = text.LastIndexOf(':');
        if (colon > 0 && (text[colon - 1] == ']' || text.IndexOf(':', StringComparison.Ordinal) == colon))
        {
            if (!ushort.TryParse(text.AsSpan(colon + 1), System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var number))
            {
                problem = $"'{text[(colon + 1)..]}' in '{text}' is no port";
                return null;
            }

            (host, port) = (text[..colon], number);
        }

        host = host.Trim('[', ']').ToLowerInvariant();
        if (host.Contains('/', StringComparison.Ordinal) || Facts.IsAddress(host))
        {
            var addresses = new AddressSet();
            problem = addresses.Add(host);
            return problem is null ? new(host, false, addresses, port) : null;
        }

        var isSuffix = host.StartsWith("*.", StringComparison.Ordinal);
        host = isSuffix ? host[1..] : host;
        if (host.Length == 0 || host.AsSpan().ContainsAny("*?/ @"))
        {
            problem = $"'{text}' is no destination";
            return null;
        }

        return new(host, isSuffix, null, port);
    }

    public bool Holds(RuleContext context)
    {
        if (Port is not null && Facts.PortOf(context) != Port)
        {
            return false;
        }

        var host = Facts.HostOf(context);
        if (Addresses is null)
        {
            return host is not null && (IsSuffix ? host.EndsWith(Host, StringComparison.OrdinalIgnoreCase) : host.Equals(Host, StringComparison.OrdinalIgnoreCase));
        }

        // An address asked for needs no connection; parsing allocates, and only for hosts that are addresses.
        return Addresses.Contains(context.Flow.Server?.RemoteEndPoint)
            || (host is not null && Facts.IsAddress(host) && IPAddress.TryParse(host, out var address) && Addresses.Contains(address));
    }
}

using System.Globalization;
using System.Net;
using RelayCore.Core.Connections;
using RelayCore.Rules.Actions.Targets;
using RelayCore.Rules.Catalog;
using RelayCore.Rules.Execution;
using RelayCore.Rules.Templates;

namespace RelayCore.Rules.Actions;

/// <summary>Actions on where a connection goes.</summary>
internal static class ConnectionActions
{
    /// <summary>Where a server is not connected to yet: for all that is in the tunnel, or for one request.</summary>
    public const RuleStage BeforeServer = RuleStage.Connect | RuleStage.ClientHello | RuleStage.RequestHeaders;

    private const string UsualAddress = "For example \"10.0.0.5\", \"10.0.0.5:8443\" or \"[2001:db8::5]:8443\".";

    /// <summary>All of them.</summary>
    public static IReadOnlyList<ActionType> All { get; } =
    [
        new("RedirectIp", BeforeServer, "Connects to another IP address than the one of the host; request, Host field and TLS name stay as they are.",
            Shape.Of(HeaderActions.Template("target", "IP address, or address and port; without port the port stays.")), RedirectIp.Compile)
        {
            Example = """{"target":"10.0.0.5:8443"}""",
        },
        new("ForwardPort", BeforeServer, "Connects to another host and port; request, Host field and TLS name stay as they are.",
            Shape.Of(HeaderActions.Template("target_host", "Host name or IP address."), Port("target_port", isRequired: true)),
            c => SetAddress.Compile(c, "target_host", "target_port"))
        {
            Example = """{"target_host":"staging.example","target_port":8443}""",
        },
        new("SetUpstreamAddress", BeforeServer, "Connects to another host; request, Host field and TLS name stay as they are.",
            Shape.Of(HeaderActions.Template("host", "Host name or IP address."), Port("port", isRequired: false)),
            c => SetAddress.Compile(c, "host", "port"))
        {
            Example = """{"host":"canary.example"}""",
        },
        new("SetTtl", BeforeServer, "Sends the packets of the server's connection with this number of hops to live, the first one included.",
            Shape.Of(new Property("ttl", PropertyKind.Integer, "Hops: IP_TTL, or IPV6_UNICAST_HOPS.") { IsRequired = true, Min = 1, Max = 255 }),
            c => (int)c.Integer("ttl", 64) is var hops ? new Routing(x => x with { TimeToLive = hops }) : null)
        {
            Example = """{"ttl":64}""",
        },
        new("SetUpstreamProxy", BeforeServer, "Goes through another parent proxy, or through none.",
            Shape.Of(new Property("url", PropertyKind.Text, "http or https URL of the proxy, with user:password@ when it asks for them; \"direct\" for none.")
            {
                IsRequired = true,
            }),
            CompileProxy)
        {
            Example = """{"url":"http://proxy.example:3128"}""",
        },
    ];

    /// <summary>A host as it is dialed; <see langword="null"/> when it is none.</summary>
    internal static string? HostOf(string text)
    {
        if (text.StartsWith('[') && text.EndsWith(']'))
        {
            text = text[1..^1];
        }

        return IPAddress.TryParse(text, out var address) ? address.ToString()
            : Uri.CheckHostName(text) == UriHostNameType.Dns ? TargetUrl.Read($"http://{text}/", out _)?.Origin.Host : null;
    }

    private static Property Port(string name, bool isRequired) =>
        new(name, PropertyKind.Integer, isRequired ? "Port." : "Port; the request's when absent.") { IsRequired = isRequired, Min = 1, Max = 65535 };

    private static Routing? CompileProxy(ConfigReader config)
    {
        var text = config.Text("url");
        if (text == "direct")
        {
            return new(x => x with { Proxy = null, IsDirect = true });
        }

        if (!Uri.TryCreate(text, UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https") || url.Host.Length == 0 || url.PathAndQuery != "/")
        {
            config.Error("RULE-601", "url", "This is not the URL of a parent proxy.", "For example \"http://proxy.example:3128\", or \"direct\" for none.");
            return null;
        }

        var credentials = url.UserInfo.Length == 0 ? null : Uri.UnescapeDataString(url.UserInfo);
        var proxy = new ParentProxy(url.Scheme == "https", url.IdnHost, url.Port, credentials);
        return new(x => x with { Proxy = proxy, IsDirect = false });
    }

    /// <summary>Changes the route of a flow, always in the same way.</summary>
    internal sealed class Routing(Func<ServerRoute, ServerRoute> change) : ImmediateAction
    {
        /// <summary>Changes it in some way.</summary>
        public static ActionResult Change(RuleContext context, Func<ServerRoute, ServerRoute> change)
        {
            context.Flow.Route = change(context.Flow.Route ?? new());
            return ActionResult.Done;
        }

        protected override ActionResult Run(RuleContext context) => Change(context, change);
    }

    private sealed class RedirectIp(Template target) : ImmediateAction
    {
        public static RedirectIp? Compile(ConfigReader config)
        {
            var template = config.Template("target");
            if (template.IsConstant && Read(template.Expand(null!)) is null)
            {
                config.Error("RULE-600", "target", "This is neither an IP address nor one with a port.", UsualAddress);
                return null;
            }

            return new(template);
        }

        protected override ActionResult Run(RuleContext context)
        {
            var text = target.Expand(context);
            if (Read(text) is not { } address)
            {
                return ActionResult.Failed($"'{Shown(text)}' is neither an IP address nor one with a port");
            }

            Routing.Change(context, x => x with { Host = address.Host, Port = address.Port });
            return new(ActionOutcome.Done, text);
        }

        private static (string Host, int? Port)? Read(string text)
        {
            // Told apart by hand, because "::1:80" is an address to the parser of end points.
            if (IPAddress.TryParse(text, out var alone) && !text.Contains("]:", StringComparison.Ordinal))
            {
                return (alone.ToString(), null);
            }

            var colon = text.LastIndexOf(':');
            return colon > 0 && IPAddress.TryParse(text[..colon], out var address)
                && (address.AddressFamily != System.Net.Sockets.AddressFamily.InterNetworkV6 || text.StartsWith('['))
                && int.TryParse(text[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port is > 0 and <= 65535
                ? (address.ToString(), port) : null;
        }
    }

    private sealed class SetAddress(Template host, int? port) : ImmediateAction
    {
        public static SetAddress? Compile(ConfigReader config, string hostName, string portName)
        {
            var template = config.Template(hostName);
            if (template.IsConstant && HostOf(template.Expand(null!)) is null)
            {
                config.Error("RULE-600", hostName, "This is neither a host name nor an IP address.", "Give a name without scheme and port, such as \"staging.example\".");
                return null;
            }

            return new(template, config.Has(portName) ? (int)config.Integer(portName) : null);
        }

        protected override ActionResult Run(RuleContext context)
        {
            var text = host.Expand(context);
            if (HostOf(text) is not { } name)
            {
                return ActionResult.Failed($"'{Shown(text)}' is neither a host name nor an IP address");
            }

            Routing.Change(context, x => x with { Host = name, Port = port });
            return new(ActionOutcome.Done, port is { } number ? Origin.Format(name, number) : name);
        }
    }

    private static string Shown(string text) => text.Length > 200 ? text[..200] : text;
}

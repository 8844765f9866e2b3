using System.Net;
using System.Text;
using System.Text.Json;
using RelayCore.Core.Connections;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Formats;
using RelayCore.Protocols.Http1;
using RelayCore.Rules.Catalog;
using RelayCore.Rules.Documents;
using RelayCore.Rules.Execution;
using RelayCore.Rules.Filters;
using Xunit;

namespace RelayCore.Rules.Tests.Filters;

/// <summary>A flow put together by hand, and filters compiled for it.</summary>
internal sealed class FlowFixture
{
    public const string SampleHead = "POST /api/users?id=7&name=J%C3%B6rg+B HTTP/1.1\r\nHost: API.example.com\r\nAccept: text/html\r\naccept: application/json\r\n"
        + "Cookie: sid=abc; theme=dark\r\nContent-Type: Application/JSON; charset=utf-8\r\n\r\n";

    public FlowFixture(string head = "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", string origin = "http://example.com", TimeProvider? time = null, Random? random = null)
    {
        Client = new() { Id = 1, RemoteEndPoint = new IPEndPoint(IPAddress.Parse("192.0.2.7"), 50123) };
        Exchange.Begin(FlowId.Create(1767323045000L), Client);
        LoadRequest(head, origin);
        Context = new()
        {
            Flow = Exchange,
            Exchange = Exchange,
            Stage = RuleStage.RequestHeaders,
            Environment = new() { Codings = new ContentCodings(), Time = time ?? TimeProvider.System, Random = random ?? new Random(1) },
        };
    }

    public ClientConnection Client { get; }

    public Exchange Exchange { get; } = new();

    public RuleContext Context { get; }

    /// <summary>A request that has a little of everything.</summary>
    public static FlowFixture SampleRequest()
    {
        var flow = new FlowFixture(SampleHead, "https://api.example.com");
        flow.Client.Tls = new() { Version = "TLSv1.3", ServerName = "api.example.com", ApplicationProtocol = "http/1.1", Ja3 = "abc", Ja4 = "t13d", PeerCertificates = ["CN=build"] };
        flow.Exchange.Server = new() { Id = 2, Host = "api.example.com", Port = 443, RemoteEndPoint = new IPEndPoint(IPAddress.Parse("203.0.113.9"), 443) };
        flow.Exchange.SetTag("team:web");
        flow.Exchange.SetVariable("who", "me");
        (flow.Exchange.Marker, flow.Exchange.Comment) = (":star:", "look here");
        return flow;
    }

    /// <summary>That request with its response.</summary>
    public static FlowFixture Sample() =>
        SampleRequest().Respond("HTTP/1.1 404 Not Found\r\nETag: \"x\"\r\nSet-Cookie: b=2\r\nSet-Cookie: a=1; Path=/\r\nContent-Type: text/plain;charset=utf-8\r\n\r\n");

    public void LoadRequest(string head, string origin)
    {
        var octets = Encoding.UTF8.GetBytes(head);
        Assert.False(Http1HeadReader.ReadRequest(octets, Http1Limits.Default, default, Exchange.Request.Fields, out var line, out _).IsError);
        Assert.True(RequestTarget.TryRead(octets.AsSpan(line.TargetStart, line.TargetLength), octets.AsSpan(0, line.MethodLength), out var target));
        Exchange.Request.Load(line, target);
        var uri = new Uri(origin);
        Exchange.Request.Load(new Origin(uri.Scheme == "https", uri.Host, uri.Port));
    }

    public FlowFixture Respond(string head)
    {
        Assert.False(Http1HeadReader.ReadResponse(Encoding.UTF8.GetBytes(head), Http1Limits.Default, default, Exchange.Response.Fields, out var line, out _).IsError);
        Exchange.Response.Load(line);
        Exchange.HasResponse = true;
        Context.Stage = RuleStage.ResponseHeaders;
        return this;
    }

    public FlowFixture Body(RuleStage stage, byte[] octets, string? encoding = null)
    {
        Context.Stage = stage;
        Context.Body = new(octets, encoding, Context.Environment.Codings, 1 << 20);
        return this;
    }

    public FlowFixture Body(RuleStage stage, string text) => Body(stage, Encoding.UTF8.GetBytes(text));

    public bool Holds(string type, string? config) => Holds(Compile(type, config, Context.Stage).Condition!);

    public bool Holds(Condition condition)
    {
        var truth = condition.Evaluate(Context);
        Assert.NotEqual(Truth.Unknown, truth);
        return truth == Truth.True;
    }

    public static (Condition? Condition, RuleProblems Problems, CompileScope Scope) Compile(string type, string? config, RuleStage stage)
    {
        var problems = new RuleProblems();
        var nothing = new RuleNode(NodeKind.Null, new("a.json", 1, 1), "$");
        var rule = new RuleDefinition("r", "r", stage, nothing, [], nothing);
        CompileScope scope = null!;
        scope = new(rule, new() { Codings = new ContentCodings() }, problems) { CompileFilter = x => CompileNode(x, scope) };
        var node = config is null ? null : Node(config);
        return (RuleCatalog.Filters[type].Compile(new(node, scope)), problems, scope);
    }

    public static RuleNode Node(string json)
    {
        using var document = JsonDocument.Parse(json);
        return Node(document.RootElement, "$");
    }

    private static Condition? CompileNode(RuleNode node, CompileScope scope) =>
        RuleCatalog.Filters[node["type"]!.Text].Compile(new(node["config"], scope));

    private static RuleNode Node(JsonElement element, string path)
    {
        var kind = element.ValueKind switch
        {
            JsonValueKind.Object => NodeKind.Map,
            JsonValueKind.Array => NodeKind.List,
            JsonValueKind.String => NodeKind.Text,
            JsonValueKind.Number => NodeKind.Number,
            JsonValueKind.Null => NodeKind.Null,
            _ => NodeKind.Boolean,
        };
        var at = new SourceLocation("a.json", 1, 1);
        return new(kind, at, path)
        {
            Text = kind switch { NodeKind.Text => element.GetString()!, NodeKind.Number or NodeKind.Boolean => element.GetRawText(), _ => "" },
            Items = kind == NodeKind.List ? [.. element.EnumerateArray().Select((x, i) => Node(x, $"{path}[{i}]"))] : [],
            Members = kind != NodeKind.Map ? [] :
                [.. element.EnumerateObject().Select(x => (new RuleNode(NodeKind.Text, at, $"{path}.{x.Name}") { Text = x.Name }, Node(x.Value, $"{path}.{x.Name}")))],
        };
    }
}

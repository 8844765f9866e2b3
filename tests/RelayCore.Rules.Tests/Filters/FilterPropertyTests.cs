using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using CsCheck;
using RelayCore.Core.Connections;
using RelayCore.Core.Flows;
using Xunit;

namespace RelayCore.Rules.Tests.Filters;

/// <summary>Compiled filters say what the obvious interpreter says, for random filters on random flows.</summary>
public sealed class FilterPropertyTests
{
    private static readonly Gen<string> s_host = Pick("example.com", "api.example.com", "localhost", "192.0.2.1");
    private static readonly Gen<string> s_path = Pick("/", "/api", "/api/v1/items", "/API/é", "/a.b");
    private static readonly Gen<string> s_query = Pick("", "ab=1", "a=1", "a=1&b=2", "a=%31&a=3", "b", "x%20y=z%26", "a=");
    private static readonly Gen<string> s_method = Pick("GET", "POST", "get", "OPTIONS");

    private static readonly Gen<List<(string, string)>> s_fields = Gen.Select(
        Pick("Accept", "accept", "X-A", "X-AB", "Cookie", "Content-Type", "ETag"),
        Pick("a=1", "a=1; b=2", "text/html; charset=utf-8", "text/HTML", "application/json", "é", "b", "")).List[0, 5];

    private static readonly Gen<SlowFlow> s_flow = Gen.Select(
        Gen.Select(Pick("http", "https"), s_host, Pick(80, 443, 8080)),
        Gen.Select(s_path, s_query, s_method),
        Gen.Select(s_fields, Pick(200, 204, 304, 404, 500), s_fields),
        Gen.Select(Pick("", "{\"a\":1}", "Hello Wörld", "HELLO"), Pick("192.0.2.7", "10.1.2.3", "127.0.0.1", "::1"), Pick("a", "team:web", "A").List[0, 2]),
        (a, b, c, d) => new SlowFlow(a.Item1, a.Item2, a.Item3, b.Item1, b.Item2, b.Item3, c.Item1, c.Item2, c.Item3, d.Item1, d.Item2, [.. d.Item3.Distinct()]));

    private static readonly Gen<string> s_word = Pick(
        "", "a", "A", "é", "É", "example.com", ".Example.com", "/api", "1", "b=2", "GET", "text/html", "http://example.com/", "https://api.example.com:8080/api", "Wörld", "hello", "web");

    private static readonly Gen<JsonNode> s_matcher = Gen.OneOf(
        s_word.Select(x => (JsonNode)JsonValue.Create(x)),
        Gen.Select(Pick("Exact", "Contains", "Prefix", "Suffix"), s_word, Gen.Bool, Matcher),
        Gen.Select(Gen.Const("Regex"), Pick("a", "^/api(/v\\d)?", "[a-e]+$", "\\bexample\\b", "é|x", "^$", "(?i)HELLO", "."), Gen.Bool, Matcher),
        Gen.Select(Gen.Const("Glob"), Pick("*", "*a*", "/api*", "*.example.com", "??", "a*b*", "/?pi/*/items", "é", "*é"), Gen.Bool, Matcher));

    private static readonly Gen<JsonNode> s_leaf = Gen.OneOf(
        Gen.Const(() => (JsonNode)new JsonObject { ["type"] = "All" }),
        Gen.Select(Pick("Url", "Host", "Path", "Method", "Scheme", "ResponseBody", "Tag", "ResponseContentType"), s_matcher, Filter),
        Gen.Select(Pick("RequestHeader", "ResponseHeader", "Query", "Cookie"), Pick("a", "b", "accept", "x-a", "Cookie", "x y"), s_matcher.Null(), (type, name, value) =>
            Filter(type, new JsonObject { ["name"] = name, ["value"] = value })),
        Gen.Select(Pick("Port", "DstPort"), Pick(80, 443, 8080), (type, port) => Filter(type, port)),
        Pick(200, 404, 500).Select(x => Filter("StatusCode", x)),
        Pick("2xx", "4xx", "5xx").Select(x => Filter("StatusRange", x)),
        Pick("10.0.0.0/8", "192.0.2.7/32", "::/0", "::1/128", "0.0.0.0/0").Select(x => Filter("SrcIp", x)),
        Gen.Int[0, 5].Select(x => Filter("HeaderCount", new JsonObject { ["min"] = x })));

    private static readonly Gen<JsonNode> s_filter = Gen.Recursive<JsonNode>((depth, self) => depth > 3 ? s_leaf : Gen.Frequency(
        (5, s_leaf),
        (2, self.List[0, 3].Select(x => Filter("And", Array(x)))),
        (2, self.List[0, 3].Select(x => Filter("Or", Array(x)))),
        (1, self.Select(x => Filter("Not", x.DeepClone())))));

    [Fact]
    public void Compiled_IsTheSameAsInterpreted() => Gen.Select(s_filter, s_flow).Sample((filter, flow) =>
    {
        // ::/0 has no IPv4 for the network type of the interpreter; here an IPv4 address is the IPv6 address it maps to.
        if (filter.ToJsonString().Contains("::/0", StringComparison.Ordinal) && !flow.Client.Contains(':', StringComparison.Ordinal))
        {
            return true;
        }

        var (condition, problems, _) = FlowFixture.Compile("And", new JsonArray(filter.DeepClone()).ToJsonString(), RuleStage.ResponseBody);
        Assert.False(problems.HasErrors);
        return Live(flow).Holds(condition!) == SlowInterpreter.Holds(filter, flow);
    }, iter: 25_000, print: x => $"{x.Item1.ToJsonString()}\n{x.Item2.Url} {x.Item2}");

    [Fact]
    public void Hints_AreTrueOfWhateverMatches() => Gen.Select(s_filter, s_flow).Sample((filter, flow) =>
    {
        var condition = FlowFixture.Compile("And", new JsonArray(filter.DeepClone()).ToJsonString(), RuleStage.ResponseBody).Condition!;
        if (!SlowInterpreter.Holds(filter, flow) || filter.ToJsonString().Contains("::/0", StringComparison.Ordinal))
        {
            return true;
        }

        return (condition.Host is not { } host || (host.IsSuffix ? flow.Host.EndsWith(host.Value, StringComparison.Ordinal) : flow.Host == host.Value))
            && (condition.Method is null || condition.Method == flow.Method)
            && (condition.PathPrefix is null || flow.Target.StartsWith(condition.PathPrefix, StringComparison.Ordinal));
    }, iter: 10_000, print: x => $"{x.Item1.ToJsonString()}\n{x.Item2.Url} {x.Item2}");

    private static FlowFixture Live(SlowFlow flow)
    {
        var head = new StringBuilder($"{flow.Method} {flow.Target} HTTP/1.1\r\n");
        Fields(head, flow.Request);
        var fixture = new FlowFixture();
        fixture.LoadRequest(head.ToString(), "http://x");
        fixture.Exchange.Request.Load(new Origin(flow.Scheme == "https", flow.Host, flow.Port));
        fixture.Exchange.Begin(FlowId.Create(1L), new ClientConnection { Id = 1, RemoteEndPoint = new IPEndPoint(IPAddress.Parse(flow.Client), 1) });
        var response = new StringBuilder($"HTTP/1.1 {flow.Status} OK\r\n");
        Fields(response, flow.Response);
        fixture.Respond(response.ToString()).Body(RuleStage.ResponseBody, flow.Body);
        foreach (var tag in flow.Tags)
        {
            fixture.Exchange.SetTag(tag);
        }

        return fixture;
    }

    private static void Fields(StringBuilder head, IReadOnlyList<(string Name, string Value)> fields)
    {
        foreach (var (name, value) in fields)
        {
            head.Append(name).Append(": ").Append(value).Append("\r\n");
        }

        head.Append("\r\n");
    }

    private static Gen<T> Pick<T>(params T[] values) => Gen.Int[0, values.Length - 1].Select(x => values[x]);

#pragma warning disable CA1859 // The generators are of nodes.
    private static JsonNode Matcher(string mode, string value, bool ignoreCase) => new JsonObject { ["mode"] = mode, ["value"] = value, ["ignore_case"] = ignoreCase };

    private static JsonNode Filter(string type, JsonNode config) => new JsonObject { ["type"] = type, ["config"] = config.Parent is null ? config : config.DeepClone() };

    private static JsonArray Array(IEnumerable<JsonNode> items) => [.. items.Select(x => x.DeepClone())];
}

using System.Text;
using RelayCore.Core.Messages;
using RelayCore.Formats;
using RelayCore.Rules.Catalog;
using RelayCore.Rules.Documents;
using RelayCore.Rules.Execution;
using RelayCore.Rules.Filters;
using RelayCore.Rules.Tests.Execution;
using Xunit;

namespace RelayCore.Rules.Tests.Actions.Bodies;

/// <summary>Body actions run by the executor, with variables.</summary>
public sealed class BodyRulesTests
{
    private static readonly Dictionary<string, FilterType> s_all = new()
    {
        ["All"] = new("All", RuleStage.All, "Always.", Shape.None, _ => AllCondition.Instance),
    };

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task SetResponseBody_AtTheHead_IsDoneAtTheBodyWithTheValuesOfTheHead()
    {
        var rules = Rules("ResponseHeaders", """{"type":"SetResponseBody","config":{"body":"{{response.status}} $1 {\"a\":{}}"}}""");
        var exchange = RuleKit.Exchange();
        exchange.HasResponse = true;
        await rules.OnResponseHeadAsync(exchange, Ct);
        exchange.Response.Status = 404;
        Assert.True((exchange.Wanted & Core.Interception.Stage.ResponseBody) != 0);
        var body = new MessageBody(ContentCodings.Instance.Encode("old"u8.ToArray(), "gzip"), "gzip", ContentCodings.Instance, 1000);
        await rules.OnResponseBodyAsync(exchange, body, Ct);
        Assert.Equal("200 $1 {\"a\":{}}", Encoding.UTF8.GetString(body.Content.Span));
        Assert.Equal([0x1F, 0x8B], body.Octets.ToArray()[..2]);
    }

    [Theory]
    [InlineData("""{"type":"RegexReplace","config":{"pattern":"(?P<n>x)(y)","replacement":"${n}{{request.path}}$2{{response.json.$.a}}{{{{$1"}}""", "-xy-", "-x/$1{\"y{{x-")]
    [InlineData("""{"type":"Replace","config":{"find":"{{request.method}}","replacement":"<{{request.path}}>"}}""", "GET $1", "</$1{\"> $1")]
    [InlineData("""{"type":"JsonPathSet","config":{"path":"$['{{request.method}}']","value":{"{{request.method}}":"{{request.path}}"}}}""", "{}", """{"GET":{"GET":"/$1{\""}}""")]
    [InlineData("""{"type":"JsonPathSet","config":{"path":"a","value":"{{request.path}}"}}""", "{}", """{"a":"/$1{\""}""")]
    [InlineData("""{"type":"JsonPatch","config":{"patch":[{"op":"add","path":"/a","value":["{{request.path}}"]}]}}""", "{}", """{"a":["/$1{\""]}""")]
    [InlineData("""{"type":"JsonMerge","config":{"merge":{"a":{"b":"{{request.path}}"}}}}""", "{\"a\":{}}", """{"a":{"b":"/$1{\""}}""")]
    public async Task Transform_WithVariables_TakesValuesLiterally(string transform, string before, string after)
    {
        var rules = Rules("ResponseBody", "{\"type\":\"TransformResponseBody\",\"config\":{\"transform\":" + transform + "}}");
        var exchange = RuleKit.Exchange(path: "/$1{\"");
        await rules.OnResponseHeadAsync(exchange, Ct);
        var body = new MessageBody(Encoding.UTF8.GetBytes(before), null, ContentCodings.Instance, 1000);
        await rules.OnResponseBodyAsync(exchange, body, Ct);
        Assert.Equal(after, Encoding.UTF8.GetString(body.Content.Span));
    }

    [Fact]
    public async Task TransformStream_AtTheHead_EditsThePieces()
    {
        var rules = Rules("ResponseHeaders", """{"type":"TransformStream","config":{"replacements":[{"find":"one","replacement":"{{request.method}}"},{"pattern":"t(w)o","replacement":"$1{{request.path}}"}]}}""");
        var exchange = RuleKit.Exchange(path: "/$0");
        await rules.OnResponseHeadAsync(exchange, Ct);
        var (chunk, output) = (new BodyChunk(), new StringBuilder());
        foreach (var (piece, isLast) in new[] { ("a o", false), ("ne t", false), ("wo", false), ("", true) })
        {
            chunk.Load(Encoding.UTF8.GetBytes(piece), isLast);
            await rules.OnResponseChunkAsync(exchange, chunk, Ct);
            output.Append(string.Concat(chunk.Output.Select(x => Encoding.UTF8.GetString(x.Span))));
        }

        Assert.Equal("a GET w/$0", output.ToString());
    }

    [Fact]
    public async Task ChangeCompression_InARuleThatFails_IsTakenBack()
    {
        var rules = Rules("ResponseBody", """{"type":"ChangeCompression","config":{"encoding":"br"}},{"type":"SetResponseBody","config":{"body":{"type":"File","value":"nowhere/at/all"}}}""");
        var exchange = RuleKit.Exchange();
        exchange.Response.Fields.Add("Content-Encoding", "gzip");
        await rules.OnResponseHeadAsync(exchange, Ct);
        var octets = ContentCodings.Instance.Encode("content"u8.ToArray(), "gzip");
        var body = new MessageBody(octets, "gzip", ContentCodings.Instance, 1000);
        await rules.OnResponseBodyAsync(exchange, body, Ct);
        Assert.Equal(("gzip", "gzip", "content"), (exchange.Response.Fields.Get("Content-Encoding"), body.ContentEncoding, Encoding.UTF8.GetString(body.Content.Span)));
        Assert.Equal(octets.ToArray(), body.Octets.ToArray());
    }

    private static RuleInterceptor Rules(string stage, string actions)
    {
        var problems = new RuleProblems();
        var rule = BodyBench.Node("{\"actions\":[" + actions + "]}");
        var definition = new RuleDefinition("r", "r", Enum.Parse<RuleStage>(stage), BodyBench.Node("""{"type":"All"}"""), rule["actions"]!.Items, rule);
        var set = RuleSet.Compile([definition], new() { Codings = ContentCodings.Instance }, problems, s_all, RuleCatalog.Actions);
        Assert.False(problems.HasErrors, string.Join("; ", problems.Items));
        return new(set);
    }
}

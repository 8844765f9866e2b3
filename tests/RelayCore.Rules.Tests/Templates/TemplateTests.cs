using CsCheck;
using RelayCore.Formats;
using RelayCore.Rules.Templates;
using RelayCore.Rules.Tests.Actions;
using Xunit;

namespace RelayCore.Rules.Tests.Templates;

/// <summary>Templates: every variable, what is refused at load, bounds.</summary>
public sealed class TemplateTests
{
    private const string Request = "POST /a/b?q=1%202&e= HTTP/1.1\r\nHost: shop.example:8080\r\nX-One: first\r\nX-One: second\r\nCookie: a=1; b=two\r\n\r\n";

    [Theory]
    [InlineData("{{timestamp}}", "1767323045678")]
    [InlineData("{{ timestamp.iso }}", "2026-01-02T03:04:05.678Z")]
    [InlineData("{{client.ip}}|{{client_ip}}|{{ip}}", "10.1.2.3|10.1.2.3|10.1.2.3")]
    [InlineData("{{client.port}}", "5555")]
    [InlineData("[{{server.ip}}]:{{server.port}}/{{server_port}}", "[]:8080/8080")]
    [InlineData("{{request.method}} {{request.scheme}} {{request.host}} {{host}} {{request.port}}", "POST http shop.example shop.example 8080")]
    [InlineData("{{request.url}}", "http://shop.example:8080/a/b?q=1%202&e=")]
    [InlineData("{{request.path}}|{{request.query}}", "/a/b|q=1%202&e=")]
    [InlineData("{{request.http_version}}", "HTTP/1.1")]
    [InlineData("{{request.header.x-one}}|{{request.header.None}}", "first|")]
    [InlineData("{{request.cookie.b}}|{{request.cookie.c}}", "two|")]
    [InlineData("{{request.query.q}}|{{request.query.e}}|{{request.query.none}}", "1 2||")]
    [InlineData("{{rule.id}}", "r1")]
    [InlineData("{{who}}-{{variable.who}}", "alice-alice")]
    [InlineData("{{capture.1}}{{1}}{{capture.name}}{{0}}", "oneonenamedwhole")]
    [InlineData("a{{{{b}}", "a{{b}}")]
    [InlineData("{\"a\":{{{client.port}}}}", "{\"a\":{5555}}")]
    [InlineData("}} { } {", "}} { } {")]
    [InlineData("", "")]
    public void Expand_EveryVariable_HasItsValue(string text, string expected)
    {
        var bench = new ActionBench(Request);
        bench.Captures.UnionWith(["1", "name"]);
        bench.Context.Capture("0", "whole");
        bench.Context.Capture("1", "one");
        bench.Context.Capture("name", "named");
        bench.Exchange.SetVariable("who", "alice");
        Assert.Equal(expected, bench.Expand(text));
    }

    [Fact]
    public void Expand_FlowAndUuid_AreIds()
    {
        var bench = new ActionBench();
        Assert.Equal(bench.Exchange.Id.ToString(), bench.Expand("{{flow.id}}"));
        var (one, two) = (Guid.Parse(bench.Expand("{{uuid}}")), Guid.Parse(bench.Expand("{{uuid}}")));
        Assert.NotEqual(one, two);
        Assert.Equal(4, one.Version);
    }

    [Fact]
    public void Expand_Counter_CountsAcrossTemplatesOfOneEnvironment()
    {
        var bench = new ActionBench();
        Assert.Equal(["1", "2 3", "1"], new[] { bench.Expand("{{counter.a}}"), bench.Expand("{{counter.a}} {{counter.a}}"), bench.Expand("{{counter.b}}") });
    }

    [Fact]
    public void Expand_Random_StaysInItsRangeAndReachesItsEnds()
    {
        var bench = new ActionBench();
        var template = bench.Template("{{random.-1-2}}");
        Assert.Equal(["-1", "0", "1", "2"], Enumerable.Range(0, 500).Select(_ => template.Expand(bench.Context)).Distinct().Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("{{request.body}}", "{\"u\":{\"n\":\"x\",\"l\":[1,{\"k k\":true}]}}", "{\"u\":{\"n\":\"x\",\"l\":[1,{\"k k\":true}]}}")]
    [InlineData("{{request.json.$.u.n}}", "{\"u\":{\"n\":\"x\"}}", "x")]
    [InlineData("{{request.json.$.u['n']}}", "{\"u\":{\"n\":\"x\"}}", "x")]
    [InlineData("{{request.json.$.l[1]['k k']}}", "{\"l\":[1,{\"k k\":true}]}", "true")]
    [InlineData("{{request.json.$.l[-1]}}", "{\"l\":[1, [2] ]}", "[2]")]
    [InlineData("{{request.json.$.l[9]}}{{request.json.$.none.x}}", "{\"l\":[1]}", "")]
    [InlineData("{{request.json.$.a}}", "not json", "")]
    [InlineData("{{request.form.a}}|{{request.form.n}}", "b=2&a=x+%41", "x A|")]
    public void Expand_Body_IsReadFromIt(string text, string body, string expected) =>
        Assert.Equal(expected, new ActionBench(stage: RuleStage.RequestBody, body: body).Expand(text));

    [Fact]
    public void Expand_Response_IsReadFromIt()
    {
        var bench = new ActionBench(response: "HTTP/1.1 404 Nope\r\nX-A: b\r\n\r\n", stage: RuleStage.ResponseBody, body: "{\"id\":7}");
        Assert.Equal("404 b 7 {\"id\":7}", bench.Expand("{{response.status}} {{response.header.x-a}} {{response.json.$.id}} {{response.body}}"));
    }

    [Theory]
    [InlineData("{{clint.ip}}", "RULE-401", "client.ip")]
    [InlineData("{{whoo}}", "RULE-401", "{{who}}")]
    [InlineData("{{variable.nobody}}", "RULE-401", "SetVariable")]
    [InlineData("{{requst.header.X}}", "RULE-401", "request.header.NAME")]
    [InlineData("{{capture.9}}", "RULE-401", "not a variable")]
    [InlineData("{{9}}", "RULE-401", "not a variable")]
    [InlineData("{{}}", "RULE-401", "not a variable")]
    [InlineData("a {{who", "RULE-401", "no end")]
    [InlineData("{{response.status}}", "RULE-402", "ResponseHeaders")]
    [InlineData("{{request.json.$.a}}", "RULE-402", "RequestBody")]
    [InlineData("{{message}}", "RULE-402", "WebSocketMessage")]
    [InlineData("{{previous}}", "RULE-402", "UpdateRequestHeader")]
    [InlineData("{{env.HOME}}", "RULE-403", "--rules-env-allow HOME")]
    [InlineData("{{request.json.a}}", "RULE-405", "begins with '$'")]
    [InlineData("{{request.json.$.a[x]}}", "RULE-405", "index")]
    [InlineData("{{request.header.a b}}", "RULE-401", "token")]
    [InlineData("{{random.9-1}}", "RULE-401", "random.1-100")]
    public void Parse_WhatCannotHaveAValue_IsAProblemWithPlaceAndAdvice(string text, string code, string says)
    {
        var bench = new ActionBench();
        bench.Template(text);
        var problem = Assert.Single(bench.Problems.Items);
        Assert.Equal((code, "test.yaml:3:7"), (problem.Code, problem.Location.ToString()));
        Assert.Contains(says, problem.Message + problem.Suggestion, StringComparison.Ordinal);
    }

    [Fact]
    public void Expand_AllowedEnvironmentVariable_HasItsValue()
    {
        Environment.SetEnvironmentVariable("RELAYCORE_TEST_TEMPLATE", "yes");
        var bench = new ActionBench(environment: t => new() { Codings = new ContentCodings(), Time = t, EnvironmentAllowed = new HashSet<string> { "RELAYCORE_TEST_TEMPLATE" } });
        Assert.Equal("yes!", bench.Expand("{{env.RELAYCORE_TEST_TEMPLATE}}!"));
    }

    [Fact]
    public void Expand_Constant_IsTheSameString()
    {
        var bench = new ActionBench();
        var template = bench.Template("plain");
        Assert.True(template.IsConstant);
        Assert.Same(template.Expand(bench.Context), template.Expand(bench.Context));
    }

    [Fact]
    public void Expand_OverTheBound_Fails()
    {
        var bench = new ActionBench();
        bench.Exchange.SetVariable("who", new('x', 300_000));
        var template = bench.Template("{{who}}{{who}}{{who}}{{who}}");
        Assert.Contains("longer than 1048576", Assert.Throws<TemplateException>(() => template.Expand(bench.Context)).Message, StringComparison.Ordinal);
        Assert.Equal("10.1.2.3", bench.Expand("{{ip}}")); // the builder is not left full
    }

    [Fact]
    public void Expand_WithVariables_AllocatesOnlyItsResult()
    {
        var bench = new ActionBench(Request);
        var template = bench.Template("{{client.ip}}/{{request.path}}/{{request.header.x-one}}/{{timestamp}}");
        var expected = template.Expand(bench.Context);
        for (var i = 0; i < 50; i++)
        {
            template.Expand(bench.Context);
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 100; i++)
        {
            template.Expand(bench.Context);
        }

        var each = (GC.GetAllocatedBytesForCurrentThread() - before) / 100;
        Assert.InRange(each, 1, 22 + (2 * expected.Length) + 90); // a mapped address is made anew by the runtime
    }

    [Fact]
    public void Parse_EscapedText_RoundTrips() =>
        Gen.String[Gen.OneOf(Gen.Char["{}"], Gen.Char["{} a$1"]), 0, 20].Sample(text =>
        {
            var bench = new ActionBench();
            var template = bench.Template(text.Replace("{{", "{{{{", StringComparison.Ordinal));
            return bench.Problems.Items.Count == 0 && template.IsConstant && template.Expand(bench.Context) == text;
        }, iter: 2000);

    [Fact]
    public void Parse_AnyText_IsATemplateOrAProblem() =>
        Gen.OneOf(Gen.Const("{{"), Gen.Const("}}"), Gen.Const("request."), Gen.Const("json.$"), Gen.Const("response."), Gen.Const("random."), Gen.Const("env."), Gen.Const("header."),
            Gen.String[Gen.Char["{}.[]'\"-0a*$\\ "], 0, 6]).List[0, 6].Sample(pieces =>
        {
            var bench = new ActionBench(stage: RuleStage.RequestBody, body: "{}");
            var template = bench.Template(string.Concat(pieces), hasPrevious: true);
            return bench.Problems.HasErrors || template.Expand(bench.Context, "old").Length >= 0;
        }, iter: 5000);

    [Fact]
    public void Parse_TextsAroundVariables_KeepTheirPlaces() =>
        Gen.Select(Gen.String[Gen.Char["ab}$\\ "], 0, 8], Gen.String[Gen.Char["ab}$\\ "], 0, 8], Gen.String[Gen.Char["xyz{}$"], 0, 8]).Sample((left, right, value) =>
        {
            var bench = new ActionBench();
            bench.Exchange.SetVariable("who", value);
            return bench.Template($"{left}{{{{ who }}}}{right}{{{{variable.who}}}}").Expand(bench.Context) == left + value + right + value;
        }, iter: 1000);
}

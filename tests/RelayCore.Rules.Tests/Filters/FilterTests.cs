using System.Text;
using Microsoft.Extensions.Time.Testing;
using RelayCore.Core.Interception;
using RelayCore.Protocols;
using RelayCore.Rules.Catalog;
using RelayCore.Rules.Documents;
using RelayCore.Rules.Execution;
using RelayCore.Rules.Filters;
using Xunit;

namespace RelayCore.Rules.Tests.Filters;

/// <summary>Every kind of filter, on a flow it matches and on one it does not.</summary>
public sealed class FilterTests
{
    public static TheoryData<string> Types { get; } = [.. RuleCatalog.Filters.Keys];

    [Theory]
    [MemberData(nameof(Types))]
    public void Example_Compiles_AndIsDocumented(string name)
    {
        var type = RuleCatalog.Filters[name];
        var stage = name is "And" or "Or" or "Not" or "Expression" ? RuleStage.RequestHeaders : RuleStages.Ordered.First(x => (type.Stages & x) != 0);
        var (condition, problems, _) = FlowFixture.Compile(name, type.Example, stage);
        Assert.False(problems.HasErrors, string.Join('\n', problems.Items));
        Assert.NotNull(condition);
        Assert.NotEmpty(type.Summary);
        Assert.True((condition.KnownAt & stage) != 0, $"{condition.KnownAt}");
        Assert.NotEmpty(condition.Text);
    }

    [Theory]
    [InlineData("Url", """{"mode":"Exact","value":"HTTPS://API.example.com:443/api/users?id=7&name=J%C3%B6rg+B"}""", true)]
    [InlineData("Url", """{"mode":"Prefix","value":"https://api.example.com/api"}""", true)]
    [InlineData("Url", """{"mode":"Prefix","value":"https://api.example.com/API"}""", false)]
    [InlineData("Host", """{"mode":"Suffix","value":".EXAMPLE.com"}""", true)]
    [InlineData("Host", """{"mode":"Glob","value":"*.example.com"}""", true)]
    [InlineData("Host", "\"example.com\"", false)]
    [InlineData("Path", "\"/api/users\"", true)]
    [InlineData("Method", "\"POST\"", true)]
    [InlineData("Method", "\"post\"", false)]
    [InlineData("Scheme", "\"HTTPS\"", true)]
    [InlineData("Port", "443", true)]
    [InlineData("Port", "[80, \"8000-9000\"]", false)]
    [InlineData("Query", """{"name":"name","value":"Jörg B"}""", true)]
    [InlineData("Query", """{"name":"id","value":{"mode":"Prefix","value":"8"}}""", false)]
    [InlineData("Query", """{"name":"id"}""", true)]
    [InlineData("Query", """{"name":""}""", false)]
    [InlineData("Cookie", """{"name":"theme","value":"dark"}""", true)]
    [InlineData("Cookie", """{"name":"them"}""", false)]
    [InlineData("RequestHeader", """{"name":"ACCEPT","value":{"mode":"Contains","value":"json"}}""", true)]
    [InlineData("RequestHeader", """{"name":"etag","value":null}""", false)]
    [InlineData("RequestContentType", "\"application/json\"", true)]
    [InlineData("ContentType", """{"mode":"Contains","value":"JSON"}""", true)]
    [InlineData("HttpVersion", "\"1.1\"", true)]
    [InlineData("HttpVersion", "\"2\"", false)]
    [InlineData("HeaderCount", """{"min":5,"max":5}""", true)]
    [InlineData("HeaderCount", """{"max":4}""", false)]
    [InlineData("SrcIp", "\"192.0.2.0/24\"", true)]
    [InlineData("SrcIp", "\"::ffff:192.0.2.7\"", true)]
    [InlineData("SrcIp", "\"10.0.0.0/8\"", false)]
    [InlineData("ClientAddress", """["::1","192.0.2.7"]""", true)]
    [InlineData("DstPort", "443", true)]
    [InlineData("Destination", "\"*.example.com:443\"", true)]
    [InlineData("Destination", "\"api.example.com\"", true)]
    [InlineData("Destination", """["example.com","203.0.113.0/24"]""", true)]
    [InlineData("Destination", "\"203.0.113.9:80\"", false)]
    [InlineData("Protocol", "\"tcp\"", true)]
    [InlineData("Protocol", "\"UDP\"", false)]
    [InlineData("TransparentMode", "false", true)]
    [InlineData("Sni", "\"API.example.com\"", true)]
    [InlineData("Alpn", "\"h2\"", false)]
    [InlineData("TlsVersion", "\"TLSv1.3\"", true)]
    [InlineData("Ja3", "\"ABC\"", true)]
    [InlineData("Ja4", """{"mode":"Prefix","value":"t13"}""", true)]
    [InlineData("ClientCertificate", "null", true)]
    [InlineData("ClientCertificate", "\"CN=other\"", false)]
    [InlineData("Process", "\"curl\"", false)]
    [InlineData("Tag", """{"mode":"Prefix","value":"team:"}""", true)]
    [InlineData("Variable", """{"name":"who","value":"me"}""", true)]
    [InlineData("Variable", """{"name":"nobody"}""", false)]
    [InlineData("Replay", "false", true)]
    public void Request_IsMatched(string type, string config, bool expected) => Assert.Equal(expected, Request().Holds(type, config));

    [Theory]
    [InlineData("StatusCode", "404", true)]
    [InlineData("StatusRange", "\"4xx\"", true)]
    [InlineData("StatusRange", """{"min":500}""", false)]
    [InlineData("StatusRange", "\"400-404\"", true)]
    [InlineData("ResponseHeader", """{"name":"Etag","value":null}""", true)]
    [InlineData("SetCookie", """{"name":"a","value":"1"}""", true)]
    [InlineData("SetCookie", """{"name":"Path"}""", false)]
    [InlineData("ResponseContentType", "\"text/plain\"", true)]
    [InlineData("ContentType", "\"text/plain\"", true)]
    public void Response_IsMatched(string type, string config, bool expected) => Assert.Equal(expected, Response().Holds(type, config));

    [Fact]
    public void Response_BeforeItIsThere_IsUnknown() =>
        Assert.Equal(Truth.Unknown, FlowFixture.Compile("StatusCode", "404", RuleStage.ResponseHeaders).Condition!.Evaluate(Request().Context));

    [Theory]
    [InlineData("RequestBody", """{"mode":"Contains","value":"Ann"}""", true)]
    [InlineData("RequestBodySize", """{"min":"20B","max":"1KiB"}""", true)]
    [InlineData("Size", """{"min":"1KiB"}""", false)]
    [InlineData("JsonPath", """{"path":"$.user.name","value":"Ann"}""", true)]
    [InlineData("JsonPath", """{"path":"$.n[?@ > 2]","value":"3"}""", true)]
    [InlineData("JsonPath", """{"path":"$.user.missing"}""", false)]
    [InlineData("JsonPath", """{"path":"$.user","side":"request"}""", true)]
    public void Body_IsMatched(string type, string config, bool expected) =>
        Assert.Equal(expected, Request().Body(RuleStage.RequestBody, """{"user":{"name":"Ann"},"n":[1,2,3]}""").Holds(type, config));

    [Fact]
    public void Body_OfOctets_IsMatchedAsTheyAreAndAsBase64()
    {
        var flow = Response().Body(RuleStage.ResponseBody, [0xff, 0xfe, (byte)'P', (byte)'K']);
        Assert.True(flow.Holds("ResponseBody", """{"mode":"Contains","value":"PK"}"""));
        Assert.True(flow.Holds("ResponseBody", $"\"{Convert.ToBase64String([0xff, 0xfe, (byte)'P', (byte)'K'])}\""));
        Assert.False(flow.Holds("ResponseBody", """{"mode":"Contains","value":"ZIP"}"""));
    }

    [Fact]
    public void Json_IsReadAgain_WhenTheContentWasReplaced()
    {
        var flow = Request().Body(RuleStage.RequestBody, """{"a":1}""");
        Assert.True(flow.Holds("JsonPath", """{"path":"$.a"}"""));
        flow.Context.Body!.ReplaceContent("""{"b":1}"""u8.ToArray());
        Assert.False(flow.Holds("JsonPath", """{"path":"$.a"}"""));
        flow.Context.Body!.ReplaceContent("no json"u8.ToArray());
        Assert.False(flow.Holds("JsonPath", """{"path":"$"}"""));
    }

    [Theory]
    [InlineData("""{"operation":"GetUser"}""", true)]
    [InlineData("""{"operation":"GetUser","type":"mutation"}""", false)]
    [InlineData("""{"field":"user"}""", true)]
    [InlineData("""{"field":"inner"}""", true)]
    [InlineData("""{"field":"name"}""", false)]
    [InlineData("{}", true)]
    public void GraphQL_OfABody_IsMatched(string config, bool expected)
    {
        const string Query = """{"operationName":"GetUser","query":"mutation Other { x } query GetUser { user { name } ...F } fragment F on Query { inner }"}""";
        Assert.Equal(expected, Request().Body(RuleStage.RequestBody, Query).Holds("GraphQL", config));
        Assert.False(Request().Body(RuleStage.RequestBody, """{"user":1}""").Holds("GraphQL", config));
        Assert.False(Request().Body(RuleStage.RequestBody, """{"query":"not { graphql"}""").Holds("GraphQL", config));
    }

    [Fact]
    public void GraphQL_OfAGetAndOfAMessage_IsMatched()
    {
        var get = new FlowFixture("GET /graphql?query=query%20A%20%7B%20a%20%7D HTTP/1.1\r\nHost: a\r\n\r\n");
        Assert.True(get.Holds("GraphQL", """{"operation":"A","type":"query"}"""));
        Assert.True(Message(MessageType.Text, """{"type":"subscribe","payload":{"query":"subscription S { s }"}}""").Holds("GraphQL", """{"type":"subscription"}"""));

        // A request that cannot be GraphQL is not held for it.
        var later = FlowFixture.Compile("GraphQL", "{}", RuleStage.RequestBody).Condition!;
        Assert.Equal((Truth.Unknown, Truth.False), (later.Evaluate(Request().Context), later.Evaluate(new FlowFixture("POST / HTTP/1.1\r\nHost: a\r\n\r\n").Context)));
    }

    [Theory]
    [InlineData("WebSocketMessage", """{"mode":"Contains","value":"lo"}""", true)]
    [InlineData("MessageContent", "\"hello\"", true)]
    [InlineData("Direction", "\"client\"", true)]
    [InlineData("Direction", "\"Server\"", false)]
    [InlineData("Opcode", "\"text\"", true)]
    [InlineData("Opcode", "\"ping\"", false)]
    [InlineData("MessageSize", """{"min":5,"max":5}""", true)]
    [InlineData("MessageProtocol", "\"websocket\"", true)]
    [InlineData("EventName", "\"message\"", false)]
    [InlineData("Method", "\"POST\"", true)]
    public void Message_IsMatched(string type, string config, bool expected) => Assert.Equal(expected, Message(MessageType.Text, "hello").Holds(type, config));

    [Fact]
    public void Event_IsMatchedByNameAndId()
    {
        var flow = Message(MessageType.Event, "x", MessageProtocol.ServerSentEvents);
        Assert.True(flow.Holds("EventName", "\"message\""));
        flow.Context.Message!.LoadEvent("42", "delta", null);
        Assert.True(flow.Holds("EventName", "\"delta\"") && flow.Holds("EventId", "\"42\""));
    }

    [Fact]
    public void ConnectAndHello_HaveHostPortAndTls()
    {
        var flow = Request();
        flow.Context.Exchange = null;
        flow.Context.Stage = RuleStage.Connect;
        flow.Context.Connect = new() { Host = "tunnel.example", Port = 8443 };
        Assert.True(flow.Holds("Host", "\"Tunnel.example\"") && flow.Holds("DstPort", "8443") && flow.Holds("Destination", "\"tunnel.example:8443\""));

        flow.Context.Connect = null;
        flow.Context.Stage = RuleStage.ClientHello;
        flow.Context.Hello = new()
        {
            Host = "203.0.113.5",
            Port = 443,
            Hello = new() { ServerName = "inner.example", OfferedProtocols = ["h2", "http/1.1"], OfferedVersions = ["TLSv1.2"] },
        };
        Assert.True(flow.Holds("Host", "\"inner.example\"") && flow.Holds("Sni", "\"inner.example\"") && flow.Holds("Alpn", "\"http/1.1\"") && flow.Holds("TlsVersion", "\"TLSv1.2\""));
        Assert.False(flow.Holds("Alpn", "\"h3\""));
    }

    [Fact]
    public void Completed_HasSizesAndDuration()
    {
        var time = new FakeTimeProvider();
        var flow = new FlowFixture(FlowFixture.SampleHead, "https://api.example.com", time).Respond("HTTP/1.1 200 OK\r\n\r\n");
        flow.Exchange.StartedAt = time.GetTimestamp();
        (flow.Exchange.RequestBodyOctets, flow.Exchange.ResponseBodyOctets) = (10, 2000);
        time.Advance(TimeSpan.FromMilliseconds(1500));
        flow.Context.Stage = RuleStage.Completed;
        Assert.True(flow.Holds("Duration", """{"min_ms":1500,"max_ms":1600}""") && flow.Holds("ResponseBodySize", """{"min":"1.5KiB"}""") && flow.Holds("Size", """{"min":2010,"max":2010}"""));
        Assert.False(flow.Holds("Duration", """{"max_ms":1499}""") || flow.Holds("RequestBodySize", """{"min":11}"""));
    }

    [Fact]
    public void Counting_ComesLast_AndCountsOnlyWhatElseMatches()
    {
        var (condition, _, scope) = FlowFixture.Compile(
            "And", """[{"type":"FirstN","config":{"count":2}},{"type":"Method","config":"POST"}]""", RuleStage.RequestHeaders);
        var (post, get) = (Request(), new FlowFixture());
        Assert.Equal([false, true, false, true, false], new[] { get, post, get, post, post }.Select(x => x.Holds(condition!)));
        Assert.Equal("FirstN 2", condition!.Failing(post.Context).Text);
        Assert.Equal("Method Exact \"POST\"", condition.Failing(get.Context).Text);

        // Not counted while something is unknown, nor at another stage.
        var later = FlowFixture.Compile("And", """[{"type":"NthMatch","config":{"n":1}},{"type":"RequestBody","config":"x"}]""", RuleStage.RequestBody).Condition!;
        Assert.Equal(Truth.Unknown, later.Evaluate(post.Context));
        Assert.True(post.Body(RuleStage.RequestBody, "x").Holds(later));
        Assert.False(post.Holds(later));
    }

    [Fact]
    public void NthMatch_AndProbability_HoldAsOften()
    {
        var every = FlowFixture.Compile("NthMatch", """{"every":3}""", RuleStage.RequestHeaders).Condition!;
        var flow = Request();
        Assert.Equal([false, false, true, false, false, true], Enumerable.Range(0, 6).Select(_ => flow.Holds(every)));
        var chance = FlowFixture.Compile("Probability", "0.25", RuleStage.RequestHeaders).Condition!;
        Assert.InRange(Enumerable.Range(0, 10_000).Count(_ => flow.Holds(chance)), 2300, 2700);
    }

    [Theory]
    [InlineData("""{"from":"09:00","to":"17:00","time_zone":"UTC"}""", "2026-01-05T09:00:00Z", true)]
    [InlineData("""{"from":"09:00","to":"17:00","time_zone":"UTC"}""", "2026-01-05T17:00:00Z", false)]
    [InlineData("""{"from":"22:00","to":"02:00","days":["mon"],"time_zone":"UTC"}""", "2026-01-06T01:00:00Z", true)]
    [InlineData("""{"from":"22:00","to":"02:00","days":["mon"],"time_zone":"UTC"}""", "2026-01-05T01:00:00Z", false)]
    [InlineData("""{"from":"09:00","days":["Mon"],"time_zone":"Europe/Berlin"}""", "2026-01-05T08:30:00Z", true)]
    public void TimeWindow_IsOfItsZone(string config, string now, bool expected) =>
        Assert.Equal(expected, new FlowFixture(time: new FakeTimeProvider(DateTimeOffset.Parse(now, System.Globalization.CultureInfo.InvariantCulture))).Holds("TimeWindow", config));

    [Theory]
    [InlineData("SrcIp", "\"10.0.0.0/33\"", "RULE-313")]
    [InlineData("SrcIp", "\"localhost\"", "RULE-313")]
    [InlineData("Destination", "\"a:b\"", "RULE-313")]
    [InlineData("Port", "\"70000\"", "RULE-314")]
    [InlineData("StatusRange", "\"6-5\"", "RULE-314")]
    [InlineData("Size", """{"min":"10 parsecs"}""", "RULE-314")]
    [InlineData("Size", """{"min":2,"max":1}""", "RULE-314")]
    [InlineData("Size", "{}", "RULE-314")]
    [InlineData("HttpVersion", "\"4\"", "RULE-314")]
    [InlineData("JsonPath", """{"path":"a.b"}""", "RULE-315")]
    [InlineData("JsonPath", """{"path":"$","side":"response"}""", "RULE-316")]
    [InlineData("NthMatch", "{}", "RULE-314")]
    [InlineData("TimeWindow", """{"from":"9"}""", "RULE-314")]
    [InlineData("TimeWindow", """{"time_zone":"Mars/Olympus"}""", "RULE-318")]
    [InlineData("Expression", "\"statsu:400\"", "RULE-317")]
    [InlineData("Expression", "\"resbody:x\"", "RULE-316")]
    public void BadConfig_IsRefused(string type, string config, string code)
    {
        var (condition, problems, _) = FlowFixture.Compile(type, config, RuleStage.RequestBody);
        Assert.Null(condition);
        Assert.Equal((ProblemSeverity.Error, code), (problems.Items[0].Severity, problems.Items[0].Code));
    }

    [Fact]
    public void Process_IsWarnedAbout() =>
        Assert.Equal(ProblemSeverity.Warning, Assert.Single(FlowFixture.Compile("Process", "\"curl\"", RuleStage.RequestHeaders).Problems.Items).Severity);

    [Fact]
    public void NotMatching_AllocatesNothing()
    {
        var flow = Request();
        flow.Context.BeginRule(new CompiledRule(FlowFixture.Compile("All", null, RuleStage.RequestHeaders).Scope.Rule, AllCondition.Instance, []));
        (string, string)[] filters =
        [
            ("Url", """{"mode":"Prefix","value":"https://other.example/"}"""), ("Url", """{"mode":"Regex","value":"v[12]/items"}"""), ("Url", """{"mode":"Contains","value":"NOPE","ignore_case":true}"""),
            ("Host", """{"mode":"Suffix","value":".example.org"}"""), ("Path", """{"mode":"Glob","value":"/*/x/*"}"""), ("Path", "\"/é\""), ("Method", "\"GET\""),
            ("Query", """{"name":"name","value":"x"}"""), ("Cookie", """{"name":"sid","value":"x"}"""), ("RequestHeader", """{"name":"accept","value":"x"}"""), ("RequestContentType", "\"text/html\""),
            ("SrcIp", "\"10.0.0.0/8\""), ("ClientAddress", """["fe80::/10"]"""), ("Destination", """["*.example.org","10.0.0.0/8"]"""), ("Sni", "\"x\""), ("Tag", "\"x\""), ("Variable", """{"name":"x"}"""),
            ("HttpVersion", "\"2\""), ("Scheme", "\"http\""), ("Port", "[80,\"8000-9000\"]"),
            ("Expression", "\"host:zzz or header.accept:nope or client:10. or nope or cookie:zzz or header:nope\""),
        ];
        foreach (var (type, config) in filters)
        {
            var condition = FlowFixture.Compile(type, config, RuleStage.RequestHeaders).Condition!;
            for (var i = 0; i < 200; i++)
            {
                Assert.Equal(Truth.False, condition.Evaluate(flow.Context));
            }

            // More than once, since the runtime may allocate in between, while it compiles anew what is hot.
            var allocated = long.MaxValue;
            for (var attempt = 0; attempt < 5 && allocated > 0; attempt++)
            {
                var before = GC.GetAllocatedBytesForCurrentThread();
                for (var i = 0; i < 100; i++)
                {
                    condition.Evaluate(flow.Context);
                }

                allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            }

            Assert.True(allocated == 0, $"{type} {config} allocates {allocated} octets in 100 evaluations");
        }
    }

    private static FlowFixture Request() => FlowFixture.SampleRequest();

    private static FlowFixture Response() => FlowFixture.Sample();

    private static FlowFixture Message(MessageType type, string content, MessageProtocol protocol = MessageProtocol.WebSocket)
    {
        var flow = Response();
        var message = new Message();
        message.Load(protocol, type, PeerRole.Client, Encoding.UTF8.GetBytes(content));
        flow.Context.Stage = RuleStage.WebSocketMessage;
        flow.Context.Message = message;
        return flow;
    }
}

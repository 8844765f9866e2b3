using RelayCore.Cli.Flows;
using RelayCore.Core.Flows;
using Xunit;

namespace RelayCore.Cli.Tests.Rules;

public sealed class WhyCommandTests : IDisposable
{
    private readonly TestEnvironment _environment = new();

    public void Dispose() => _environment.Dispose();

    [Fact]
    public void Write_Trace_TellsWhatEachRuleDidAndWhy()
    {
        Write(new("Modified",
        [
            new("add", "request_headers", true, "MatchedAndExecuted")
            {
                DurationUs = 1500,
                Actions = [new("AddRequestHeader", "done", 900) { Changes = [new("request.headers.X-Env", null, "qa")] }, new("Delay", "no_effect", 1) { Detail = "0 ms" }],
                Variables = new Dictionary<string, string> { ["who"] = "me" },
            },
            new("other", "request_headers", false, "NotMatched") { Failing = "Host Exact \"b.example\"" },
            new("large", "response_body", false, "Skipped") { Detail = "the body is larger than 16 MiB" },
            new("broken", "response_headers", true, "Failed") { Detail = "no such file" },
        ])
        { Excluded = 998, Omitted = 2 });
        Assert.Contains("Rules matched (4 considered, 998 excluded by host, method or path, 2 not shown for want of room).", _environment.Output, StringComparison.Ordinal);
        Assert.Contains("add (request_headers): matched in 1.5 ms", _environment.Output, StringComparison.Ordinal);
        Assert.Contains("request.headers.X-Env: (absent) -> qa", _environment.Output, StringComparison.Ordinal);
        Assert.Contains("Delay: no effect in 1 µs: 0 ms", _environment.Output, StringComparison.Ordinal);
        Assert.Contains("who = me", _environment.Output, StringComparison.Ordinal);
        Assert.Contains("other (request_headers): this does not hold: Host Exact \"b.example\"", _environment.Output, StringComparison.Ordinal);
        Assert.Contains("skipped   large (response_body): the body is larger than 16 MiB", _environment.Output, StringComparison.Ordinal);
        Assert.Contains("broken (response_headers): matched and failed; its changes were taken back: no such file", _environment.Output, StringComparison.Ordinal);
        Assert.Contains("script:x (request_head) request.method: GET -> PUT", _environment.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Write_NoTrace_SaysWhyThereIsNone()
    {
        Write(null);
        Assert.Contains("GET http://a.example/ -> 200", _environment.Output, StringComparison.Ordinal);
        Assert.Contains("No rule was considered", _environment.Output, StringComparison.Ordinal);
        Assert.Contains("It ended: completed", _environment.Output, StringComparison.Ordinal);
    }

    private void Write(RuleTrace? trace)
    {
        var flow = new Flow
        {
            Id = "0198f000-0000-7000-8000-000000000000",
            StartTime = "2026-01-01T00:00:00Z",
            Network = new() { ClientIp = "127.0.0.1", ClientPort = 1, ServerIp = "0.0.0.0", ServerPort = 0, Tls = false },
            Kind = FlowKind.Http,
            Connection = new() { Client = new() { Id = 1 } },
            Octets = new() { RequestBody = 0, ResponseBody = 0 },
            CloseReason = new("completed"),
            RuleTrace = trace,
            Mutations = [new("rule:add", "request_head", "request.headers.X-Env", null, "qa", 1), new("script:x", "request_head", "request.method", "GET", "PUT", 2)],
            Layer = new FlowLayer.Http(new()
            {
                Request = new() { Method = "GET", Url = "http://a.example/", Version = "HTTP/1.1" },
                Response = new() { Status = 200, StatusText = "200 OK", Version = "HTTP/1.1" },
            }),
        };
        new WhyCommand(_environment.Cli, _ => throw new NotSupportedException(), (_, _, _) => throw new NotSupportedException())
            .Write(flow);
    }
}

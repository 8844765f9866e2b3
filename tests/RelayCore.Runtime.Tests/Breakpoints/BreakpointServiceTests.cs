using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Time.Testing;
using RelayCore.Core.Interception;
using RelayCore.Formats;
using RelayCore.Protocols;
using RelayCore.Rules;
using RelayCore.Rules.Documents;
using RelayCore.Rules.Execution;
using RelayCore.Rules.Filters;
using RelayCore.Runtime.Breakpoints;
using RelayCore.Runtime.Rules;
using Xunit;

namespace RelayCore.Runtime.Tests.Breakpoints;

public sealed class BreakpointServiceTests
{
    private static readonly TimeSpan s_minute = TimeSpan.FromMinutes(1);

    private readonly FakeTimeProvider _time = new();
    private readonly ConcurrentQueue<(string Name, string Json)> _events = new();
    private readonly BreakpointService _service;

    public BreakpointServiceTests() => _service = new(_time, (name, json) => _events.Enqueue((name, Encoding.UTF8.GetString(json))));

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Resume_EditsOfARequest_AreMadeOnTheFlow()
    {
        var context = Request();
        var pause = Pause(context);
        var shown = Assert.Single(_service.List());
        Assert.Equal(("k", "request_headers", "POST", "http://shop.example/cart?x=1", "stop-here"), (shown.Key, shown.Phase, shown.Method, shown.Url, shown.RuleId));
        Assert.Equal(_time.GetUtcNow().ToUnixTimeMilliseconds() + 60_000, shown.ExpiresAtMs);
        Resume("""{"method":"PUT","url":"http://other.example/b","request_header_upserts":{"X-New":"1","accept":"text/html"},"request_header_deletes":["X-Old"]}""");
        var (verdict, detail) = await pause;
        Assert.False(verdict.IsTerminal);
        Assert.Contains("changed method, url, request_header_upserts, request_header_deletes", detail, StringComparison.Ordinal);
        var request = context.Exchange!.Request;
        Assert.Equal(("PUT", "http://other.example/b"), (request.Method, request.Url));
        Assert.Equal(("1", "text/html", null, "other.example"), (request.Fields.Get("X-New"), request.Fields.Get("Accept"), request.Fields.Get("X-Old"), request.Fields.Get("Host")));
        Assert.Empty(_service.List());
        Assert.Equal(["intercept-paused", "intercept-resolved"], _events.Select(x => x.Name));
        using var resolved = JsonDocument.Parse(_events.Last().Json);
        Assert.Equal(("continue", true), (resolved.RootElement.GetProperty("action").GetString(), resolved.RootElement.GetProperty("mutated").GetBoolean()));
    }

    [Fact]
    public async Task Resume_AllHeadersOfAResponse_ReplacesThemAndTheStatus()
    {
        var context = Response();
        var pause = Pause(context);
        Resume("""{"status_code":418,"response_headers":[["A","1"],["A","2"]]}""");
        await pause;
        var response = context.Exchange!.Response;
        Assert.Equal(418, response.Status);
        Assert.Equal(["A: 1", "A: 2"], response.Fields.ToList().Select(x => $"{x.Key}: {x.Value}"));
    }

    [Fact]
    public async Task Resume_BodyAtItsStage_ReplacesTheContentInItsCoding()
    {
        var context = Response();
        context.Stage = RuleStage.ResponseBody;
        context.Exchange!.Response.Fields.Set("Content-Encoding", "gzip");
        var codings = ContentCodings.Instance;
        context.Body = new(codings.Encode("old"u8.ToArray(), "gzip"), "gzip", codings, 1000);
        var pause = Pause(context);
        Assert.Equal(("utf-8", "old", 3L), (_service.List()[0].Content!.Encoding, _service.List()[0].Content!.Content, _service.List()[0].Content!.Size));
        Resume("""{"response_body":"new"}""");
        await pause;
        Assert.True(codings.TryDecode(context.Body.Octets, "gzip", 1000, out var content, out _));
        Assert.Equal("new", Encoding.UTF8.GetString(content.Span));
    }

    [Fact]
    public async Task Resume_BodyInACodingWeCannotMake_GoesOnAsIdentity()
    {
        var context = Response();
        context.Stage = RuleStage.ResponseBody;
        context.Exchange!.Response.Fields.Set("Content-Encoding", "x-own");
        context.Body = new("??"u8.ToArray(), "x-own", ContentCodings.Instance, 1000);
        var pause = Pause(context);
        Resume("""{"response_body_base64":"bmV3"}""");
        await pause;
        Assert.Equal("new", Encoding.UTF8.GetString(context.Body.Octets.Span));
        Assert.Null(context.Exchange.Response.Fields.Get("Content-Encoding"));
    }

    [Fact]
    public async Task Resume_Respond_AnswersTheClient()
    {
        var pause = Pause(Request());
        Resume("""{"respond":{"status":503,"headers":{"Retry-After":"5"},"body":"busy"}}""");
        var answer = Assert.IsType<Verdict.Respond>((await pause).Verdict);
        Assert.Equal((503, "busy"), (answer.Status, Encoding.UTF8.GetString(answer.Body.Span)));
        Assert.Equal(KeyValuePair.Create("Retry-After", "5"), Assert.Single(answer.Fields));
    }

    [Fact]
    public async Task Resume_Drop_DropsExchangesAndMessages()
    {
        var pause = Pause(Request());
        Resume("""{"action":"drop"}""");
        Assert.IsType<Verdict.Drop>((await pause).Verdict);
        var context = Message();
        pause = Pause(context);
        Assert.Equal(("ws_message", "ClientToServer"), (_service.List()[0].Phase, _service.List()[0].Direction));
        Resume("""{"action":"drop"}""");
        await pause;
        Assert.True(context.Message!.IsDropped);
    }

    [Fact]
    public async Task Resume_Message_ReplacesItsContent()
    {
        var context = Message();
        var pause = Pause(context);
        Resume("""{"message_content":"bye"}""");
        await pause;
        Assert.Equal("bye", Encoding.UTF8.GetString(context.Message!.Content.Span));
    }

    [Theory]
    [InlineData("""{"status_code":200}""", "answer a request")]
    [InlineData("""{"message_content":"x"}""", "no message_content")]
    public async Task Resume_EditsThatMakeNoSenseThere_LeaveItPaused(string json, string reason)
    {
        var pause = Pause(Request());
        var result = _service.Resume("k", Edits(json));
        Assert.Equal(ResumeOutcome.Invalid, result.Outcome);
        Assert.Contains(reason, result.Detail, StringComparison.Ordinal);
        Assert.Single(_service.List());
        Resume("{}");
        await pause;
    }

    [Theory]
    [InlineData("""{"methud":"GET"}""", "'methud'")]
    [InlineData("""{"method":"G T"}""", "method")]
    [InlineData("""{"url":"/path"}""", "url")]
    [InlineData("""{"status_code":99}""", "status_code")]
    [InlineData("""{"request_headers":{"a b":"c"}}""", "'a b'")]
    [InlineData("""{"request_header_upserts":{"a":"b\r\nc"}}""", "value of a")]
    [InlineData("""{"request_body":"a","request_body_base64":"YQ=="}""", "both")]
    [InlineData("""{"response_body_base64":"%"}""", "base64")]
    [InlineData("""{"action":"respond"}""", "respond")]
    [InlineData("""{"action":"later"}""", "action")]
    [InlineData("""{"respond":{"code":1}}""", "'code'")]
    [InlineData("""[]""", "object")]
    public void TryRead_WhatMakesNoSense_IsRefusedByName(string json, string named)
    {
        using var document = JsonDocument.Parse(json);
        Assert.False(FlowModification.TryRead(document.RootElement, out _, out var problem));
        Assert.Contains(named, problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task PauseAsync_NobodyDecides_GoesOnUnchanged()
    {
        var pause = Pause(Request());
        _time.Advance(s_minute);
        var (verdict, detail) = await pause;
        Assert.False(verdict.IsTerminal);
        Assert.Contains("60 s", detail, StringComparison.Ordinal);
        Assert.Empty(_service.List());
        Assert.Equal(ResumeOutcome.Unknown, _service.Resume("k", FlowModification.None).Outcome);
        Assert.Contains("\"timeout\"", _events.Last().Json, StringComparison.Ordinal);
    }

    [Fact]
    public async Task PauseAsync_FlowGivenUp_Ends()
    {
        using var stop = new CancellationTokenSource();
        var pause = _service.PauseAsync(Request(), "k", s_minute, stop.Token).AsTask();
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => pause);
        Assert.Empty(_service.List());
    }

    [Fact]
    public async Task PauseAsync_MoreThanTheBound_GoesOnAtOnceAndSaysSo()
    {
        var pauses = Enumerable.Range(0, BreakpointService.MaxPauses).Select(x => _service.PauseAsync(Request(), $"k{x}", s_minute, Stop).AsTask()).ToList();
        var context = Request();
        var (verdict, detail) = await _service.PauseAsync(context, "one too many", s_minute, Stop);
        Assert.False(verdict.IsTerminal);
        Assert.Contains("1000", detail, StringComparison.Ordinal);
        Assert.Equal(["breakpoint_skipped"], context.Flow.Tags);
        _service.Close();
        await Task.WhenAll(pauses).WaitAsync(TimeSpan.FromSeconds(30), Stop);
        Assert.Contains("stopping", (await _service.PauseAsync(Request(), "k", s_minute, Stop)).Detail, StringComparison.Ordinal);
    }

    private Task<(Verdict Verdict, string Detail)> Pause(RuleContext context) => _service.PauseAsync(context, "k", s_minute, Stop).AsTask();

    private void Resume(string json)
    {
        var result = _service.Resume("k", Edits(json));
        Assert.True(result.Outcome == ResumeOutcome.Resumed, result.Detail);
    }

    private static FlowModification Edits(string json)
    {
        using var document = JsonDocument.Parse(json);
        Assert.True(FlowModification.TryRead(document.RootElement, out var edits, out var problem), problem);
        return edits;
    }

    private RuleContext Request()
    {
        var input = new DryRunInput { Method = "POST", Url = "http://shop.example/cart?x=1", Headers = [new("Accept", "*/*"), new("X-Old", "0")] };
        var exchange = DryRunExchange.Create(input, DryRunExchange.Client(input), _time);
        return Context(RuleStage.RequestHeaders, exchange, exchange);
    }

    private RuleContext Response()
    {
        var context = Request();
        context.Stage = RuleStage.ResponseHeaders;
        DryRunExchange.LoadResponse(context.Exchange!, new(200, [new("Server", "x")], default), isHttp2: false);
        return context;
    }

    private RuleContext Message()
    {
        var request = Request();
        var flow = new MessageContext(MessageProtocol.WebSocket, new DryRunSession(request.Flow.Id, []), request.Exchange!);
        var context = Context(RuleStage.WebSocketMessage, flow, request.Exchange);
        context.Message = new();
        context.Message.Load(MessageProtocol.WebSocket, MessageType.Text, PeerRole.Client, "hello"u8.ToArray());
        return context;
    }

    private static RuleContext Context(RuleStage stage, FlowContext flow, Exchange? exchange)
    {
        var node = new RuleNode(NodeKind.Map, new("test", 1, 1), "$");
        return new()
        {
            Stage = stage,
            Flow = flow,
            Exchange = exchange,
            Rule = new(new("stop-here", "stop", stage, node, [], node), AllCondition.Instance, []),
        };
    }
}

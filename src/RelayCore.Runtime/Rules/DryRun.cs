using System.Buffers;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Core.Messages;
using RelayCore.Formats;
using RelayCore.Protocols;
using RelayCore.Rules;
using RelayCore.Rules.Documents;
using RelayCore.Rules.Execution;

namespace RelayCore.Runtime.Rules;

/// <summary>
/// Tries rules on an exchange: the real interceptor over the real objects, without a network. Nothing outside is changed, and delays take no time.
/// Every rule that does not match is shown with its first condition that failed, those the index would have excluded too.
/// </summary>
public sealed class DryRun
{
    private const long MaxContent = 64 * 1024 * 1024;

    private readonly DryRunInput _input;
    private readonly RuleSet _set;
    private readonly RuleEnvironment _environment;
    private readonly DryRunClock _clock;
    private readonly IInterceptor _interceptor;
    private readonly Exchange _exchange;
    private readonly DryRunFailures _failures;
    private readonly List<DryRunMessageView> _messages = [];
    private readonly List<FlowContext> _tunnels = [];
    private ReadOnlyMemory<byte> _requestContent;
    private ReadOnlyMemory<byte> _responseContent;
    private long _requestOctets;
    private long _responseOctets;
    private Verdict _verdict = Verdict.Continue;
    private string? _ended;

    private DryRun(DryRunInput input, RuleSet set, RuleEnvironment environment, DryRunClock clock)
    {
        (_input, _set, _environment, _clock) = (input, set, environment, clock);
        _interceptor = RuleLibrary.Interceptor(set);
        _exchange = DryRunExchange.Create(input, DryRunExchange.Client(input), clock);
        _failures = new(set, environment);
        (_requestContent, _responseContent) = (input.Body, input.Response?.Body ?? default);
    }

    /// <summary>Tries rules.</summary>
    /// <param name="rules">The rules; compiled anew, so that counters and limits of running rules are not touched.</param>
    /// <param name="options">What they may use.</param>
    /// <param name="input">The exchange.</param>
    /// <param name="problems">What is wrong with the rules.</param>
    /// <param name="cancellationToken">Gives it up.</param>
    /// <returns><see langword="null"/> when the rules have errors.</returns>
    /// <exception cref="FormatException">The input is no exchange; the message is a sentence.</exception>
    public static async Task<DryRunResult?> RunAsync(
        IReadOnlyList<RuleDefinition> rules, RuleOptions options, DryRunInput input, RuleProblems problems, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(problems);
        var clock = new DryRunClock();
        var environment = Environment(options, clock);
        var set = RuleSet.Compile(rules, environment, problems);
        if (problems.HasErrors)
        {
            return null;
        }

        var run = new DryRun(DryRunExchange.Complete(input), set, environment, clock);
        await run.RunAsync(cancellationToken).ConfigureAwait(false);
        return run.Result(rules);
    }

    /// <summary>Compiles rules and forgets them, for what is wrong with them.</summary>
    public static void Check(IReadOnlyList<RuleDefinition> rules, RuleOptions options, RuleProblems problems)
    {
        ArgumentNullException.ThrowIfNull(options);
        _ = RuleSet.Compile(rules, Environment(options, TimeProvider.System), problems);
    }

    // Chance is always the same, so that a test does not pass on some days only.
    private static RuleEnvironment Environment(RuleOptions options, TimeProvider time) => new()
    {
        Time = time,
        Random = new Random(1),
        Codings = ContentCodings.Instance,
        SandboxRoot = options.SandboxRoot,
        EnvironmentAllowed = options.EnvironmentAllowed,
        Functions = options.Functions,
    };

    private async Task RunAsync(CancellationToken cancellationToken)
    {
        if (_exchange.Request.Origin.IsSecure)
        {
            await TunnelAsync(cancellationToken).ConfigureAwait(false);
        }

        if (_ended is null)
        {
            await RequestAsync(cancellationToken).ConfigureAwait(false);
        }

        if (!_verdict.IsTerminal && _ended is null && _input.Response is { } response)
        {
            await ResponseAsync(response, cancellationToken).ConfigureAwait(false);
        }

        if (!_verdict.IsTerminal && _ended is null && _input.Messages.Count > 0)
        {
            await MessagesAsync(cancellationToken).ConfigureAwait(false);
        }

        if (_ended is null)
        {
            _exchange.RequestBodyOctets = _requestOctets;
            _exchange.ResponseBodyOctets = _verdict is Verdict.Respond answer ? answer.Body.Length : _responseOctets;
            _failures.Note(RuleStage.Completed, _exchange);
            if (Wants(Stage.Completed))
            {
                await _clock.RunAsync(_interceptor.OnCompletedAsync(_exchange, cancellationToken), cancellationToken).ConfigureAwait(false);
            }
        }
    }

    // What happens to a client of https before its request: CONNECT, then TLS. Both are flows of their own.
    private async Task TunnelAsync(CancellationToken cancellationToken)
    {
        var origin = _exchange.Request.Origin;
        var connect = new ConnectContext { Host = origin.Host, Port = origin.Port };
        connect.Begin(_exchange.Id, _exchange.Client);
        _tunnels.Add(connect);
        await StageAsync(Stage.Connect, () => _interceptor.OnConnectAsync(connect, cancellationToken), cancellationToken).ConfigureAwait(false);
        _failures.Note(RuleStage.Connect, connect);
        if (_verdict is Verdict.RedirectTarget)
        {
            _verdict = Verdict.Continue;
        }
        else if (_verdict.IsTerminal)
        {
            _ended = $"{Word(_verdict)} at connect";
            return;
        }

        var hello = new ClientHelloContext { Host = origin.Host, Port = origin.Port, Hello = _exchange.Client.Tls ?? new() };
        hello.Begin(_exchange.Id, _exchange.Client);
        _tunnels.Add(hello);
        await StageAsync(Stage.ClientHello, () => _interceptor.OnClientHelloAsync(hello, cancellationToken), cancellationToken).ConfigureAwait(false);
        _failures.Note(RuleStage.ClientHello, hello);
        _ended = _verdict is Verdict.RedirectTarget or { IsTerminal: false }
            ? hello.Decision switch { InterceptDecision.PassThrough => "pass_through", InterceptDecision.Drop => "dropped at client_hello", _ => null }
            : $"{Word(_verdict)} at client_hello";
        _verdict = _ended is null ? Verdict.Continue : _verdict;
    }

    private async Task RequestAsync(CancellationToken cancellationToken)
    {
        await StageAsync(Stage.RequestHead, () => _interceptor.OnRequestHeadAsync(_exchange, cancellationToken), cancellationToken).ConfigureAwait(false);
        _failures.Note(RuleStage.RequestHeaders, _exchange);
        if (_verdict is Verdict.RedirectTarget redirect)
        {
            _exchange.Request.Redirect(redirect.Target);
            _verdict = Verdict.Continue;
        }

        if (_verdict.IsTerminal)
        {
            return;
        }

        var body = Body(_requestContent, _exchange.Request.Fields.Get("Content-Encoding"));
        _requestOctets = body.Octets.Length;
        await StageAsync(Stage.RequestBody, () => _interceptor.OnRequestBodyAsync(_exchange, body, cancellationToken), cancellationToken).ConfigureAwait(false);
        _failures.Note(RuleStage.RequestBody, _exchange, body);
        _requestContent = body.Content;
        if (!_verdict.IsTerminal && Wants(Stage.RequestChunk) && !body.Octets.IsEmpty)
        {
            var octets = await ChunkAsync(body.Octets, chunk => _interceptor.OnRequestChunkAsync(_exchange, chunk, cancellationToken), cancellationToken).ConfigureAwait(false);
            _requestContent = Body(octets, _exchange.Request.Fields.Get("Content-Encoding"), isEncoded: true).Content;
        }

        _exchange.Server = DryRunExchange.Server(_input);
    }

    private async Task ResponseAsync(DryRunResponse response, CancellationToken cancellationToken)
    {
        DryRunExchange.LoadResponse(_exchange, response, _input.IsHttp2);
        await StageAsync(Stage.ResponseHead, () => _interceptor.OnResponseHeadAsync(_exchange, cancellationToken), cancellationToken).ConfigureAwait(false);
        _failures.Note(RuleStage.ResponseHeaders, _exchange);
        if (_verdict.IsTerminal)
        {
            return;
        }

        var body = Body(_responseContent, _exchange.Response.Fields.Get("Content-Encoding"));
        _responseOctets = body.Octets.Length;
        await StageAsync(Stage.ResponseBody, () => _interceptor.OnResponseBodyAsync(_exchange, body, cancellationToken), cancellationToken).ConfigureAwait(false);
        _failures.Note(RuleStage.ResponseBody, _exchange, body);
        _responseContent = body.Content;
        if (!_verdict.IsTerminal && Wants(Stage.ResponseChunk) && !body.Octets.IsEmpty)
        {
            var octets = await ChunkAsync(body.Octets, chunk => _interceptor.OnResponseChunkAsync(_exchange, chunk, cancellationToken), cancellationToken).ConfigureAwait(false);
            _responseContent = Body(octets, _exchange.Response.Fields.Get("Content-Encoding"), isEncoded: true).Content;
        }
    }

    private async Task MessagesAsync(CancellationToken cancellationToken)
    {
        var protocol = _input.Messages[0].Type switch
        {
            MessageType.Event => MessageProtocol.ServerSentEvents,
            MessageType.Line => MessageProtocol.Ndjson,
            MessageType.GrpcMessage => MessageProtocol.Grpc,
            _ => MessageProtocol.WebSocket,
        };
        var context = new MessageContext(protocol, new DryRunSession(_exchange.Id, _messages), _exchange);
        foreach (var given in _input.Messages)
        {
            var message = new Message();
            message.Load(protocol, given.Type, given.Sender, given.Content);
            if (message.Type == MessageType.Close)
            {
                message.LoadClose(given.CloseCode, given.CloseReason);
            }
            else if (message.Type == MessageType.Event)
            {
                message.LoadEvent(given.EventId, given.EventName, null);
            }

            if (Wants(message.IsControl ? Stage.ControlMessage : Stage.Message))
            {
                await _clock.RunAsync(_interceptor.OnMessageAsync(context, message, cancellationToken), cancellationToken).ConfigureAwait(false);
            }

            _failures.Note(protocol == MessageProtocol.WebSocket ? RuleStage.WebSocketMessage : RuleStage.Message, context, _exchange, message);
            if (protocol == MessageProtocol.WebSocket)
            {
                _failures.Note(RuleStage.Message, context, _exchange, message);
            }

            _messages.Add(View(message));
        }
    }

    private async Task StageAsync(Stage stage, Func<ValueTask<Verdict>> call, CancellationToken cancellationToken)
    {
        if (Wants(stage))
        {
            await _clock.RunAsync(KeepAsync(), cancellationToken).ConfigureAwait(false);
        }

        async ValueTask KeepAsync() => _verdict = await call().ConfigureAwait(false);
    }

    private bool Wants(Stage stage) =>
        (_interceptor.Needs.Stages & stage) != 0 || (_interceptor.Needs.OnDemand & _exchange.Wanted & stage) != 0;

    private async Task<ReadOnlyMemory<byte>> ChunkAsync(ReadOnlyMemory<byte> octets, Func<BodyChunk, ValueTask> call, CancellationToken cancellationToken)
    {
        var chunk = new BodyChunk();
        chunk.Load(octets, isLast: true);
        await _clock.RunAsync(call(chunk), cancellationToken).ConfigureAwait(false);
        return chunk.Output.Count == 1 ? chunk.Output[0].ToArray() : chunk.Output.SelectMany(x => x.ToArray()).ToArray();
    }

    private MessageBody Body(ReadOnlyMemory<byte> content, string? coding, bool isEncoded = false)
    {
        if (isEncoded || string.IsNullOrEmpty(coding))
        {
            return new(content, coding, _environment.Codings, MaxContent);
        }

        try
        {
            return new(_environment.Codings.Encode(content, coding), coding, _environment.Codings, MaxContent);
        }
        catch (NotSupportedException)
        {
            return new(content, null, _environment.Codings, MaxContent);
        }
    }

    private DryRunResult Result(IReadOnlyList<RuleDefinition> rules)
    {
        var traces = _tunnels.Append(_exchange).Select(Trace).OfType<RuleTrace>().ToList();
        var request = _ended is null && !(_verdict.IsTerminal && !_exchange.HasResponse) ? View(_exchange, _requestContent) : null;
        var response = _exchange.HasResponse && !_verdict.IsTerminal ? ViewResponse(_exchange, _responseContent) : null;
        return new()
        {
            Method = _input.Method,
            Url = _input.Url,
            Rules = [.. _set.Rules.Select(x => Rule(x, traces)), .. rules.Where(x => !x.IsActive).Select(Inactive)],
            Matched = [.. _tunnels.Append(_exchange).SelectMany(x => x.MatchedRules).Distinct()],
            Changes = DryRunChanges.Of(_input, request, response),
            Request = request,
            Response = response,
            Answered = _verdict is Verdict.Respond answer ? View(answer) : null,
            Ended = _ended ?? (_verdict is Verdict.Drop or Verdict.Abort ? Word(_verdict) : null),
            Messages = _messages.Count == 0 ? null : _messages,
            Tags = [.. _tunnels.Append(_exchange).SelectMany(x => x.Tags).Distinct()],
            Variables = _tunnels.Append(_exchange).SelectMany(x => x.Variables).GroupBy(x => x.Key).ToDictionary(x => x.Key, x => x.Last().Value, StringComparer.Ordinal),
            WaitedMs = (long)_clock.Waited.TotalMilliseconds,
            Notes = _input.Notes,
            Trace = traces.Count > 0 ? traces[^1] : null,
        };
    }

    private static RuleTrace? Trace(FlowContext flow)
    {
        if (flow.Trace is null)
        {
            return null;
        }

        var buffer = new ArrayBufferWriter<byte>();
        flow.Trace.Write(buffer);
        return buffer.WrittenCount == 0 ? null : JsonSerializer.Deserialize(buffer.WrittenSpan, RuleJson.Default.RuleTrace);
    }

    private DryRunRule Rule(CompiledRule rule, List<RuleTrace> traces)
    {
        var stage = RuleLibrary.StageName(rule.Definition.Stage);
        var events = traces.SelectMany(x => x.Events).Where(x => x.RuleId == rule.Id && x.Stage == stage).ToList();
        if ((events.Find(x => x.Matched) ?? events.FirstOrDefault()) is { } found)
        {
            return new(rule.Id, rule.Definition.Name, stage, found.Matched, found.Outcome)
            {
                Failing = found.Failing,
                Detail = found.Detail,
                Actions = found.Actions,
            };
        }

        return _failures.Of(rule) is { } failing
            ? new(rule.Id, rule.Definition.Name, stage, Matched: false, "NotMatched") { Failing = failing }
            : new(rule.Id, rule.Definition.Name, stage, Matched: false, "NotReached") { Detail = WhyNotReached(rule.Definition.Stage) };
    }

    private static DryRunRule Inactive(RuleDefinition rule) =>
        new(rule.Id, rule.Name, RuleLibrary.StageName(rule.Stage), Matched: false, "Skipped") { Detail = "it is not active" };

    private string WhyNotReached(RuleStage stage) =>
        _failures.Reached(stage) ? "an earlier rule ended the stage"
        : _ended is { } end ? $"the connection is over before: {end}"
        : _verdict is Verdict.Respond ? "an earlier rule answered"
        : _verdict.IsTerminal ? $"an earlier rule ended the exchange: {Word(_verdict)}"
        : stage switch
        {
            RuleStage.Connect or RuleStage.ClientHello => "the URL is not https, so there is no tunnel",
            RuleStage.ResponseHeaders or RuleStage.ResponseBody => "there is no response to try it on",
            RuleStage.WebSocketMessage or RuleStage.Message => "there are no messages to try it on",
            _ => "the stage did not run",
        };

    private static DryRunMessageView View(Exchange exchange, ReadOnlyMemory<byte> content) => WithBody(
        new() { Method = exchange.Request.Method, Url = exchange.Request.Url, Headers = Lines(exchange.Request.Fields.ToList()) }, content);

    private static DryRunMessageView ViewResponse(Exchange exchange, ReadOnlyMemory<byte> content) => WithBody(
        new() { Status = exchange.Response.Status, Headers = Lines(exchange.Response.Fields.ToList()) }, content);

    private static DryRunMessageView View(Verdict.Respond answer) => WithBody(new() { Status = answer.Status, Headers = Lines(answer.Fields) }, answer.Body);

    internal static DryRunMessageView View(Message message) => WithBody(
        new() { Direction = message.Sender == PeerRole.Client ? "ClientToServer" : "ServerToClient", Dropped = message.IsDropped }, message.Content);

    internal static DryRunMessageView WithBody(DryRunMessageView view, ReadOnlyMemory<byte> content) =>
        content.IsEmpty ? view
        : Utf8.IsValid(content.Span) ? view with { Body = Encoding.UTF8.GetString(content.Span), BodyEncoding = "utf-8" }
        : view with { Body = Convert.ToBase64String(content.Span), BodyEncoding = "base64" };

    private static List<string[]> Lines(IReadOnlyList<KeyValuePair<string, string>> lines) => [.. lines.Select(x => (string[])[x.Key, x.Value])];

    private static string Word(Verdict verdict) => verdict switch
    {
        Verdict.Drop drop => $"dropped: {drop.Reason}",
        Verdict.Abort abort => $"aborted: {abort.Reason}",
        Verdict.Respond respond => $"answered with {respond.Status}",
        _ => "goes on",
    };
}

using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using RelayCore.Core.Interception;
using RelayCore.Rules;
using RelayCore.Rules.Execution;

namespace RelayCore.Runtime.Breakpoints;

/// <summary>
/// Flows that wait for a person. At most <see cref="MaxPauses"/> at once; a further one goes on at once and says so (tag
/// <c>breakpoint_skipped</c>). Safe for concurrent use.
/// </summary>
public sealed class BreakpointService : IBreakpoints
{
    /// <summary>Flows paused at once.</summary>
    public const int MaxPauses = 1000;

    /// <summary>Octets of a body or message shown with its pause.</summary>
    public const int MaxContent = 16 * 1024;

    private readonly ConcurrentDictionary<string, Pause> _pauses = new(StringComparer.Ordinal);
    private readonly TimeProvider _time;
    private readonly Action<string, byte[]> _publish;
    private int _count;
    private volatile bool _isClosed;

    internal BreakpointService(TimeProvider time, Action<string, byte[]> publish) => (_time, _publish) = (time, publish);

    /// <summary>Flows paused now, the longest first.</summary>
    public IReadOnlyList<PausedFlow> List() => [.. _pauses.Values.Select(x => x.Shown).OrderBy(x => x.CreatedAtMs).ThenBy(x => x.Key, StringComparer.Ordinal)];

    /// <summary>Lets a flow go on.</summary>
    /// <param name="key">Key of the pause.</param>
    /// <param name="edits">The decision.</param>
    /// <returns>What became of it; an edit that makes no sense where the flow is changes nothing and leaves it paused.</returns>
    public ResumeResult Resume(string key, FlowModification edits)
    {
        ArgumentNullException.ThrowIfNull(edits);
        if (!_pauses.TryGetValue(key, out var pause))
        {
            return Unknown(key);
        }

        if (FlowEditor.Problem(edits, pause.Stage) is { } problem)
        {
            return new(ResumeOutcome.Invalid, problem);
        }

        if (!_pauses.TryRemove(new(key, pause)))
        {
            return Unknown(key);
        }

        pause.Decision.SetResult(edits);
        return new(ResumeOutcome.Resumed, "");
    }

    /// <inheritdoc/>
    public async ValueTask<(Verdict Verdict, string Detail)> PauseAsync(RuleContext context, string key, TimeSpan timeout, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(context);
        if (Interlocked.Increment(ref _count) > MaxPauses || _isClosed)
        {
            Interlocked.Decrement(ref _count);
            context.Flow.SetTag("breakpoint_skipped");
            return (Verdict.Continue, _isClosed ? "not paused: the proxy is stopping" : $"not paused: {MaxPauses} flows are paused already");
        }

        try
        {
            var pause = new Pause(context.Stage, Describe(context, key, timeout));
            if (!_pauses.TryAdd(key, pause))
            {
                context.Flow.SetTag("breakpoint_skipped");
                return (Verdict.Continue, $"not paused: {key} is paused already");
            }

            return await WaitAsync(context, pause, timeout, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            Interlocked.Decrement(ref _count);
        }
    }

    /// <summary>Lets everything go on unchanged, and pauses nothing any more.</summary>
    internal void Close()
    {
        _isClosed = true;
        foreach (var (key, pause) in _pauses)
        {
            if (_pauses.TryRemove(new(key, pause)))
            {
                pause.Decision.SetResult(FlowModification.None);
            }
        }
    }

    private async Task<(Verdict Verdict, string Detail)> WaitAsync(RuleContext context, Pause pause, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var shown = pause.Shown;
        _publish("intercept-paused", JsonSerializer.SerializeToUtf8Bytes(shown, BreakpointJson.Default.PausedFlow));
        if (_isClosed)
        {
            Close(); // it was closed between the question and the pause
        }

        FlowModification edits;
        try
        {
            edits = await pause.Decision.Task.WaitAsync(timeout, _time, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception error) when (error is TimeoutException or OperationCanceledException)
        {
            if (_pauses.TryRemove(new(shown.Key, pause)))
            {
                Resolved(shown, error is TimeoutException ? "timeout" : "cancelled", FlowModification.None);
                return error is TimeoutException
                    ? (Verdict.Continue, $"nobody decided within {timeout.TotalSeconds.ToString("0.###", System.Globalization.CultureInfo.InvariantCulture)} s; it goes on unchanged")
                    : throw new OperationCanceledException("The flow was given up while it was paused.", error, cancellationToken);
            }

            // Somebody decided in the same moment, and was told that it counts.
            edits = await pause.Decision.Task.ConfigureAwait(false);
        }

        var verdict = FlowEditor.Apply(edits, context);
        Resolved(shown, Word(edits.Action), edits);
        return (verdict, edits.Fields.Count == 0 ? $"resumed: {Word(edits.Action)}" : $"resumed: {Word(edits.Action)}, changed {string.Join(", ", edits.Fields)}");
    }

    private void Resolved(PausedFlow pause, string action, FlowModification edits) => _publish(
        "intercept-resolved",
        JsonSerializer.SerializeToUtf8Bytes(
            new InterceptResolved(pause.Key, pause.FlowId, pause.Phase, action, edits.Fields.Count > 0, edits.Fields), BreakpointJson.Default.InterceptResolved));

    private PausedFlow Describe(RuleContext context, string key, TimeSpan timeout)
    {
        var now = _time.GetUtcNow();
        var exchange = context.Exchange;
        var isResponse = context.Stage is RuleStage.ResponseHeaders or RuleStage.ResponseBody;
        return new()
        {
            Key = key,
            FlowId = context.Flow.Id.ToString(),
            Phase = Phase(context.Stage),
            RuleId = context.Rule.Id,
            Url = exchange?.Request.Url ?? (context.Connect is { } connect ? $"{connect.Host}:{connect.Port}" : context.Hello is { } hello ? $"{hello.Host}:{hello.Port}" : ""),
            Method = exchange?.Request.Method ?? (context.Connect is null ? "" : "CONNECT"),
            Status = isResponse ? exchange?.Response.Status : null,
            Headers = exchange is null || context.Message is not null ? null
                : [.. (isResponse ? exchange.Response.Fields : exchange.Request.Fields).ToList().Select(x => (string[])[x.Key, x.Value])],
            Content = context.Message is { } message ? Show(message.Content.Span) : context.Body is { } body ? Show(body.Content.Span) : null,
            Direction = context.Message is { } sent ? sent.Sender == Protocols.PeerRole.Client ? "ClientToServer" : "ServerToClient" : null,
            CreatedAtMs = now.ToUnixTimeMilliseconds(),
            ExpiresAtMs = timeout == Timeout.InfiniteTimeSpan ? null : (now + timeout).ToUnixTimeMilliseconds(),
        };
    }

    private static PausedContent Show(ReadOnlySpan<byte> content)
    {
        var cut = content[..Math.Min(content.Length, MaxContent)];
        for (var end = cut.Length; end > cut.Length - 4 && end >= 0; end--)
        {
            // A cut may fall within a character; the whole content may not.
            if (Utf8.IsValid(cut[..end]) && (end == cut.Length || cut.Length < content.Length))
            {
                return new("utf-8", Encoding.UTF8.GetString(cut[..end]), content.Length, end < content.Length);
            }
        }

        return new("base64", Convert.ToBase64String(cut), content.Length, cut.Length < content.Length);
    }

    private static string Phase(RuleStage stage) => stage switch
    {
        RuleStage.Connect => "connect",
        RuleStage.ClientHello => "client_hello",
        RuleStage.RequestHeaders => "request_headers",
        RuleStage.RequestBody => "request_body",
        RuleStage.ResponseHeaders => "response_headers",
        RuleStage.ResponseBody => "response_body",
        RuleStage.WebSocketMessage => "ws_message",
        RuleStage.Message => "message",
        _ => "completed",
    };

    private static string Word(ResumeAction action) => action switch { ResumeAction.Drop => "drop", ResumeAction.Respond => "respond", _ => "continue" };

    private static ResumeResult Unknown(string key) => new(ResumeOutcome.Unknown, $"Nothing is paused with the key {key}: it never was, or it went on already.");

    private sealed record Pause(RuleStage Stage, PausedFlow Shown)
    {
        // Whoever decides must not run the flow on its own thread.
        public TaskCompletionSource<FlowModification> Decision { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}

/// <summary>What became of a decision.</summary>
/// <param name="Outcome">What.</param>
/// <param name="Detail">One sentence; empty when it was resumed.</param>
public readonly record struct ResumeResult(ResumeOutcome Outcome, string Detail);

/// <summary>What became of a decision.</summary>
public enum ResumeOutcome
{
    /// <summary>The flow goes on.</summary>
    Resumed,

    /// <summary>Nothing is paused with that key.</summary>
    Unknown,

    /// <summary>The edits make no sense where the flow is; it stays paused.</summary>
    Invalid,
}

using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using RelayCore.Rules.Actions;

namespace RelayCore.Rules.Execution;

/// <summary>The part that writes it.</summary>
internal sealed partial class RuleTraceLog
{
    /// <summary>Octets of JSON; later events that would go over are left out and counted.</summary>
    internal const int MaxOctets = 16 * 1024;

    // What stands behind the events: the summary, an id and four numbers.
    private const int TailOctets = 2 * 1024;
    private const int MaxVariables = 32;

    private static readonly JsonWriterOptions s_options = new() { SkipValidation = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly JsonEncodedText s_ruleId = JsonEncodedText.Encode("rule_id");
    private static readonly JsonEncodedText s_stage = JsonEncodedText.Encode("stage");
    private static readonly JsonEncodedText s_matched = JsonEncodedText.Encode("matched");
    private static readonly JsonEncodedText s_outcome = JsonEncodedText.Encode("outcome");
    private static readonly JsonEncodedText s_failing = JsonEncodedText.Encode("failing");
    private static readonly JsonEncodedText s_detail = JsonEncodedText.Encode("detail");
    private static readonly JsonEncodedText s_duration = JsonEncodedText.Encode("duration_us");
    private static readonly JsonEncodedText s_actions = JsonEncodedText.Encode("actions");
    private static readonly JsonEncodedText s_type = JsonEncodedText.Encode("type");
    private static readonly JsonEncodedText s_changes = JsonEncodedText.Encode("changes");
    private static readonly JsonEncodedText s_target = JsonEncodedText.Encode("target");
    private static readonly JsonEncodedText s_before = JsonEncodedText.Encode("before");
    private static readonly JsonEncodedText s_after = JsonEncodedText.Encode("after");
    private static readonly JsonEncodedText s_variables = JsonEncodedText.Encode("variables");
    private static readonly JsonEncodedText[] s_outcomes = [.. Enum.GetNames<RuleOutcome>().Select(x => JsonEncodedText.Encode(x))];
    private static readonly JsonEncodedText[] s_actionOutcomes = [.. Enum.GetNames<ActionOutcome>().Select(x => JsonEncodedText.Encode(JsonNamingPolicy.SnakeCaseLower.ConvertName(x)))];
    private static readonly JsonEncodedText[] s_stages = [.. RuleStages.Ordered.Select(x => JsonEncodedText.Encode(NameOf(x)))];

    [ThreadStatic]
    private static (PooledBuffer Buffer, Utf8JsonWriter Writer)? s_scratch;

    /// <summary>Name of a stage in traces, tags and messages for programs.</summary>
    public static string NameOf(RuleStage stage) =>
        stage == RuleStage.WebSocketMessage ? "websocket_message" : JsonNamingPolicy.SnakeCaseLower.ConvertName(stage.ToString());

    /// <summary>Writes the JSON.</summary>
    public void Write(IBufferWriter<byte> destination, RuleSet set)
    {
        var (scratch, json) = s_scratch ??= NewScratch();
        lock (_gate)
        {
            destination.Write("{\"events\":["u8);
            var (octets, written, omitted) = (0, 0, _omitted);
            foreach (var one in _events)
            {
                scratch.Clear();
                json.Reset(scratch);
                WriteEvent(json, one, set);
                json.Flush();
                if (octets + scratch.Length + 1 > MaxOctets - TailOctets)
                {
                    omitted++;
                    continue;
                }

                if (written++ > 0)
                {
                    destination.Write(","u8);
                }

                destination.Write(scratch.Written.Span);
                octets += scratch.Length + 1;
            }

            destination.Write("],"u8);
            scratch.Clear();
            json.Reset(scratch);
            json.WriteStartObject();
            json.WriteString("summary"u8, _terminatedBy is not null ? "Terminated"u8 : _isModified ? "Modified"u8 : "NoMatch"u8);
            if (_terminatedBy is { } by)
            {
                json.WriteString("terminated_by"u8, by.EncodedId);
                json.WriteString("reason"u8, _reason);
            }

            json.WriteNumber("excluded"u8, Volatile.Read(ref _excluded));
            json.WriteNumber("omitted"u8, omitted);
            json.WriteEndObject();
            json.Flush();
            destination.Write(scratch.Written.Span[1..]);
            scratch.Dispose();
        }
    }

    private static (PooledBuffer Buffer, Utf8JsonWriter Writer) NewScratch()
    {
        var buffer = new PooledBuffer();
        return (buffer, new(buffer, s_options));
    }

    private void WriteEvent(Utf8JsonWriter json, in Event one, RuleSet set)
    {
        json.WriteStartObject();
        json.WriteString(s_ruleId, one.Rule.EncodedId);
        json.WriteString(s_stage, s_stages[System.Numerics.BitOperations.TrailingZeroCount((int)one.Stage)]);
        json.WriteBoolean(s_matched, one.Outcome is not (RuleOutcome.NotMatched or RuleOutcome.Skipped));
        json.WriteString(s_outcome, s_outcomes[(int)one.Outcome]);
        if (one.Failing is { } failing)
        {
            json.WriteString(s_failing, set.Texts.Of(failing));
        }

        if (one.Detail is { } detail)
        {
            json.WriteString(s_detail, TraceText.Cut(detail));
        }

        if (one.Outcome is not (RuleOutcome.NotMatched or RuleOutcome.Skipped))
        {
            json.WriteNumber(s_duration, one.Micros);
            WriteActions(json, one);
            WriteVariables(json, one);
        }

        json.WriteEndObject();
    }

    private void WriteActions(Utf8JsonWriter json, in Event one)
    {
        json.WriteStartArray(s_actions);
        var change = 0;
        for (var i = 0; i < one.FirstAction; i++)
        {
            change += _actions[i].Changes;
        }

        for (var i = one.FirstAction; i < one.FirstAction + one.ActionCount; i++)
        {
            var action = _actions[i];
            json.WriteStartObject();
            json.WriteString(s_type, action.Type);
            json.WriteString(s_outcome, s_actionOutcomes[(int)action.Outcome]);
            json.WriteNumber(s_duration, action.Micros);
            if (action.Detail is { } detail)
            {
                json.WriteString(s_detail, TraceText.Cut(detail));
            }

            if (action.Changes > 0)
            {
                json.WriteStartArray(s_changes);
                for (var end = change + action.Changes; change < end; change++)
                {
                    WriteChange(json, _changes[change]);
                }

                json.WriteEndArray();
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    // Targets as in mutations.
    private static void WriteChange(Utf8JsonWriter json, in ChangeEntry change)
    {
        json.WriteStartObject();
        json.WriteString(s_target, change.Name switch
        {
            ":method" => "request.method",
            ":path" => "request.path",
            ":authority" => "request.origin",
            ":status" => $"{change.Side}.status",
            ":reason" => $"{change.Side}.reason",
            "" => change.Side,
            _ => $"{change.Side}.headers.{TraceText.Cut(change.Name)}",
        });
        if (change.Before is not null)
        {
            json.WriteString(s_before, TraceText.Cut(change.Before));
        }

        if (change.After is not null)
        {
            json.WriteString(s_after, TraceText.Cut(change.After));
        }

        json.WriteEndObject();
    }

    private static void WriteVariables(Utf8JsonWriter json, in Event one)
    {
        if (one.Captures is null && one.Variables is null)
        {
            return;
        }

        json.WriteStartObject(s_variables);
        var count = 0;
        foreach (var (name, value) in one.Captures ?? System.Collections.ObjectModel.ReadOnlyDictionary<string, string>.Empty)
        {
            Write(name, value);
        }

        foreach (var (name, value) in one.Variables ?? System.Collections.ObjectModel.ReadOnlyDictionary<string, string>.Empty)
        {
            if (one.VariablesBefore?.TryGetValue(name, out var before) != true || before != value)
            {
                Write(name, value);
            }
        }

        json.WriteEndObject();

        void Write(string name, string value)
        {
            if (count++ < MaxVariables)
            {
                json.WriteString(TraceText.Cut(name), TraceText.Cut(value));
            }
        }
    }
}

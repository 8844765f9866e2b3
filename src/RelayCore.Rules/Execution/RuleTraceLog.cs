using RelayCore.Rules.Actions;
using RelayCore.Rules.Filters;

namespace RelayCore.Rules.Execution;

/// <summary>How a rule fared.</summary>
internal enum RuleOutcome : byte
{
    /// <summary>Its filter did not hold.</summary>
    NotMatched,

    /// <summary>It did what it says.</summary>
    MatchedAndExecuted,

    /// <summary>It decided the stage.</summary>
    MatchedAndTerminated,

    /// <summary>It could not.</summary>
    Failed,

    /// <summary>It was not asked.</summary>
    Skipped,
}

/// <summary>What one action did.</summary>
internal readonly record struct ActionEntry(string Type, ActionOutcome Outcome, long Micros, string? Detail, int Changes);

/// <summary>A changed field or body, as it will stand in the trace.</summary>
internal readonly record struct ChangeEntry(string Side, string Name, string? Before, string? After);

/// <summary>
/// What rules did to a flow, kept as references until the flow is recorded; written as the JSON of <see cref="Core.Flows.RuleTrace"/>. Bounded: 64 events,
/// 256 actions, 512 changes, 16 KiB of JSON, 256 characters a text; what does not fit is counted. Safe for concurrent use. Reused with its session.
/// </summary>
internal sealed partial class RuleTraceLog
{
    private const int MaxEvents = 64;
    private const int MaxActions = 256;
    private const int MaxChanges = 512;

    private readonly Lock _gate = new();
    private readonly List<Event> _events = [];
    private readonly List<ActionEntry> _actions = [];
    private readonly List<ChangeEntry> _changes = [];
    private CompiledRule? _terminatedBy;
    private string? _reason;
    private int _excluded;
    private int _omitted;
    private bool _isModified;

    /// <summary>Forgets everything; for a new flow.</summary>
    public void Clear()
    {
        lock (_gate)
        {
            _events.Clear();
            _actions.Clear();
            _changes.Clear();
            (_terminatedBy, _reason, _excluded, _omitted, _isModified) = (null, null, 0, 0, false);
        }
    }

    /// <summary>Counts rules the index left out.</summary>
    public void Exclude(int count)
    {
        if (count > 0)
        {
            Interlocked.Add(ref _excluded, count);
        }
    }

    /// <summary>A rule whose filter does not hold.</summary>
    public void NotMatched(CompiledRule rule, RuleStage stage, Condition failing)
    {
        lock (_gate)
        {
            if (_events.Count < MaxEvents)
            {
                _events.Add(new(rule, stage, RuleOutcome.NotMatched, failing, null, 0, 0, 0, null, null, null));
            }
            else
            {
                _omitted++;
            }
        }
    }

    /// <summary>A rule that was not asked.</summary>
    public void Skipped(CompiledRule rule, RuleStage stage, string why) =>
        Add(new(rule, stage, RuleOutcome.Skipped, null, why, 0, 0, 0, null, null, null), [], []);

    /// <summary>A rule whose filter held.</summary>
    public void Matched(
        RuleContext context, RuleOutcome outcome, string? detail, long micros, List<ActionEntry> actions, List<ChangeEntry> changes,
        IReadOnlyDictionary<string, string> variablesBefore)
    {
        var captures = context.CapturesOrNull is { Count: > 0 } found ? new Dictionary<string, string>(found, StringComparer.Ordinal) : null;
        var variables = context.Flow.Variables;
        var hasSet = !ReferenceEquals(variables, variablesBefore);
        Add(new(context.Rule, context.Stage, outcome, null, detail, micros, 0, 0, captures, hasSet ? variables : null, hasSet ? variablesBefore : null), actions, changes);
    }

    /// <summary>Notes who ended a stage, the first one.</summary>
    public void Terminated(CompiledRule rule, string reason)
    {
        lock (_gate)
        {
            if (_terminatedBy is null)
            {
                (_terminatedBy, _reason) = (rule, reason);
            }
        }
    }

    private void Add(Event added, List<ActionEntry> actions, List<ChangeEntry> changes)
    {
        lock (_gate)
        {
            _isModified |= added.Outcome is RuleOutcome.MatchedAndExecuted or RuleOutcome.MatchedAndTerminated;
            if (_events.Count == MaxEvents && !MakeRoom())
            {
                _omitted++;
                return;
            }

            var (fit, firstChange) = (Math.Min(actions.Count, MaxActions - _actions.Count), 0);
            var first = _actions.Count;
            for (var i = 0; i < fit; i++)
            {
                // Changes of an action are all there or not at all: half of them would mislead.
                var action = actions[i];
                var fits = _changes.Count + action.Changes <= MaxChanges;
                _actions.Add(fits ? action : action with { Changes = 0 });
                for (var j = 0; fits && j < action.Changes; j++)
                {
                    _changes.Add(changes[firstChange + j]);
                }

                firstChange += action.Changes;
            }

            _events.Add(added with { FirstAction = first, ActionCount = fit });
        }
    }

    // What a rule did says more than that another did nothing.
    private bool MakeRoom()
    {
        var last = _events.FindLastIndex(static x => x.Outcome == RuleOutcome.NotMatched);
        if (last < 0)
        {
            return false;
        }

        _events.RemoveAt(last);
        _omitted++;
        return true;
    }

    private readonly record struct Event(
        CompiledRule Rule, RuleStage Stage, RuleOutcome Outcome, Condition? Failing, string? Detail, long Micros, int FirstAction, int ActionCount,
        IReadOnlyDictionary<string, string>? Captures, IReadOnlyDictionary<string, string>? Variables, IReadOnlyDictionary<string, string>? VariablesBefore);
}

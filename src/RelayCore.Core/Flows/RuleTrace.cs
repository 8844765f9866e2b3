namespace RelayCore.Core.Flows;

/// <summary>What rules did to a flow (reference: rules §5).</summary>
/// <param name="Summary"><c>NoMatch</c>, <c>Modified</c> or <c>Terminated</c>.</param>
/// <param name="Events">Rules considered, in order: those the index did not exclude.</param>
public sealed record RuleTrace(string Summary, IReadOnlyList<RuleEvent> Events)
{
    /// <summary>Id of the rule that ended the flow.</summary>
    public string? TerminatedBy { get; init; }

    /// <summary>What ended it: <c>Drop</c>, <c>Abort</c>, <c>Mock</c>, <c>Redirect</c>, <c>Inspect</c>, <c>RateLimited</c>.</summary>
    public string? Reason { get; init; }

    /// <summary>Rules the index excluded by host, method or path without looking closer; see <c>rules test</c> for each of them.</summary>
    public int Excluded { get; init; }

    /// <summary>Events left out because the trace was full.</summary>
    public int Omitted { get; init; }
}

/// <summary>One rule at one stage.</summary>
/// <param name="RuleId">Which.</param>
/// <param name="Stage">snake_case name of the rule stage.</param>
/// <param name="Matched">Whether its filter held.</param>
/// <param name="Outcome"><c>Skipped</c>, <c>NotMatched</c>, <c>MatchedAndExecuted</c>, <c>MatchedAndTerminated</c> or <c>Failed</c>.</param>
public sealed record RuleEvent(string RuleId, string Stage, bool Matched, string Outcome)
{
    /// <summary>The first condition that did not hold, as <c>Host Suffix ".example.com"</c>.</summary>
    public string? Failing { get; init; }

    /// <summary>Why it was skipped or failed.</summary>
    public string? Detail { get; init; }

    /// <summary>Microseconds its actions took, waits included.</summary>
    public long? DurationUs { get; init; }

    /// <summary>What its actions did.</summary>
    public IReadOnlyList<RuleActionEvent>? Actions { get; init; }

    /// <summary>Values its templates and captures had.</summary>
    public IReadOnlyDictionary<string, string>? Variables { get; init; }
}

/// <summary>One action.</summary>
/// <param name="Type">Its type.</param>
/// <param name="Outcome"><c>done</c>, <c>no_effect</c>, <c>failed</c> or <c>terminal</c>.</param>
/// <param name="DurationUs">Microseconds it took.</param>
public sealed record RuleActionEvent(string Type, string Outcome, long DurationUs)
{
    /// <summary>One line: what happened, or why nothing did.</summary>
    public string? Detail { get; init; }

    /// <summary>Fields it changed.</summary>
    public IReadOnlyList<RuleChange>? Changes { get; init; }
}

/// <summary>A changed field.</summary>
/// <param name="Target">As in mutations.</param>
/// <param name="Before">Before; absent when it did not exist.</param>
/// <param name="After">After; absent when it was removed.</param>
public sealed record RuleChange(string Target, string? Before, string? After);

using System.Text.Json.Serialization;
using RelayCore.Core.Flows;

namespace RelayCore.Runtime.Rules;

/// <summary>What rules would do to an exchange.</summary>
public sealed record DryRunResult
{
    /// <summary>Method of the request given.</summary>
    public required string Method { get; init; }

    /// <summary>URL of the request given.</summary>
    public required string Url { get; init; }

    /// <summary>Every rule at its stage, in the order they run.</summary>
    public required IReadOnlyList<DryRunRule> Rules { get; init; }

    /// <summary>Ids of rules that matched, in order.</summary>
    public required IReadOnlyList<string> Matched { get; init; }

    /// <summary>What would be different.</summary>
    public required IReadOnlyList<RuleChange> Changes { get; init; }

    /// <summary>The request as it would be sent; absent when it would not be.</summary>
    public DryRunMessageView? Request { get; init; }

    /// <summary>The response as the client would get it from the server; absent without.</summary>
    public DryRunMessageView? Response { get; init; }

    /// <summary>What the client would be answered instead; absent when it gets the server's response.</summary>
    public DryRunMessageView? Answered { get; init; }

    /// <summary>How it would end otherwise: <c>dropped: …</c>, <c>aborted: …</c>, <c>pass_through</c>; absent when it goes on.</summary>
    public string? Ended { get; init; }

    /// <summary>Messages as they would be sent; absent when there are none.</summary>
    public IReadOnlyList<DryRunMessageView>? Messages { get; init; }

    /// <summary>Tags set.</summary>
    public required IReadOnlyList<string> Tags { get; init; }

    /// <summary>Variables set.</summary>
    public required IReadOnlyDictionary<string, string> Variables { get; init; }

    /// <summary>Time that actions would have waited, milliseconds.</summary>
    public long WaitedMs { get; init; }

    /// <summary>What to know before trusting this.</summary>
    public required IReadOnlyList<string> Notes { get; init; }

    /// <summary>The trace the engine would keep; absent when it kept none.</summary>
    public RuleTrace? Trace { get; init; }
}

/// <summary>A rule in a dry run.</summary>
/// <param name="RuleId">Which.</param>
/// <param name="Name">Its name.</param>
/// <param name="Stage">snake_case name of its stage.</param>
/// <param name="Matched">Whether its filter held.</param>
/// <param name="Outcome">As in the trace, or <c>NotReached</c>.</param>
public sealed record DryRunRule(string RuleId, string Name, string Stage, bool Matched, string Outcome)
{
    /// <summary>The first condition that did not hold.</summary>
    public string? Failing { get; init; }

    /// <summary>Why it was skipped, failed or not reached.</summary>
    public string? Detail { get; init; }

    /// <summary>What its actions did.</summary>
    public IReadOnlyList<RuleActionEvent>? Actions { get; init; }
}

/// <summary>A message as it would be.</summary>
public sealed record DryRunMessageView
{
    /// <summary>Method of a request.</summary>
    public string? Method { get; init; }

    /// <summary>URL of a request.</summary>
    public string? Url { get; init; }

    /// <summary>Status of a response.</summary>
    public int? Status { get; init; }

    /// <summary>Direction of a message of a session.</summary>
    public string? Direction { get; init; }

    /// <summary>Whether it would be discarded.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Dropped { get; init; }

    /// <summary>Field lines as <c>[name, value]</c>.</summary>
    public IReadOnlyList<string[]>? Headers { get; init; }

    /// <summary>Content, decoded: text, or base64 when it is not UTF-8.</summary>
    public string? Body { get; init; }

    /// <summary><c>utf-8</c> or <c>base64</c>; absent without body.</summary>
    public string? BodyEncoding { get; init; }
}

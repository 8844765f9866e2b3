namespace RelayCore.Rules.Documents;

/// <summary>One rule as written, read and checked for its form; not compiled. Immutable.</summary>
/// <param name="Id">Unique in its set; generated when the file gives none.</param>
/// <param name="Name">For people; from the filter when the file gives none.</param>
/// <param name="Stage">Exactly one stage; inferred from filter and actions when the file gives none.</param>
/// <param name="Filter">The filter object, <c>{type, config}</c>.</param>
/// <param name="Actions">The action objects.</param>
/// <param name="Node">The whole rule, for messages and for showing it again.</param>
public sealed record RuleDefinition(string Id, string Name, RuleStage Stage, RuleNode Filter, IReadOnlyList<RuleNode> Actions, RuleNode Node)
{
    /// <summary>Whether it runs; <see langword="false"/> too when its group does not.</summary>
    public bool IsActive { get; init; } = true;

    /// <summary>Higher runs first; ties in the order of the file.</summary>
    public int Priority { get; init; }

    /// <summary>Whether a match ends the stage.</summary>
    public bool Stops { get; init; }

    /// <summary>Bound of all its actions together; <see langword="null"/> for none.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>Names of the groups it is in, outermost first.</summary>
    public IReadOnlyList<string> Groups { get; init; } = [];

    /// <summary>Folder that relative paths in it start from.</summary>
    public string BaseDirectory { get; init; } = "";
}

namespace RelayCore.Rules.Catalog;

/// <summary>The kinds of filters and actions that reading, printing and checking go by: the catalog's, or a test's.</summary>
internal sealed record KnownTypes(IReadOnlyDictionary<string, FilterType> Filters, IReadOnlyDictionary<string, ActionType> Actions)
{
    /// <summary>Those of <see cref="RuleCatalog"/>.</summary>
    public static KnownTypes Catalog { get; } = new(RuleCatalog.Filters, RuleCatalog.Actions);
}

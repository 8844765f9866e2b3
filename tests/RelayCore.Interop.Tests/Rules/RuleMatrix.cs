namespace RelayCore.Interop.Tests.Rules;

/// <summary>The rows of the wire matrix.</summary>
internal static class RuleMatrix
{
    /// <summary>All rows, in the order of the documentation.</summary>
    public static IReadOnlyList<RuleCase> All { get; } = [.. RequestFilterRows.All, .. ResponseFilterRows.All, .. HeadActionRows.All, .. AnswerActionRows.All, .. BodyActionRows.All, .. FaultActionRows.All];

    /// <summary>A row of a filter: what it selects gets a field line.</summary>
    public static RuleCase Filter(string type, string config, Func<RuleCase, RuleCase>? miss = null, string stage = "RequestHeaders", string? title = null)
    {
        var isRequest = stage is "RequestHeaders" or "RequestBody";
        var action = isRequest ? "AddRequestHeader" : "AddResponseHeader";
        var filter = config.Length == 0 ? $$"""{"type":"{{type}}"}""" : $$$"""{"type":"{{{type}}}","config":{{{config}}}}""";
        return new(type, title ?? $"{stage}, {(config.Length == 0 ? "always" : config)}",
            $$$"""{"stage":"{{{stage}}}","filter":{{{filter}}},"actions":[{"type":"{{{action}}}","config":{"name":"X-Rule","value":"matched"}}]}""")
        {
            Origin = isRequest ? "+ X-Rule: matched" : "",
            Client = isRequest ? "" : "+ X-Rule: matched",
            Miss = miss,
        };
    }

    /// <summary>A row of an action, for every exchange.</summary>
    public static RuleCase Action(string type, string stage, string config, string origin = "", string client = "", string? title = null) =>
        new(type, title ?? $"{stage}, {(config.Length == 0 ? "no config" : config)}",
            $$"""{"stage":"{{stage}}","filter":{"type":"All"},"actions":[{"type":"{{type}}"{{(config.Length == 0 ? "" : ",\"config\":" + config)}}}]}""")
        {
            Origin = origin,
            Client = client,
        };
}

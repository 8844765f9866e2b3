using System.Globalization;
using RelayCore.Core.Flows;

namespace RelayCore.Runtime.Rules;

/// <summary>What is different between an exchange as given and as it would be.</summary>
internal static class DryRunChanges
{
    /// <summary>Characters shown of a value.</summary>
    private const int MaxValue = 1024;

    /// <summary>The differences, request first.</summary>
    public static IReadOnlyList<RuleChange> Of(DryRunInput input, DryRunMessageView? request, DryRunMessageView? response)
    {
        var changes = new List<RuleChange>();
        if (request is not null)
        {
            Compare(changes, "request.method", input.Method, request.Method);
            var (origin, path) = DryRunExchange.Split(input.Url);
            Compare(changes, "request.url", path == "*" ? origin.ToString() : origin + path, request.Url);
            Fields(changes, "request", input.Headers, request.Headers!);
            Body(changes, "request.body", input.Body, request);
        }

        if (response is not null && input.Response is { } given)
        {
            Compare(changes, "response.status", given.Status.ToString(CultureInfo.InvariantCulture), response.Status?.ToString(CultureInfo.InvariantCulture));
            Fields(changes, "response", given.Headers, response.Headers!);
            Body(changes, "response.body", given.Body, response);
        }

        return changes;
    }

    private static void Fields(
        List<RuleChange> changes, string side, IReadOnlyList<KeyValuePair<string, string>> before, IReadOnlyList<string[]> after)
    {
        var names = before.Select(x => x.Key).Concat(after.Select(x => x[0])).Where(x => !x.StartsWith(':')).Distinct(StringComparer.OrdinalIgnoreCase);
        foreach (var name in names)
        {
            var was = before.Where(x => x.Key.Equals(name, StringComparison.OrdinalIgnoreCase)).Select(x => x.Value.Trim(' ', '\t')).ToList();
            var becomes = after.Where(x => x[0].Equals(name, StringComparison.OrdinalIgnoreCase)).Select(x => x[1]).ToList();
            if (was.Count == 0 && side == "request" && name.Equals("Host", StringComparison.OrdinalIgnoreCase))
            {
                continue; // added by us, because HTTP/1.1 has no request without
            }

            if (!was.SequenceEqual(becomes))
            {
                changes.Add(new($"{side}.headers.{name}", Joined(was), Joined(becomes)));
            }
        }
    }

    private static void Body(List<RuleChange> changes, string target, ReadOnlyMemory<byte> before, DryRunMessageView after)
    {
        var was = DryRun.WithBody(new(), before);
        if (was.Body != after.Body)
        {
            changes.Add(new(target, Cut(was.Body), Cut(after.Body)));
        }
    }

    private static void Compare(List<RuleChange> changes, string target, string? before, string? after)
    {
        if (before != after)
        {
            changes.Add(new(target, before, after));
        }
    }

    private static string? Joined(List<string> values) => values.Count == 0 ? null : Cut(string.Join(", ", values));

    private static string? Cut(string? text) => text is null || text.Length <= MaxValue ? text : text[..MaxValue] + "…";
}

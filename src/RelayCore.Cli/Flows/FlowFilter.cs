using System.Globalization;
using RelayCore.Core.Flows;

namespace RelayCore.Cli.Flows;

/// <summary>
/// What a user wants to see: structured conditions, which the proxy can judge too, and free words, which only we do. Everything must hold. The
/// expression of <c>--filter</c> is words apart by white space: <c>host:x path:x method:x status:404 status:&gt;=400 status:400-499 err ws</c>, and any
/// other word is looked for in URL and method.
/// </summary>
internal sealed record FlowFilter
{
    /// <summary>The structured part.</summary>
    public FlowQuery Query { get; init; } = new();

    /// <summary>The free words.</summary>
    public IReadOnlyList<string> Words { get; init; } = [];

    /// <summary>Adds an expression.</summary>
    /// <exception cref="CliException">A status condition makes no sense.</exception>
    public FlowFilter And(string expression)
    {
        var (query, words) = (Query, new List<string>(Words));
        foreach (var word in expression.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
        {
            var colon = word.IndexOf(':', StringComparison.Ordinal);
            var (key, value) = colon < 0 ? (word.ToLowerInvariant(), "") : (word[..colon].ToLowerInvariant() + ":", word[(colon + 1)..]);
            switch (key)
            {
                case "host:":
                    query = query with { Host = value };
                    break;
                case "path:":
                    query = query with { PathContains = value };
                    break;
                case "method:":
                    query = query with { Method = value };
                    break;
                case "status:":
                    query = AndStatus(query, value);
                    break;
                case "err" or "error":
                    query = query with { HasError = true };
                    break;
                case "ws" or "websocket":
                    query = query with { IsWebsocket = true };
                    break;
                default:
                    words.Add(word);
                    break;
            }
        }

        return this with { Query = query, Words = words };
    }

    /// <summary>Whether a flow is wanted, by every condition.</summary>
    public bool Matches(FlowSummary flow) =>
        Contains(flow.Host, Query.Host)
        && Contains(flow.Url, Query.PathContains)
        && (Query.Method is null || flow.Method.Equals(Query.Method, StringComparison.OrdinalIgnoreCase))
        && (Query.StatusMin is null || flow.Status >= Query.StatusMin)
        && (Query.StatusMax is null || flow.Status <= Query.StatusMax)
        && (Query.HasError is null || flow.HasError == Query.HasError)
        && (Query.IsWebsocket is null || flow.IsWebsocket == Query.IsWebsocket)
        && HasWords(flow);

    /// <summary>Whether every free word is somewhere in URL or method.</summary>
    public bool HasWords(FlowSummary flow) =>
        Words.All(x => Contains(flow.Url, x) || flow.Method.Equals(x, StringComparison.OrdinalIgnoreCase));

    private static bool Contains(string text, string? part) => part is null || text.Contains(part, StringComparison.OrdinalIgnoreCase);

    private static FlowQuery AndStatus(FlowQuery query, string value)
    {
        var dash = value.IndexOf('-', StringComparison.Ordinal);
        var (min, max) =
            value.StartsWith(">=", StringComparison.Ordinal) ? (Number(2..), null)
            : value.StartsWith("<=", StringComparison.Ordinal) ? (null, Number(2..))
            : value.StartsWith('>') ? (Number(1..) + 1, null)
            : value.StartsWith('<') ? (null, Number(1..) - 1)
            : dash > 0 ? (Number(..dash), Number((dash + 1)..))
            : (Number(..), Number(..));
        return query with { StatusMin = min ?? query.StatusMin, StatusMax = max ?? query.StatusMax };

        int? Number(Range range) => int.TryParse(value[range], NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number
            : throw new CliException(
                $"'status:{Text.Printable.Line(value)}' is not a status condition; write status:404, status:>=400, status:<500 or status:400-499.", ExitCode.Usage);
    }
}

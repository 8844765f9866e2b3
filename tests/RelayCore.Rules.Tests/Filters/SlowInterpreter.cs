using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace RelayCore.Rules.Tests.Filters;

/// <summary>A flow as simple as can be.</summary>
internal sealed record SlowFlow(
    string Scheme, string Host, int Port, string Path, string Query, string Method, IReadOnlyList<(string Name, string Value)> Request,
    int Status, IReadOnlyList<(string Name, string Value)> Response, string Body, string Client, IReadOnlyList<string> Tags)
{
    public string Url => $"{Scheme}://{Host}{(Port == (Scheme == "https" ? 443 : 80) ? "" : ":" + Port.ToString(CultureInfo.InvariantCulture))}{Target}";

    public string Target => Query.Length == 0 ? Path : $"{Path}?{Query}";
}

/// <summary>What filters mean, said again in the most obvious way: on the JSON as written, on strings, one filter after the other.</summary>
internal static class SlowInterpreter
{
    public static bool Holds(JsonNode filter, SlowFlow flow)
    {
        var config = filter["config"];
        return filter["type"]!.GetValue<string>() switch
        {
            "All" => true,
            "And" => config!.AsArray().All(x => Holds(x!, flow)),
            "Or" => config!.AsArray().Any(x => Holds(x!, flow)),
            "Not" => !Holds(config!, flow),
            "Url" => Text(config!, flow.Url),
            "Host" => Text(config!, flow.Host, ignoreCase: true),
            "Path" => Text(config!, flow.Path),
            "Method" => Text(config!, flow.Method),
            "Scheme" => Text(config!, flow.Scheme, ignoreCase: true),
            "Port" or "DstPort" => config!.GetValue<int>() == flow.Port,
            "RequestHeader" => Named(config!, flow.Request, StringComparison.OrdinalIgnoreCase),
            "ResponseHeader" => Named(config!, flow.Response, StringComparison.OrdinalIgnoreCase),
            "Query" => Named(config!, [.. flow.Query.Split('&', StringSplitOptions.RemoveEmptyEntries).Select(x => Pair(x, '='))
                .Select(x => (Uri.UnescapeDataString(x.Name), Uri.UnescapeDataString(x.Value)))], StringComparison.Ordinal),
            "Cookie" => Named(config!, [.. flow.Request.Where(x => x.Name.Equals("cookie", StringComparison.OrdinalIgnoreCase))
                .SelectMany(x => x.Value.Split(';')).Select(x => Pair(x.Trim(), '='))], StringComparison.Ordinal),
            "StatusCode" => config!.GetValue<int>() == flow.Status,
            "StatusRange" => flow.Status / 100 == config!.GetValue<string>()[0] - '0',
            "ResponseContentType" => flow.Response.Where(x => x.Name.Equals("content-type", StringComparison.OrdinalIgnoreCase)).Take(1)
                .Any(x => Text(config!, x.Value.Split(';')[0].Trim(), ignoreCase: true)),
            "ResponseBody" => Text(config!, flow.Body),
            "SrcIp" => IPNetwork.Parse(config!.GetValue<string>()).Contains(IPAddress.Parse(flow.Client)),
            "Tag" => flow.Tags.Any(x => Text(config!, x)),
            "HeaderCount" => flow.Request.Count >= config!["min"]!.GetValue<int>(),
            var other => throw new InvalidOperationException(other),
        };
    }

    private static bool Named(JsonNode config, IReadOnlyList<(string Name, string Value)> pairs, StringComparison comparison) =>
        pairs.Any(x => x.Name.Equals(config["name"]!.GetValue<string>(), comparison) && (config["value"] is null || Text(config["value"]!, x.Value)));

    private static (string Name, string Value) Pair(string text, char separator)
    {
        var parts = text.Split(separator, 2);
        return (parts[0], parts.Length > 1 ? parts[1] : "");
    }

    private static bool Text(JsonNode matcher, string text, bool ignoreCase = false)
    {
        if (matcher is JsonValue plain)
        {
            return text.Equals(plain.GetValue<string>(), ignoreCase ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal);
        }

        ignoreCase |= matcher["ignore_case"]?.GetValue<bool>() ?? false;
        var value = matcher["value"]!.GetValue<string>();
        var comparison = ignoreCase ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal;
        return matcher["mode"]!.GetValue<string>() switch
        {
            "Exact" => text.Equals(value, comparison),
            "Contains" => text.Contains(value, comparison),
            "Prefix" => text.StartsWith(value, comparison),
            "Suffix" => text.EndsWith(value, comparison),
            "Regex" => Regex.IsMatch(text, value, ignoreCase ? RegexOptions.IgnoreCase | RegexOptions.CultureInvariant : RegexOptions.CultureInvariant),
            "Glob" => Glob(value, text, ignoreCase),
            var other => throw new InvalidOperationException(other),
        };
    }

    // By the definition of a glob, one character after the other.
    private static bool Glob(string glob, string text, bool ignoreCase) =>
        glob.Length == 0 ? text.Length == 0
        : glob[0] == '*' ? Glob(glob[1..], text, ignoreCase) || (text.Length > 0 && Glob(glob, text[1..], ignoreCase))
        : text.Length > 0 && (glob[0] == '?' || glob[0] == text[0] || (ignoreCase && char.ToUpperInvariant(glob[0]) == char.ToUpperInvariant(text[0])))
            && Glob(glob[1..], text[1..], ignoreCase);
}

using System.Globalization;
using RelayCore.Rules.Catalog;
using static RelayCore.Rules.Filters.FilterParts;

namespace RelayCore.Rules.Filters;

/// <summary>Filters of the request: URL and its parts, method, fields, cookies, version.</summary>
internal static class RequestFilters
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<FilterType> All { get; } =
    [
        new("Url", Request, "The absolute URL of the request: scheme, host, port unless it is the scheme's, path and query.",
            Shape.Single(PropertyKind.Matcher, "Matcher on the URL."), Url)
        {
            Example = """{"mode":"Prefix","value":"https://api.example.com/v1/"}""",
        },
        new("Host", RuleStage.All, "The host asked for, without port; case never matters.", Shape.Single(PropertyKind.Matcher, "Matcher on the host."), Host)
        {
            Example = """{"mode":"Suffix","value":".example.com"}""",
        },
        new("Path", Request, "The path of the request, without query, as it was sent (not percent-decoded).", Shape.Single(PropertyKind.Matcher, "Matcher on the path."), Path)
        {
            Example = """{"mode":"Glob","value":"/api/*"}""",
        },
        new("Method", Request, "The method of the request.", Shape.Single(PropertyKind.Matcher, "Matcher on the method."), Method)
        {
            Example = "\"POST\"",
        },
        Matching("Scheme", Request, "The scheme of the request, `http` or `https`; case never matters.", "\"https\"", Facts.Scheme, ignoreCase: true),
        new("Port", RuleStage.All, "The port asked for.", Shape.Single(PropertyKind.Any, "A port, a range `8000-8999`, or a list of both."), config => Port("Port", config))
        {
            Example = "[443, \"8000-8999\"]",
        },
        OfNamed("Query", Request, "query parameter", "A parameter of the query, percent-decoded; any occurrence.",
            """{"name":"debug","value":"1"}""", Facts.Query),
        OfNamed("Cookie", Request, "cookie", "A cookie the request brings; any occurrence.",
            """{"name":"session","value":{"mode":"Prefix","value":"test-"}}""", Facts.Cookie),
        OfNamed("RequestHeader", Request, "field", "A field of the request, its name without case; any line of that name.",
            """{"name":"accept","value":{"mode":"Contains","value":"json"}}""", static (context, named) => Facts.Field(context, Facts.RequestFields(context), named)),
        Matching("RequestContentType", Request, "The media type of the request body, without parameters; case never matters.", "\"application/json\"",
            static (context, matcher) => Facts.MediaType(context, Facts.RequestFields(context), matcher), ignoreCase: true),
        new("HttpVersion", Request, "The HTTP version of the client's request: `1.0`, `1.1` or `2`.", Shape.Single(PropertyKind.Text, "`1.0`, `1.1` or `2`; `HTTP/` may stand before it."), Version)
        {
            Example = "\"2\"",
        },
        new("HeaderCount", Request, "The number of field lines of the request.", Shape.Of(
            new("min", PropertyKind.Integer, "Smallest number.") { Min = 0, Default = "0" },
            new("max", PropertyKind.Integer, "Largest number, inclusive; absent: no limit.") { Min = 0 }), HeaderCount)
        {
            Example = """{"min":30}""",
        },
    ];

    internal static Condition? Port(string name, ConfigReader config)
    {
        var ranges = new List<Interval>();
        foreach (var node in Texts(config))
        {
            if (ReadPorts(node.Text) is { } range)
            {
                ranges.Add(range);
            }
            else
            {
                config.Scope.Problems.Error("RULE-314", node, $"'{node.Text}' is no port.", "Write a number from 0 to 65535, or a range such as 8000-8999.");
            }
        }

        return ranges.Count < Texts(config).Count() || ranges.Count == 0 ? null : new Fact<Interval[]>(
            $"{name} {string.Join(", ", ranges.Select(x => Describe(x, "")))}", RuleStage.All, [.. ranges], static (context, ranges) =>
            {
                if (Facts.PortOf(context) is { } port)
                {
                    foreach (var range in ranges)
                    {
                        if (range.Has(port))
                        {
                            return true;
                        }
                    }
                }

                return false;
            });
    }

    internal static Interval? ReadPorts(string text)
    {
        var dash = text.IndexOf('-', StringComparison.Ordinal);
        return Number(dash < 0 ? text : text[..dash]) is { } first && Number(dash < 0 ? text : text[(dash + 1)..]) is { } last && first <= last
            ? new(first, last) : null;

        static double? Number(string digits) => ushort.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var port) ? port : null;
    }

    internal static string? ReadVersion(string text) =>
        (text.StartsWith("HTTP/", StringComparison.OrdinalIgnoreCase) ? text[5..] : text) switch
        {
            "1.0" => "HTTP/1.0",
            "1" or "1.1" => "HTTP/1.1",
            "2" or "2.0" => "HTTP/2",
            "3" or "3.0" => "HTTP/3",
            _ => null,
        };

    internal static Condition UrlCondition(Matcher matcher)
    {
        // Only a URL that is told from its begin to the end of its authority says for certain which host it is.
        var begin = matcher.CertainPrefix;
        var isWhole = matcher.Plain?.Mode == MatcherMode.Exact;
        HostHint? host = null;
        string? path = null;
        if (begin is not null && begin.IndexOf("://", StringComparison.Ordinal) is > 0 and var mark)
        {
            var slash = begin.IndexOf('/', mark + 3);
            if (slash > 0 || isWhole)
            {
                var authority = begin[(mark + 3)..(slash < 0 ? begin.Length : slash)];
                var end = authority.StartsWith('[') ? authority.IndexOf(']', StringComparison.Ordinal) + 1 : authority.IndexOf(':', StringComparison.Ordinal);
                var name = (end <= 0 ? authority : authority[..end]).Trim('[', ']');
                host = name.Length > 0 ? new HostHint(name.ToLowerInvariant(), false) : null;
                path = slash < 0 ? null : begin[slash..];
            }
        }

        return new Fact<Matcher>($"Url {matcher.Text}", Request, matcher, Facts.Url) { HostIs = host, PathBegins = path };
    }

    internal static Condition HostCondition(Matcher matcher, RuleStage stages = RuleStage.All) =>
        new Fact<Matcher>($"Host {matcher.Text.Replace(" (ignoring case)", "", StringComparison.Ordinal)}", stages, matcher, Facts.Host)
        {
            HostIs = matcher.Plain switch
            {
                (MatcherMode.Exact, var value) => new(value.ToLowerInvariant(), false),
                (MatcherMode.Suffix, var value) => new(value.ToLowerInvariant(), true),
                _ => null,
            },
        };

    private static Condition? Url(ConfigReader config) => config.CapturingMatcher() is { } matcher ? UrlCondition(NormalizeUrl(matcher)) : null;

    // Scheme and host are never told apart by case, and our URLs have no port that is the scheme's: what a user writes is brought into that form.
    private static Matcher NormalizeUrl(Matcher matcher)
    {
        if (matcher.Plain is not (MatcherMode.Exact or MatcherMode.Prefix, var value) || matcher.Mode == MatcherMode.Glob
            || value.IndexOf("://", StringComparison.Ordinal) is not (> 0 and var mark))
        {
            return matcher;
        }

        var slash = value.IndexOf('/', mark + 3);
        var end = slash < 0 ? value.Length : slash;
        var origin = value[..end].ToLowerInvariant();
        if (slash >= 0 || matcher.Mode == MatcherMode.Exact)
        {
            var port = origin.StartsWith("https:", StringComparison.Ordinal) ? ":443" : ":80";
            origin = origin.EndsWith(port, StringComparison.Ordinal) ? origin[..^port.Length] : origin;
        }

        // An exact origin without path means its root, which is how it is sent.
        var path = slash < 0 && matcher.Mode == MatcherMode.Exact ? "/" : value[end..];
        return Matcher.Create(matcher.Mode, origin + path, matcher.IgnoreCase, out _)!;
    }

    private static Condition? Host(ConfigReader config) => config.CapturingMatcher(ignoreCase: true) is { } matcher ? HostCondition(matcher) : null;

    private static Fact<Matcher>? Path(ConfigReader config) => config.CapturingMatcher() is { } matcher
        ? new Fact<Matcher>($"Path {matcher.Text}", Request, matcher, Facts.Path) { PathBegins = matcher.CertainPrefix } : null;

    private static Fact<Matcher>? Method(ConfigReader config) => config.CapturingMatcher() is { } matcher
        ? new Fact<Matcher>($"Method {matcher.Text}", Request, matcher, Facts.Method)
        {
            MethodIs = matcher is { IgnoreCase: false, Plain: (MatcherMode.Exact, var value) } ? value : null,
        }
        : null;

    private static Fact<string>? Version(ConfigReader config)
    {
        if (ReadVersion(config.Node.Text) is { } version)
        {
            return new Fact<string>($"HttpVersion {version}", Request, version, static (context, version) => Facts.Version(context.Exchange?.Request) == version);
        }

        config.Error("RULE-314", "config", $"'{config.Node.Text}' is no HTTP version.", "Write 1.0, 1.1 or 2.");
        return null;
    }

    private static Fact<Interval>? HeaderCount(ConfigReader config) =>
        Ordered(config, config.Integer("min"), config.Has("max") ? config.Integer("max") : double.PositiveInfinity) is { } range
            ? new Fact<Interval>($"HeaderCount {Describe(range, "")}", Request, range, static (context, range) =>
                Facts.RequestFields(context) is { } fields && range.Has(fields.Count))
            : null;
}

using System.Globalization;
using System.Text.Json;
using RelayCore.Protocols.Fields;
using RelayCore.Rules.Catalog;
using RelayCore.Rules.Documents;
using RelayCore.Rules.Execution;
using RelayCore.Rules.Filters.JsonPaths;

namespace RelayCore.Rules.Templates;

/// <summary>The variables templates know (reference: rules §4), and where each of them has a value.</summary>
internal static class TemplateVariables
{
    private const RuleStage FromHost = RuleStage.Connect | RuleStage.ClientHello | RuleStage.FromRequest;
    private const RuleStage FromHead = RuleStage.Connect | RuleStage.FromRequest;
    private const RuleStage FromResponse = RuleStage.FromResponse | RuleStage.Messages;

    private static readonly Dictionary<string, Variable> s_plain = new(StringComparer.Ordinal)
    {
        ["timestamp"] = new(RuleStage.All, static (o, c, _) =>
            o.Append(CultureInfo.InvariantCulture, $"{c.Environment.Time.GetUtcNow().ToUnixTimeMilliseconds()}")),
        ["timestamp.iso"] = new(RuleStage.All, static (o, c, _) =>
            o.Append(CultureInfo.InvariantCulture, $"{c.Environment.Time.GetUtcNow():yyyy-MM-dd'T'HH:mm:ss.fff'Z'}")),
        ["uuid"] = new(RuleStage.All, static (o, _, _) => o.Append(CultureInfo.InvariantCulture, $"{Guid.NewGuid()}")),
        ["flow.id"] = new(RuleStage.All, static (o, c, _) => o.Append(CultureInfo.InvariantCulture, $"{c.Flow.Id.Value}")),
        ["client.ip"] = new(RuleStage.All, static (o, c, _) => FlowValues.Address(o, c.Flow.Client.RemoteEndPoint)),
        ["client.port"] = new(RuleStage.All, static (o, c, _) => FlowValues.Port(o, c.Flow.Client.RemoteEndPoint)),
        ["server.ip"] = new(RuleStage.All, static (o, c, _) => FlowValues.ServerAddress(o, c)),
        ["server.port"] = new(RuleStage.All, static (o, c, _) => FlowValues.ServerPort(o, c)),
        ["request.host"] = new(FromHost, static (o, c, _) => o.Append(FlowValues.Host(c))),
        ["request.port"] = new(FromHost, static (o, c, _) => FlowValues.HostPort(o, c)),
        ["request.method"] = new(FromHead, static (o, c, _) => FlowValues.Latin1(o, FlowValues.Request(c) is { } head ? head.MethodOctets : default)),
        ["request.scheme"] = new(RuleStage.FromRequest, static (o, c, _) => o.Append(FlowValues.Request(c)?.Origin.Scheme)),
        ["request.url"] = new(RuleStage.FromRequest, static (o, c, _) => o.Append(FlowValues.Request(c)?.Url)),
        ["request.path"] = new(RuleStage.FromRequest, static (o, c, _) => FlowValues.Latin1(o, FlowValues.Path(c))),
        ["request.query"] = new(RuleStage.FromRequest, static (o, c, _) => FlowValues.Latin1(o, FlowValues.Query(c))),
        ["request.http_version"] = new(RuleStage.FromRequest, static (o, c, _) => FlowValues.Version(o, c)),
        ["request.body"] = new(RuleStage.RequestBody, static (o, c, _) => FlowValues.Body(o, c)),
        ["response.status"] = new(FromResponse, static (o, c, _) => FlowValues.Status(o, c)),
        ["response.body"] = new(RuleStage.ResponseBody, static (o, c, _) => FlowValues.Body(o, c)),
        ["message"] = new(RuleStage.Messages, static (o, c, _) => FlowValues.Message(o, c)),
    };

    private static readonly Dictionary<string, string> s_aliases = new(StringComparer.Ordinal)
    {
        ["client_ip"] = "client.ip",
        ["ip"] = "client.ip",
        ["client_port"] = "client.port",
        ["server_ip"] = "server.ip",
        ["server_port"] = "server.port",
        ["host"] = "request.host",
    };

    private static readonly string[] s_families =
    [
        "variable.", "request.header.", "request.cookie.", "request.query.", "request.form.", "request.json.", "response.header.", "response.json.",
        "capture.", "env.", "counter.", "random.",
    ];

    /// <summary>Whether a name means something by itself, so that a variable of that name is not seen without <c>variable.</c>.</summary>
    public static bool IsBuiltIn(string name) =>
        name is "previous" or "rule.id" || s_plain.ContainsKey(name) || s_aliases.ContainsKey(name) || s_families.Any(x => name.StartsWith(x, StringComparison.Ordinal));

    /// <summary>Compiles one variable.</summary>
    /// <param name="name">What stands between the braces, without spaces around it.</param>
    /// <param name="node">The string it is part of.</param>
    /// <param name="scope">The rule.</param>
    /// <param name="hasPrevious">Whether <c>{{previous}}</c> is known.</param>
    /// <returns><see langword="null"/> when it was reported.</returns>
    public static Template.Part? Compile(string name, RuleNode node, CompileScope scope, bool hasPrevious)
    {
        if (s_plain.TryGetValue(s_aliases.GetValueOrDefault(name, name), out var plain))
        {
            return Known(name, plain.KnownAt, node, scope) ? new(name, plain.Write) : null;
        }

        if (name == "rule.id")
        {
            var id = scope.Rule.Id;
            return new(name, (o, _, _) => o.Append(id));
        }

        if (name == "previous")
        {
            if (!hasPrevious)
            {
                scope.Problems.Error("RULE-402", node, "'{{previous}}' is the old value of what an action rewrites, and there is none here.",
                    "It is known in UpdateRequestHeader, UpdateResponseHeader, SetRequestCookie, SetQuery and SetFormField.");
                return null;
            }

            return new(name, static (o, _, previous) => o.Append(previous));
        }

        foreach (var family in s_families)
        {
            if (name.Length > family.Length && name.StartsWith(family, StringComparison.Ordinal))
            {
                return OfFamily(family, name[family.Length..], name, node, scope);
            }
        }

        if (scope.Variables.Contains(name))
        {
            return OfVariable(name);
        }

        if (IsCapture(name, scope))
        {
            return OfCapture(name, scope);
        }

        Unknown(name, node, scope);
        return null;
    }

    private static Template.Part? OfFamily(string family, string argument, string name, RuleNode node, CompileScope scope)
    {
        switch (family)
        {
            case "variable.":
                if (!scope.Variables.Contains(argument))
                {
                    Unknown(name, node, scope);
                    return null;
                }

                return OfVariable(argument);

            case "request.header.":
                return IsFieldName(argument, name, node, scope) && Known(name, FromHead, node, scope)
                    ? new(name, (o, c, _) => FlowValues.Field(o, FlowValues.Request(c)?.Fields, argument)) : null;

            case "response.header.":
                return IsFieldName(argument, name, node, scope) && Known(name, FromResponse, node, scope)
                    ? new(name, (o, c, _) => FlowValues.Field(o, FlowValues.Response(c)?.Fields, argument)) : null;

            case "request.cookie.":
                return Known(name, RuleStage.FromRequest, node, scope) ? new(name, (o, c, _) => FlowValues.Cookie(o, c, argument)) : null;

            case "request.query.":
                return Known(name, RuleStage.FromRequest, node, scope) ? new(name, (o, c, _) => FlowValues.QueryValue(o, c, argument)) : null;

            case "request.form.":
                return Known(name, RuleStage.RequestBody, node, scope) ? new(name, (o, c, _) => FlowValues.Form(o, c, argument)) : null;

            case "request.json.":
                return OfJson(argument, RuleStage.RequestBody, name, node, scope);

            case "response.json.":
                return OfJson(argument, RuleStage.ResponseBody, name, node, scope);

            case "capture.":
                if (!IsCapture(argument, scope))
                {
                    Unknown(name, node, scope);
                    return null;
                }

                return OfCapture(argument, scope);

            case "env.":
                return OfEnvironment(argument, node, scope);

            case "counter.":
                return new(name, (o, c, _) => o.Append(CultureInfo.InvariantCulture, $"{c.Environment.Memory.Count("counter\0" + argument)}"));

            default:
                return OfRandom(argument, name, node, scope);
        }
    }

    private static Template.Part OfVariable(string name) =>
        new(name, (o, c, _) => o.Append(c.Flow.Variables.GetValueOrDefault(name)));

    private static bool IsCapture(string name, CompileScope scope) => scope.Captures.Contains(name) || (name == "0" && scope.Captures.Count > 0);

    private static Template.Part OfCapture(string name, CompileScope scope)
    {
        scope.UsesCaptures = true; // only then do matchers keep what they captured
        return new(name, (o, c, _) => o.Append(c.CapturesOrNull?.GetValueOrDefault(name)));
    }

    private static Template.Part? OfJson(string path, RuleStage knownAt, string name, RuleNode node, CompileScope scope)
    {
        if (JsonPath.TryParse(path, out var problem) is not { } compiled)
        {
            scope.Problems.Error("RULE-405", node, $"'{{{{{name}}}}}': {problem}.", "For example '{{" + name[..^path.Length] + "$.user.name}}'.");
            return null;
        }

        return Known(name, knownAt, node, scope) ? new(name, (o, c, _) => o.Append(c.Body is null ? null : First(compiled, c))) : null;
    }

    /// <summary>The first value a path names: a string without quotes, anything else as JSON; nothing when there is none or the content is not JSON.</summary>
    private static string? First(JsonPath path, RuleContext context) => context.Json is not { } json || path.Select(json) is not [var first, ..] ? null
        : first.Value.ValueKind == JsonValueKind.String ? first.Value.GetString()
        : first.Value.GetRawText();

    // What the environment holds does not change while the program runs, so it is read once.
    private static Template.Part? OfEnvironment(string name, RuleNode node, CompileScope scope)
    {
        if (!scope.Environment.EnvironmentAllowed.Contains(name))
        {
            scope.Problems.Error("RULE-403", node, $"The environment variable '{name}' is not allowed to rules, so that a rule file cannot read secrets.",
                $"Allow it with the option --rules-env-allow {name}.");
            return null;
        }

        if (Environment.GetEnvironmentVariable(name) is not { } value)
        {
            scope.Problems.Warning("RULE-406", node, $"The environment variable '{name}' is not set; its value is an empty text.");
            value = "";
        }

        return new("env." + name, (o, _, _) => o.Append(value));
    }

    private static Template.Part? OfRandom(string range, string name, RuleNode node, CompileScope scope)
    {
        var dash = range.IndexOf('-', 1);
        if (dash < 0 || !long.TryParse(range.AsSpan(0, dash), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var from)
            || !long.TryParse(range.AsSpan(dash + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var to) || from > to || to == long.MaxValue)
        {
            scope.Problems.Error("RULE-401", node, $"'{{{{{name}}}}}' is no range of integers, smallest first.", "For example '{{random.1-100}}'.");
            return null;
        }

        return new(name, (o, c, _) => o.Append(CultureInfo.InvariantCulture, $"{c.Environment.Random.NextInt64(from, to + 1)}"));
    }

    private static bool IsFieldName(string field, string name, RuleNode node, CompileScope scope)
    {
        var isToken = System.Text.Ascii.IsValid(field) && FieldSyntax.IsToken(System.Text.Encoding.ASCII.GetBytes(field));
        if (!isToken)
        {
            scope.Problems.Error("RULE-401", node, $"'{field}' in '{{{{{name}}}}}' is not a field name: it must be a token (RFC 9110 §5.1).");
        }

        return isToken;
    }

    private static bool Known(string name, RuleStage knownAt, RuleNode node, CompileScope scope)
    {
        if ((scope.Stage & knownAt) != 0)
        {
            return true;
        }

        var stages = string.Join(", ", RuleStages.Ordered.Where(x => (x & knownAt) != 0));
        scope.Problems.Error("RULE-402", node, $"'{{{{{name}}}}}' is not known at {scope.Stage}.", $"It is known at {stages}.");
        return false;
    }

    private static void Unknown(string name, RuleNode node, CompileScope scope)
    {
        var known = s_plain.Keys.Concat(s_aliases.Keys).Concat(["rule.id", "previous"]).Concat(s_families)
            .Concat(scope.Variables).Concat(scope.Variables.Select(x => "variable." + x))
            .Concat(scope.Captures.Select(x => "capture." + x));
        var nearest = Nearest(name, known);
        var hint = nearest is null ? "" : $"Did you mean '{{{{{nearest}{(nearest.EndsWith('.') ? "NAME" : "")}}}}}'? ";
        scope.Problems.Error("RULE-401", node, $"'{{{{{name}}}}}' is not a variable that is known here.",
            hint + "A variable of your own needs a SetVariable action; a literal '{{' is written '{{{{'.");
    }

    /// <summary>The name that takes the fewest edits, when those are few enough to be a slip.</summary>
    private static string? Nearest(string name, IEnumerable<string> known)
    {
        var (best, distance) = ((string?)null, Math.Max(2, name.Length / 3) + 1);
        foreach (var candidate in known)
        {
            // Of a family only the beginning is known.
            var compared = candidate.EndsWith('.') ? name[..Math.Min(name.Length, candidate.Length)] : name;
            if (Distance(compared.ToLowerInvariant(), candidate.ToLowerInvariant()) is var found && found < distance)
            {
                (best, distance) = (candidate, found);
            }
        }

        return best;
    }

    private static int Distance(string left, string right)
    {
        var row = new int[right.Length + 1];
        for (var j = 0; j < row.Length; j++)
        {
            row[j] = j;
        }

        for (var i = 0; i < left.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i + 1;
            for (var j = 0; j < right.Length; j++)
            {
                (diagonal, row[j + 1]) = (row[j + 1], Math.Min(Math.Min(row[j], row[j + 1]) + 1, diagonal + (left[i] == right[j] ? 0 : 1)));
            }
        }

        return row[^1];
    }

    private sealed record Variable(RuleStage KnownAt, Template.Writer Write);
}

using RelayCore.Rules.Documents;

namespace RelayCore.Rules.Importing;

/// <summary><c>map_remote</c> and <c>map_local</c>.</summary>
internal static class MitmproxyMaps
{
    /// <summary>Each spec replaces what its regex finds in the URL the one before left.</summary>
    public static void Remote(IReadOnlyList<string> specs, MitmproxyRuleWriter writer)
    {
        foreach (var (i, text) in specs.Index())
        {
            if (MitmproxySpec.Parse("map-remote", i, text, writer.Problems) is not { } spec || !writer.CanHoldAtRequest(spec) || Regex(spec, writer) is not { } regex)
            {
                continue;
            }

            if (spec.Filter.NeedsBody)
            {
                writer.Problems.Error(
                    RuleCodes.ImportValue, spec.Filter.Place, $"`{spec.Filter.Text}` looks at the body, and where a request goes is decided before its body comes", "Use a filter on the head of the request.");
                continue;
            }

            if (PythonText.Replacement(spec.Replacement.Text, regex, out var problem) is not { } replacement)
            {
                writer.Problems.Error(RuleCodes.ImportSyntax, spec.Replacement.Node, $"`{spec.Replacement.Text}`: {problem}", "Groups are \\1, \\2, … or \\g<name>.");
                continue;
            }

            if (spec.Filter.Node(writer.Make, RuleStage.RequestHeaders, writer.Problems) is { } filter)
            {
                writer.Add(spec, "", RuleStage.RequestHeaders, filter, writer.Make.Typed(
                    "ReplaceInUrl", writer.Make.Map(("pattern", writer.Make.Text(regex.ToString())), ("replacement", writer.Make.Text(MitmproxyRuleWriter.Literal(replacement))))));
            }
        }
    }

    /// <summary>The first spec that has a file answers; when specs apply and none has one, the answer is 404.</summary>
    public static void Local(IReadOnlyList<string> specs, MitmproxyRuleWriter writer)
    {
        var make = writer.Make;
        var applying = new List<(MitmproxySpec Spec, RuleNode Filter, bool IsFolder)>();
        foreach (var (i, text) in specs.Index())
        {
            if (MitmproxySpec.Parse("map-local", i, text, writer.Problems) is not { } spec || !writer.CanHoldAtRequest(spec) || Regex(spec, writer) is not { } regex)
            {
                continue;
            }

            var path = Path.GetFullPath(MitmproxyRuleWriter.Home(spec.Replacement.Text));
            var isFolder = Directory.Exists(path);
            if (spec.Replacement.Text.Length == 0 || (!isFolder && !File.Exists(path)))
            {
                writer.Problems.Error(RuleCodes.ImportFile, spec.Replacement.Node, $"`{spec.Replacement.Text}` is no file and no folder", "The path of a file or folder that is there; ~ is your home.");
                continue;
            }

            if (spec.Filter.Node(make, MitmproxyRuleWriter.AnswerStage(spec), writer.Problems) is not { } selects)
            {
                continue;
            }

            var matches = make.Typed("Url", make.Matcher("Regex", regex.ToString()));
            var filter = spec.Filter.IsAll ? matches : make.Typed("And", make.List(selects, matches));
            var config = new List<(string, RuleNode)> { ("path", make.Text(MitmproxyRuleWriter.Literal(path))) };
            if (isFolder)
            {
                config.Add(("pattern", make.Text(regex.ToString())));
                config.Add(("on_missing", make.Text("continue")));
            }

            writer.Add(spec, "", MitmproxyRuleWriter.AnswerStage(spec), filter, make.Typed("MapLocal", make.Map(config)));
            applying.Add((spec, filter, isFolder));
        }

        foreach (var stage in applying.Where(x => x.IsFolder).GroupBy(x => MitmproxyRuleWriter.AnswerStage(x.Spec)))
        {
            var filters = stage.Select(x => x.Filter).ToList();
            var last = stage.Last().Spec;
            writer.Add(
                last, "-missing", stage.Key, filters.Count == 1 ? filters[0] : make.Typed("Or", make.List(filters)),
                make.Typed("MockResponse", make.Map(("status", make.Number(404)), ("headers", make.Map(("Server", make.Text("RelayCore")))), ("body", make.Text("")))));
        }
    }

    private static System.Text.RegularExpressions.Regex? Regex(MitmproxySpec spec, MitmproxyRuleWriter writer)
    {
        var regex = PythonText.Translate(spec.Subject.Text, isBytes: false, out var problem);
        if (regex is null)
        {
            writer.Problems.Error(RuleCodes.ImportRegex, spec.Subject.Node, $"`{spec.Subject.Text}` cannot be used as a regex: {problem}", "Escape characters that mean themselves: \\. \\? \\+ \\(.");
        }

        return regex;
    }
}

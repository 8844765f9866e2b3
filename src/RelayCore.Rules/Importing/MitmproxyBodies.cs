using System.Buffers;
using System.Text;
using RelayCore.Rules.Documents;

namespace RelayCore.Rules.Importing;

/// <summary>
/// <c>modify_body</c>: a regex of octets and a literal replacement. A subject without regex characters is replaced on its way, in bodies of any size; a
/// real regex needs the whole body, as does a filter on the body.
/// </summary>
internal static class MitmproxyBodies
{
    private static readonly SearchValues<char> s_special = SearchValues.Create("\\^$.|?*+()[]{}");

    public static void Write(IReadOnlyList<string> specs, MitmproxyRuleWriter writer)
    {
        var edits = new List<(MitmproxySpec Spec, string Subject, string Replacement)>();
        foreach (var (i, text) in specs.Index())
        {
            if (MitmproxySpec.Parse("modify-body", i, text, writer.Problems) is { } spec
                && writer.Unescape(spec.Subject) is { } subject && writer.Utf8(subject, spec.Subject) is { } pattern
                && writer.Replacement(spec.Replacement) is { } octets && writer.Utf8(octets, spec.Replacement) is { } replacement)
            {
                edits.Add((spec, pattern, replacement));
            }
        }

        // Edits on their way come after those of the whole body, so that one regex puts all specs there: they run in their order.
        var onTheirWay = edits.TrueForAll(x => IsLiteral(x.Subject) && !x.Spec.Filter.NeedsBody);
        foreach (var (spec, subject, replacement) in edits)
        {
            if (subject.Length == 0)
            {
                writer.Problems.Error(RuleCodes.ImportValue, spec.Subject.Node, "the subject is empty; it matches everywhere", "Write what is to be replaced.");
                continue;
            }

            Rules(spec, subject, replacement, onTheirWay, writer);
        }
    }

    private static void Rules(MitmproxySpec spec, string subject, string replacement, bool onTheirWay, MitmproxyRuleWriter writer)
    {
        var make = writer.Make;
        RuleNode? action = null;
        if (!onTheirWay)
        {
            if (PythonText.Translate(subject, isBytes: true, out var problem) is not { } regex)
            {
                writer.Problems.Error(RuleCodes.ImportRegex, spec.Subject.Node, $"`{spec.Subject.Text}` cannot be used as a regex: {problem}", "Escapes are decoded first: write \\\\ for a backslash of the regex.");
                return;
            }

            var literal = MitmproxyRuleWriter.Literal(replacement.Replace("$", "$$", StringComparison.Ordinal));
            action = make.Map(("transform", make.Typed("RegexReplace", make.Map(("pattern", make.Text(regex.ToString())), ("replacement", make.Text(literal))))));
        }

        foreach (var isRequest in (bool[])[true, false])
        {
            if (isRequest ? !spec.Filter.AtRequest : !spec.Filter.AtResponse)
            {
                continue;
            }

            var stage = (isRequest, action is null) switch
            {
                (true, true) => RuleStage.RequestHeaders,
                (true, false) => RuleStage.RequestBody,
                (false, true) => RuleStage.ResponseHeaders,
                (false, false) => RuleStage.ResponseBody,
            };
            if (spec.Filter.Node(make, stage, writer.Problems) is not { } filter)
            {
                continue;
            }

            var (suffix, message) = isRequest ? ("-request", "Request") : ("-response", "Response");
            if (action is not null)
            {
                writer.Add(spec, suffix, stage, filter, make.Typed($"Transform{message}Body", action));
                continue;
            }

            var one = make.Map(("find", make.Text(subject)), ("replacement", make.Text(MitmproxyRuleWriter.Literal(replacement))));
            writer.Add(spec, suffix, stage, filter, make.Typed("TransformStream", make.Map(("replacements", make.List(one)))));
        }
    }

    private static bool IsLiteral(string subject) => !subject.AsSpan().ContainsAny(s_special) && Encoding.UTF8.GetByteCount(subject) <= 4096;
}

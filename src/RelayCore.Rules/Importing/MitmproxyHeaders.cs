using System.Globalization;
using RelayCore.Rules.Documents;

namespace RelayCore.Rules.Importing;

/// <summary>
/// <c>modify_headers</c>: of the specs that apply, every named field is removed once, then all values are appended; which apply is decided on the message
/// as it came. So several specs of one name share one removal, and where an edit could change what a later filter sees, all filters are asked first and
/// their answers kept in variables.
/// </summary>
internal static class MitmproxyHeaders
{
    public static void Write(IReadOnlyList<string> specs, MitmproxyRuleWriter writer)
    {
        var edits = new List<Edit>();
        foreach (var (i, text) in specs.Index())
        {
            if (MitmproxySpec.Parse("modify-headers", i, text, writer.Problems) is { } spec && Read(spec, writer) is { } edit)
            {
                edits.Add(edit);
            }
        }

        Stage(edits, RuleStage.RequestHeaders, writer);
        Stage(edits, RuleStage.ResponseHeaders, writer);
    }

    private sealed record Edit(MitmproxySpec Spec, string Name, string Value);

    private static Edit? Read(MitmproxySpec spec, MitmproxyRuleWriter writer)
    {
        if (writer.Unescape(spec.Subject) is not { } nameOctets || writer.Utf8(nameOctets, spec.Subject) is not { } name
            || writer.Replacement(spec.Replacement) is not { } octets || writer.Utf8(octets, spec.Replacement) is not { } value)
        {
            return null;
        }

        if (name.Length == 0 || !name.All(x => char.IsAsciiLetterOrDigit(x) || "!#$%&'*+-.^_`|~".Contains(x, StringComparison.Ordinal)))
        {
            writer.Problems.Error(RuleCodes.ImportValue, spec.Subject.Node, $"`{name}` is no name of a field", "It has letters, digits and hyphens.");
            return null;
        }

        // A file of one line ends in a line feed that belongs to the file.
        value = spec.Replacement.Text.StartsWith('@') ? value.TrimEnd('\r', '\n') : value;
        if (value.AsSpan().ContainsAny('\r', '\n', '\0'))
        {
            writer.Problems.Error(RuleCodes.ImportValue, spec.Replacement.Node, "the value of a field has no line breaks and no NUL", "Write one spec for each line.");
            return null;
        }

        return new(spec, name, value);
    }

    private static void Stage(List<Edit> all, RuleStage stage, MitmproxyRuleWriter writer)
    {
        var isRequest = stage == RuleStage.RequestHeaders;
        var own = all.Where(x => isRequest ? x.Spec.Filter.AtRequest : x.Spec.Filter.AtResponse)
            .Select(x => (Edit: x, Filter: x.Spec.Filter.Node(writer.Make, stage, writer.Problems)))
            .Where(x => x.Filter is not null).ToList();
        var edits = own.ConvertAll(x => x.Edit);
        var suffix = isRequest ? "-request" : "-response";
        var filters = Filters(own!, stage, suffix, writer);
        var removed = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        foreach (var (i, edit) in edits.Index())
        {
            var same = edits.Index().Where(x => x.Item.Name.Equals(edit.Name, StringComparison.OrdinalIgnoreCase)).ToList();
            var delete = writer.Make.Typed(isRequest ? "DeleteRequestHeader" : "DeleteResponseHeader", writer.Named(edit.Name));
            var actions = new List<RuleNode>();
            if (same.Count == 1)
            {
                actions.Add(delete);
            }
            else if (removed.Add(edit.Name))
            {
                var any = same.Exists(x => x.Item.Spec.Filter.IsAll) ? writer.Make.Typed("All") : writer.Make.Typed("Or", writer.Make.List(same.Select(x => filters[x.Index])));
                writer.Add(edit.Spec, suffix + "-remove", stage, any, delete);
            }

            if (edit.Value.Length > 0)
            {
                actions.Add(writer.Make.Typed(
                    isRequest ? "AddRequestHeader" : "AddResponseHeader",
                    writer.Make.Map(("name", writer.Make.Text(edit.Name)), ("value", writer.Make.Text(MitmproxyRuleWriter.Literal(edit.Value))))));
            }

            if (actions.Count > 0)
            {
                writer.Add(edit.Spec, suffix, stage, filters[i], actions);
            }
        }
    }

    /// <summary>The filter of each edit: its own, or the answer it gave before the first edit.</summary>
    private static List<RuleNode> Filters(List<(Edit Edit, RuleNode Filter)> edits, RuleStage stage, string suffix, MitmproxyRuleWriter writer)
    {
        var isAskedFirst = edits.Count > 1 && edits.Exists(x => x.Edit.Spec.Filter is { IsAll: false, LooksAtFields: true });
        var filters = new List<RuleNode>();
        foreach (var (edit, own) in edits)
        {
            if (!isAskedFirst || edit.Spec.Filter.IsAll)
            {
                filters.Add(own);
                continue;
            }

            var variable = string.Create(CultureInfo.InvariantCulture, $"modify_headers_{edit.Spec.Number}{suffix.Replace('-', '_')}");
            var setting = writer.Make.Map(("name", writer.Make.Text(variable)), ("value", writer.Make.Text("1")));
            writer.Add(edit.Spec, suffix + "-asked", stage, own, writer.Make.Typed("SetVariable", setting));
            filters.Add(writer.Make.Typed("Variable", setting));
        }

        return filters;
    }
}

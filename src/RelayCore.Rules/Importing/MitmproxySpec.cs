using RelayCore.Rules.Documents;

namespace RelayCore.Rules.Importing;

/// <summary>A part of a spec, with the place it begins at.</summary>
internal sealed record SpecPart(string Text, RuleNode Node);

/// <summary>
/// A spec of mitmproxy, <c>S[filter S]subject S replacement</c>: its first character separates, at most twice, so that the last of three parts may have it.
/// </summary>
internal sealed record MitmproxySpec(string Option, int Number, SpecPart Whole, MitmproxyFilter Filter, SpecPart Subject, SpecPart Replacement)
{
    /// <summary>Reads <c>[filter,] subject, replacement</c>.</summary>
    public static MitmproxySpec? Parse(string option, int index, string text, RuleProblems problems)
    {
        var parts = Split(option, index, text, 3, problems);
        switch (parts)
        {
            case null:
                return null;
            case [var subject, var replacement]:
                return new(option, index + 1, Part(option, index, text, 0), MitmproxyFilter.All(subject.Node), subject, replacement);
            case [var filter, var subject, var replacement]:
                return MitmproxyFilter.Parse(filter, problems) is { } found ? new(option, index + 1, Part(option, index, text, 0), found, subject, replacement) : null;
            default:
                problems.Error(
                    RuleCodes.ImportSyntax, Part(option, index, text, 0).Node, $"`{text}` has {parts.Count} part{(parts.Count == 1 ? "" : "s")}; 2 or 3 are expected",
                    $"Write {text[0]}subject{text[0]}replacement or {text[0]}filter{text[0]}subject{text[0]}replacement; the first character separates.");
                return null;
        }
    }

    /// <summary>Reads <c>filter, status</c>, where the subject is the filter.</summary>
    public static MitmproxySpec? ParseBlock(string option, int index, string text, RuleProblems problems)
    {
        var parts = Split(option, index, text, 3, problems);
        if (parts is null)
        {
            return null;
        }

        if (parts is not [var filter, var status])
        {
            problems.Error(RuleCodes.ImportSyntax, Part(option, index, text, 0).Node, $"`{text}` has {parts.Count} part{(parts.Count == 1 ? "" : "s")}; 2 are expected", $"Write {text[0]}filter{text[0]}status.");
            return null;
        }

        return MitmproxyFilter.Parse(filter, problems) is { } found ? new(option, index + 1, Part(option, index, text, 0), found, filter, status) : null;
    }

    /// <summary>A value of an option as a node, for problems: its file is the option.</summary>
    public static SpecPart Part(string option, int index, string text, int offset)
    {
        var name = index < 0 ? $"--{option}" : string.Create(System.Globalization.CultureInfo.InvariantCulture, $"--{option} #{index + 1}");
        return new(text, new(NodeKind.Text, new(name, 1, offset + 1), "$") { Text = text });
    }

    private static List<SpecPart>? Split(string option, int index, string text, int most, RuleProblems problems)
    {
        if (text.Length == 0)
        {
            problems.Error(RuleCodes.ImportSyntax, Part(option, index, text, 0).Node, "the spec is empty", "Its first character separates its parts, for example /subject/replacement.");
            return null;
        }

        var parts = new List<SpecPart>();
        var offset = 1;
        foreach (var part in text[1..].Split(text[0], most))
        {
            parts.Add(Part(option, index, part, offset));
            offset += part.Length + 1;
        }

        return parts;
    }
}

using System.Globalization;
using System.Numerics;
using System.Text.RegularExpressions;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace RelayCore.Rules.Documents;

/// <summary>What a YAML scalar is: the core schema of YAML 1.2 (§10.3), where <c>yes</c>, <c>on</c> and <c>012</c> are no booleans and no octals.</summary>
internal static partial class YamlScalar
{
    private const string CoreTag = "tag:yaml.org,2002:";

    /// <summary>The node of a scalar. Numbers get the text JSON would have.</summary>
    public static RuleNode Resolve(Scalar scalar, SourceLocation at, string path)
    {
        var tag = scalar.Tag.IsEmpty ? "" : scalar.Tag.Value;
        if (tag == "!" || tag == CoreTag + "str" || (tag.Length == 0 && scalar.Style != ScalarStyle.Plain))
        {
            return new(NodeKind.Text, at, path) { Text = scalar.Value };
        }

        var node = Plain(scalar.Value, at, path);
        var expected = tag switch
        {
            "" => node.Kind,
            CoreTag + "null" => NodeKind.Null,
            CoreTag + "bool" => NodeKind.Boolean,
            CoreTag + "int" or CoreTag + "float" => NodeKind.Number,
            _ => throw new RuleFileException(RuleCodes.Syntax, at, path, $"the tag `{tag}` has no meaning in a rule file", "Remove it."),
        };
        return node.Kind == expected ? node : throw new RuleFileException(RuleCodes.Syntax, at, path, $"`{scalar.Value}` is not what its tag `{tag}` says");
    }

    /// <summary>Whether a text written without quotes would be read as text again.</summary>
    public static bool IsPlainText(string text) => text != "<<" && Plain(text, default, "").Kind == NodeKind.Text;

    private static RuleNode Plain(string text, SourceLocation at, string path) => text switch
    {
        "" or "~" or "null" or "Null" or "NULL" => new(NodeKind.Null, at, path),
        "true" or "True" or "TRUE" => new(NodeKind.Boolean, at, path) { Text = "true" },
        "false" or "False" or "FALSE" => new(NodeKind.Boolean, at, path) { Text = "false" },
        _ => Number(text) is { } number ? new(NodeKind.Number, at, path) { Text = number } : new(NodeKind.Text, at, path) { Text = text },
    };

    private static string? Number(string text)
    {
        // JSON has no text for infinity and NaN; they stay as written and no property takes them.
        if (text.Length > 100 || !Numeric().IsMatch(text))
        {
            return null;
        }

        if (text.StartsWith("0o", StringComparison.Ordinal))
        {
            return text.Skip(2).Aggregate(BigInteger.Zero, (sum, x) => (sum * 8) + (x - '0')).ToString(CultureInfo.InvariantCulture);
        }

        if (text.StartsWith("0x", StringComparison.Ordinal))
        {
            return BigInteger.Parse("0" + text[2..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture).ToString(CultureInfo.InvariantCulture);
        }

        return AsJson().IsMatch(text) ? text
            : text.AsSpan().ContainsAny("iIaA") ? text
            : BigInteger.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var integer) ? integer.ToString(CultureInfo.InvariantCulture)
            : double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture).ToString("R", CultureInfo.InvariantCulture);
    }

    [GeneratedRegex(@"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+|[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\z", RegexOptions.CultureInvariant)]
    private static partial Regex Numeric();

    [GeneratedRegex(@"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?\z", RegexOptions.CultureInvariant)]
    private static partial Regex AsJson();
}

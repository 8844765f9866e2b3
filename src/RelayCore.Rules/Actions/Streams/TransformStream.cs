using System.Text;
using System.Text.RegularExpressions;
using RelayCore.Rules.Actions.Bodies;
using RelayCore.Rules.Catalog;
using RelayCore.Rules.Execution;
using RelayCore.Rules.Templates;

namespace RelayCore.Rules.Actions.Streams;

/// <summary><c>TransformStream</c>: begins, at the head, to edit the body that follows.</summary>
internal sealed class TransformStream : ImmediateAction
{
    /// <summary>Longest match of a regex, in octets. Default 4 KiB. Longer ones are left as they are.</summary>
    public const int DefaultMaxMatch = 4096;

    /// <summary>Largest bound a rule may set: each flow holds back twice as much.</summary>
    public const int LargestMaxMatch = 64 * 1024;

    private const int MaxLiterals = 10_000;
    private const int MaxLiteralOctets = 1024 * 1024;

    // Literals one behind the other are one pass; a regex is its own.
    private readonly List<(LiteralSet? Literals, List<Template> Texts, Regex? Regex, ReplacementText? Replacement, int MaxMatch)> _passes = [];

    private TransformStream()
    {
    }

    public static TransformStream? Compile(ConfigReader config)
    {
        var (result, isGood) = (new TransformStream(), true);
        var (literals, texts, ignoresCase, octets, count) = (new List<byte[]>(), new List<Template>(), false, 0, 0);
        foreach (var item in config.Items("replacements"))
        {
            count++;
            if (item.Has("find") == item.Has("pattern"))
            {
                item.Error("RULE-508", "find", "A replacement has either 'find', a text, or 'pattern', a regex.");
                isGood = false;
            }
            else if (item.Has("pattern"))
            {
                Flush();
                var regex = ContentRegex.Compile(item, "pattern", pattern => Rewrite(item, pattern));
                var replacement = regex is null ? null : ReplacementText.Compile(item["replacement"] ?? item.Node with { Text = "" }, regex, config.Scope);
                if (regex is not null && regex.IsMatch(""))
                {
                    item.Error("RULE-508", "pattern", "The pattern matches nothing at all too, so the replacement would stand at every place.", "Write + for *, or what must be there.");
                    regex = null;
                }

                isGood &= regex is not null && replacement is not null;
                result._passes.Add((null, [], regex, replacement, (int)item.Integer("max_match", DefaultMaxMatch)));
            }
            else
            {
                if (literals.Count > 0 && ignoresCase != item.Boolean("ignore_case"))
                {
                    Flush();
                }

                ignoresCase = item.Boolean("ignore_case");
                var find = Encoding.UTF8.GetBytes(item.Text("find"));
                if (find.Length is 0 or > LargestMaxMatch)
                {
                    item.Error("RULE-508", "find", find.Length == 0 ? "The text to be found is empty." : $"The text to be found has {find.Length} octets; at most {LargestMaxMatch} can be held back.");
                    isGood = false;
                    continue;
                }

                octets += find.Length;
                literals.Add(find);
                texts.Add(item.Template("replacement"));
            }
        }

        if (count is 0 or > MaxLiterals || octets > MaxLiteralOctets)
        {
            config.Error("RULE-508", "replacements", count == 0 ? "There are no replacements." : $"There are {count} replacements with {octets} octets to be found; at most {MaxLiterals} and {MaxLiteralOctets} are allowed.");
            isGood = false;
        }

        Flush();
        return isGood ? result : null;

        void Flush()
        {
            if (literals.Count > 0)
            {
                result._passes.Add((new(literals, ignoresCase), texts, null, null, 0));
                (literals, texts) = ([], []);
            }
        }
    }

    /// <summary>The edit for one flow; variables have the values of this moment.</summary>
    public IBodyTransform Begin(RuleContext context) => new StreamTransform(
        [.. _passes.Select(x => x.Literals is not null
            ? (StreamStep)new LiteralStep(x.Literals, [.. x.Texts.Select(t => Encoding.UTF8.GetBytes(t.Expand(context)))])
            : new RegexStep(x.Regex!, x.Replacement!.Expand(context), x.MaxMatch))]);

    protected override ActionResult Run(RuleContext context)
    {
        context.State.Transform(context.Sender, Begin(context));
        return ActionResult.Done;
    }

    private static string? Rewrite(ConfigReader item, string pattern)
    {
        if (StreamPattern.TryRewrite(pattern, out var rewritten, out var problem))
        {
            return rewritten;
        }

        item.Error("RULE-508", "pattern", $"The pattern cannot be used on a stream: {problem}.", "TransformRequestBody and TransformResponseBody see the whole body.");
        return null;
    }
}

using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace RelayCore.Rules.Documents;

/// <summary>Writes nodes as YAML that reads back as the same nodes.</summary>
internal static class YamlNodeWriter
{
    public static string Write(RuleNode node)
    {
        var text = new StringWriter { NewLine = "\n" };
        var emitter = new Emitter(text, new EmitterSettings(bestIndent: 2, bestWidth: int.MaxValue, isCanonical: false, maxSimpleKeyLength: 1024).WithNewLine("\n"));
        emitter.Emit(new StreamStart());
        emitter.Emit(new DocumentStart(null, null, isImplicit: true));
        Emit(emitter, node);
        emitter.Emit(new DocumentEnd(isImplicit: true));
        emitter.Emit(new StreamEnd());
        return text.ToString();
    }

    private static void Emit(Emitter emitter, RuleNode node)
    {
        switch (node.Kind)
        {
            case NodeKind.Map:
                emitter.Emit(new MappingStart(AnchorName.Empty, TagName.Empty, isImplicit: true, node.Members.Count == 0 ? MappingStyle.Flow : MappingStyle.Block));
                foreach (var (name, value) in node.Members)
                {
                    Text(emitter, name.Text);
                    Emit(emitter, value);
                }

                emitter.Emit(new MappingEnd());
                break;
            case NodeKind.List:
                emitter.Emit(new SequenceStart(AnchorName.Empty, TagName.Empty, isImplicit: true, node.Items.Count == 0 ? SequenceStyle.Flow : SequenceStyle.Block));
                foreach (var item in node.Items)
                {
                    Emit(emitter, item);
                }

                emitter.Emit(new SequenceEnd());
                break;
            case NodeKind.Text:
                Text(emitter, node.Text);
                break;
            default:
                Scalar(emitter, node.IsNull ? "null" : node.Text, ScalarStyle.Plain);
                break;
        }
    }

    /// <summary>Written without quotes only when it begins as a word and has nothing that means something to YAML: readers differ about the rest.</summary>
    private static void Text(Emitter emitter, string text)
    {
        var isPlain = text.Length > 0 && (char.IsLetterOrDigit(text[0]) || text[0] is '_' or '/' or '.') && text[^1] != ' '
            && text.All(x => char.IsLetterOrDigit(x) || "_./-()+=;$^<>@ ".Contains(x, StringComparison.Ordinal)) && YamlScalar.IsPlainText(text);
        Scalar(emitter, text, isPlain ? ScalarStyle.Plain : ScalarStyle.DoubleQuoted);
    }

    private static void Scalar(Emitter emitter, string text, ScalarStyle style) => emitter.Emit(new Scalar(AnchorName.Empty, TagName.Empty, text, style, isPlainImplicit: true, isQuotedImplicit: true));
}

using System.Buffers;
using System.Text;
using System.Text.Json;
using RelayCore.Rules.Documents;

namespace RelayCore.Rules.Importing;

/// <summary>
/// Rules that do what mitmproxy's one-line options do (reference: mitmproxy addons §2, §4, §5), in the order its add-ons run: header edits first, they
/// happen before the body is there; then block list, caching, compression, mapping, bodies, sticky state.
/// </summary>
public static class MitmproxyRules
{
    /// <summary>Makes the rules of options.</summary>
    /// <param name="options">The options.</param>
    /// <param name="problems">Takes what is wrong with them; the place is the option and the column in its text.</param>
    /// <returns>A rule file, JSON.</returns>
    public static string FromOptions(MitmproxyOptions options, RuleProblems problems)
    {
        var writer = new MitmproxyRuleWriter(problems);
        MitmproxyHeaders.Write(options.ModifyHeaders, writer);
        writer.BlockList(options.BlockList);
        if (options.AntiCache)
        {
            writer.AntiCache();
        }

        if (options.AntiCompression)
        {
            writer.AntiCompression();
        }

        MitmproxyMaps.Remote(options.MapRemote, writer);
        MitmproxyMaps.Local(options.MapLocal, writer);
        MitmproxyBodies.Write(options.ModifyBody, writer);
        writer.StickyAuth(options.StickyAuth);
        writer.StickyCookie(options.StickyCookie);
        return Text(writer.Rules);
    }

    /// <summary>Makes the rules of a mitmproxy <c>config.yaml</c>.</summary>
    /// <param name="path">The file.</param>
    /// <param name="problems">Takes what is wrong.</param>
    /// <returns>A rule file, JSON.</returns>
    public static string FromConfig(string path, RuleProblems problems) => FromOptions(MitmproxyOptions.Read(path, problems), problems);

    private static string Text(IReadOnlyList<RuleNode> rules)
    {
        var make = new NodeFactory(default);
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer, NodeText.Readable))
        {
            NodeText.Write(writer, make.Map(("rules", make.List(rules))));
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan) + "\n";
    }
}

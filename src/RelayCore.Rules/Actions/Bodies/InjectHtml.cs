using System.Text;
using RelayCore.Rules.Execution;
using RelayCore.Rules.Templates;

namespace RelayCore.Rules.Actions.Bodies;

/// <summary><c>InjectHtml</c>.</summary>
internal sealed class InjectHtml(Template html, HtmlPosition position, bool adjustsPolicy) : ImmediateAction
{
    /// <summary>Octets from the beginning in which a document may name its charset (HTML §4.2.5.4).</summary>
    private const int MetaOctets = 1024;

    protected override ActionResult Run(RuleContext context)
    {
        var type = BodyEdit.ContentType(context);
        if (ContentText.MediaType(type) is not ("text/html" or "application/xhtml+xml"))
        {
            return ActionResult.NoEffect(type is null ? "the response has no Content-Type, so it is not taken for HTML" : $"the content is {ContentText.MediaType(type)}, not HTML");
        }

        if (!BodyEdit.TryGetContent(context, out var content, out var failure))
        {
            return failure;
        }

        var markup = html.Expand(context);
        if (markup.Length == 0)
        {
            return ActionResult.NoEffect("there is no markup");
        }

        var text = ContentText.Read(content, WithMeta(type!, content.Span));
        var at = HtmlPlaces.Find(text.Text, position);
        if (!text.TryWrite(string.Concat(text.Text.AsSpan(0, at), markup, text.Text.AsSpan(at)), out var octets, out var problem))
        {
            return ActionResult.Failed($"{problem}; write it as a character reference (&#x…;)");
        }

        BodyEdit.Replace(context, octets);
        if (adjustsPolicy)
        {
            SecurityPolicy.Allow(BodyEdit.Fields(context), markup);
        }

        return ActionResult.Done;
    }

    // A document without a charset in its head fields may name it itself: <meta charset=x> or content="text/html; charset=x".
    private static string WithMeta(string type, ReadOnlySpan<byte> content)
    {
        if (type.Contains("charset", StringComparison.OrdinalIgnoreCase) || content is [0xFF, 0xFE, ..] or [0xFE, 0xFF, ..] or [0xEF, 0xBB, 0xBF, ..])
        {
            return type;
        }

        var start = Encoding.Latin1.GetString(content[..Math.Min(content.Length, MetaOctets)]);
        for (var at = start.IndexOf("<meta", StringComparison.OrdinalIgnoreCase); at >= 0; at = start.IndexOf("<meta", at + 1, StringComparison.OrdinalIgnoreCase))
        {
            var end = start.IndexOf('>', at);
            var tag = start[at..(end < 0 ? start.Length : end)];
            if (tag.IndexOf("charset", StringComparison.OrdinalIgnoreCase) is var named and >= 0)
            {
                var value = tag[(named + "charset".Length)..].TrimStart();
                var name = value.StartsWith('=') ? value[1..].TrimStart(' ', '"', '\'') : "";
                var stop = name.AsSpan().IndexOfAny(" \"';/");
                name = stop < 0 ? name : name[..stop];

                // What could be read as ASCII to find this is not UTF-16, whatever it says (HTML §13.2.3.2).
                return name.Length == 0 || name.StartsWith("utf-16", StringComparison.OrdinalIgnoreCase) ? type : $"{type}; charset={name}";
            }
        }

        return type;
    }
}

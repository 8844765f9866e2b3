using System.Text;
using System.Text.Unicode;
using RelayCore.Core.Flows;
using RelayCore.Core.Messages;
using RelayCore.Protocols;

namespace RelayCore.Engine.Capture;

/// <summary>Makes the shown form of a captured body.</summary>
internal sealed record BodyMaker(CapturedFlow Flow, FlowFacts Facts, IContentCodings? Codings, int MaxContent)
{
    /// <summary>Shows none, because the octets are not those of a message.</summary>
    public bool Hidden { get; init; }

    public bool IsSentUsed(PeerRole sender) => !Hidden && Facts.Bodies[(int)sender + 2].IsUsed;

    /// <summary>The body of a message.</summary>
    /// <param name="sender">Whose.</param>
    /// <param name="sent">As sent, when an actor changed it.</param>
    /// <param name="contentEncoding">Value of Content-Encoding.</param>
    /// <returns><see langword="null"/> when it has no octets.</returns>
    public FlowBody? Make(PeerRole sender, bool sent, string? contentEncoding)
    {
        var useSent = sent && IsSentUsed(sender);
        var facts = Facts.Bodies[(int)sender + (useSent ? 2 : 0)];
        var size = facts.Total + facts.Prefix;
        if (size == 0 || Hidden)
        {
            return null;
        }

        var captured = Flow.BodyLength(sender, useSent);
        var octets = (ReadOnlyMemory<byte>)Flow.ReadBody(sender, useSent, Codings is null ? MaxContent : int.MaxValue);
        var (content, problem) = (octets, (string?)null);
        if (Codings is not null)
        {
            Codings.TryDecode(octets, contentEncoding, CapturedFlow.MaxContent, out content, out problem);
        }

        var isCut = content.Length > MaxContent || (Codings is null && captured > octets.Length);
        content = content[..Math.Min(content.Length, MaxContent)];
        var truncated = facts.IsTruncated || captured < size;
        var text = Text(content.Span, mayEndInside: isCut || truncated || problem is not null);
        return new()
        {
            Encoding = text is null ? "base64" : "utf-8",
            Content = text ?? Convert.ToBase64String(content.Span),
            Size = size,
            Captured = captured,
            Truncated = truncated,
            ContentEncoding = contentEncoding,
            DecodingProblem = problem,
            ContentTruncated = isCut,
        };
    }

    // Where the octets were cut says nothing about the text: up to three octets of a last character may be missing.
    internal static string? Text(ReadOnlySpan<byte> content, bool mayEndInside)
    {
        for (var cut = 0; cut <= (mayEndInside ? Math.Min(3, content.Length) : 0); cut++)
        {
            if (Utf8.IsValid(content[..^cut]))
            {
                return Encoding.UTF8.GetString(content[..^cut]);
            }
        }

        return null;
    }
}

using System.Security.Cryptography;
using System.Text;
using RelayCore.Core.Messages;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http1;

namespace RelayCore.Engine.Http.Exchanges;

/// <summary>What an HTTP/1 connection needs to know of a head that may have come by HTTP/2.</summary>
internal static class Http2Heads
{
    /// <summary>Whether it is an extended CONNECT for a WebSocket (RFC 8441 §4).</summary>
    public static bool IsWebSocket(RequestHead head) => false;

    /// <summary>Whether an absolute target names https.</summary>
    public static bool IsSecure(RequestHead head) => TryTarget(head, out _, out var parts) && parts.IsSecure;

    /// <summary>The authority that stands for Host: what the client named in the target, or that of the origin.</summary>
    public static ReadOnlySpan<byte> Authority(RequestHead head) =>
        TryAuthority(head, out var authority) ? authority : Encoding.ASCII.GetBytes(head.Origin.Authority);

    /// <summary>The authority the client named in the target.</summary>
    public static bool TryAuthority(RequestHead head, out ReadOnlySpan<byte> authority)
    {
        if (TryTarget(head, out var target, out var parts))
        {
            authority = target.Slice(parts.AuthorityStart, parts.AuthorityLength);
            return true;
        }

        authority = default;
        return false;
    }

    private static bool TryTarget(RequestHead head, out ReadOnlySpan<byte> target, out RequestTarget parts)
    {
        target = default;
        parts = default;
        var received = head.Fields.Received;
        var space = received.IndexOf((byte)' ');
        if (space <= 0 || head.TargetForm != RequestTargetForm.Absolute)
        {
            return false;
        }

        target = received[(space + 1)..];
        target = target[..Math.Max(0, target.IndexOf((byte)' '))];
        return RequestTarget.TryRead(target, received[..space], out parts);
    }

    /// <summary>Whether a line is a Cookie.</summary>
    public static bool IsCookie(FieldSection fields, int index) =>
        fields.Name(index) is { Length: 6 } name && (name[0] | 0x20) == 'c' && Ascii.EqualsIgnoreCase(name, "cookie"u8);

    /// <summary>Writes every Cookie line as one, joined by "; " (RFC 9113 §8.2.3).</summary>
    /// <param name="output">Has room for all lines.</param>
    /// <param name="fields">The lines.</param>
    /// <param name="first">The first Cookie line; it gives the name.</param>
    /// <returns>Octets written.</returns>
    public static int WriteCookies(Span<byte> output, FieldSection fields, int first)
    {
        var at = Http1HeadWriter.WriteLine(output, fields.Name(first), fields.Value(first)) - 2;
        for (var i = first + 1; i < fields.Count; i++)
        {
            if (IsCookie(fields, i))
            {
                "; "u8.CopyTo(output[at..]);
                fields.Value(i).CopyTo(output[(at + 2)..]);
                at += 2 + fields.Value(i).Length;
            }
        }

        "\r\n"u8.CopyTo(output[at..]);
        return at + 2;
    }

    /// <summary>Whether the request takes trailers (RFC 9110 §6.5.1).</summary>
    public static bool AcceptsTrailers(FieldSection fields) => Http1Session.AcceptsTrailers(fields);

    /// <summary>Whether Sec-WebSocket-Accept belongs to a key (RFC 6455 §4.2.2).</summary>
    public static bool IsAccepted(FieldSection fields, ReadOnlySpan<byte> key)
    {
        var index = fields.IndexOf("Sec-WebSocket-Accept"u8);
        if (index < 0)
        {
            return false;
        }

        Span<byte> source = [.. key, .. "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"u8];
        Span<byte> digest = stackalloc byte[SHA1.HashSizeInBytes];
#pragma warning disable CA5350 // what RFC 6455 §4.2.2 prescribes; it proves understanding, not identity
        SHA1.HashData(source, digest);
#pragma warning restore CA5350
        Span<byte> expected = stackalloc byte[28];
        System.Buffers.Text.Base64.EncodeToUtf8(digest, expected, out _, out _);
        return fields.Value(index).SequenceEqual(expected);
    }
}

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
    public static bool IsWebSocket(RequestHead head) => head.ProtocolOctets is { IsEmpty: false } protocol && Ascii.EqualsIgnoreCase(protocol, "websocket"u8);

    /// <summary>
    /// The authority that stands for Host: what the client named, unless an interceptor wrote another Host, or that of the origin. A redirect alone
    /// changes only where the request is sent.
    /// </summary>
    public static ReadOnlySpan<byte> Authority(RequestHead head)
    {
        var host = head.Fields.IndexOf(KnownField.Host);
        return host >= 0 && (head.AuthorityOctets.IsEmpty || !head.Fields.IsUntouched(host)) ? head.Fields.Value(host)
            : head.AuthorityOctets is { IsEmpty: false } named ? named
            : Encoding.ASCII.GetBytes(head.Origin.Authority);
    }

    /// <summary>The authority that the target of a request to a proxy names, in either version; empty when it names none.</summary>
    public static ReadOnlySpan<byte> TargetAuthority(RequestHead head)
    {
        var target = Target(head);
        return head.MajorVersion == 2 ? head.AuthorityOctets
            : head.TargetForm == RequestTargetForm.Absolute && RequestTarget.TryRead(target, head.MethodOctets, out var parts)
                ? target.Slice(parts.AuthorityStart, parts.AuthorityLength) : default;
    }

    /// <summary>Whether the target names https.</summary>
    public static bool IsSecure(RequestHead head) =>
        head.TargetForm == RequestTargetForm.Absolute && RequestTarget.TryRead(Target(head), "GET"u8, out var parts) && parts.IsSecure;

    private static ReadOnlySpan<byte> Target(RequestHead head)
    {
        var line = head.Fields.Received;
        line = line[(line.IndexOf((byte)' ') + 1)..];
        return line[..Math.Max(0, line.IndexOf((byte)' '))];
    }

    /// <summary>What the Connection field of a head says; HTTP/2 has none.</summary>
    public static HopByHop HopByHopOf(RequestHead head) => head.MajorVersion == 2 ? default : HopByHop.Read(head.Fields);

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
            if (fields.Known(i) == KnownField.Cookie)
            {
                "; "u8.CopyTo(output[at..]);
                fields.Value(i).CopyTo(output[(at + 2)..]);
                at += 2 + fields.Value(i).Length;
            }
        }

        "\r\n"u8.CopyTo(output[at..]);
        return at + 2;
    }

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

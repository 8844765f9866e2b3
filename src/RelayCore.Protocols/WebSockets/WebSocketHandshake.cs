using System.Buffers;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using RelayCore.Protocols.Fields;

namespace RelayCore.Protocols.WebSockets;

/// <summary>Which rule of the opening handshake is broken; the number is the last part of the fault code <c>RC-WS-2nn</c>.</summary>
public enum WebSocketHandshakeFault
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Not a GET of HTTP/1.1 (RFC 6455 §4.1 item 2).</summary>
    MethodOrVersion = 1,

    /// <summary>Sec-WebSocket-Key is not there once, or is not 16 octets in base64 (§4.1 item 7, §4.2.1 item 5).</summary>
    Key = 2,

    /// <summary>Sec-WebSocket-Version is not 13 (§4.1 item 9).</summary>
    Version = 3,

    /// <summary>Sec-WebSocket-Protocol is no list of different tokens (§4.1 item 10).</summary>
    RequestProtocol = 4,

    /// <summary>Sec-WebSocket-Extensions cannot be read (§9.1).</summary>
    RequestExtensions = 5,

    /// <summary>The 101 does not upgrade to websocket (§4.2.2 item 5).</summary>
    ResponseUpgrade = 11,

    /// <summary>Sec-WebSocket-Accept is not what follows from the key (§4.2.2 item 5.4).</summary>
    Accept = 12,

    /// <summary>The server chose a subprotocol the client did not offer (§4.1).</summary>
    ResponseProtocol = 13,

    /// <summary>The server agreed to an extension, or to parameters, the client did not offer (§4.1; RFC 7692 §7.1).</summary>
    ResponseExtensions = 14,
}

/// <summary>The opening handshake over HTTP/1.1 (RFC 6455 §4).</summary>
public static class WebSocketHandshake
{
    /// <summary>Octets of a Sec-WebSocket-Accept value.</summary>
    public const int AcceptOctets = 28;

    private static ReadOnlySpan<byte> Guid => "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"u8;

    private static ReadOnlySpan<byte> KeyField => "Sec-WebSocket-Key"u8;

    private static ReadOnlySpan<byte> VersionField => "Sec-WebSocket-Version"u8;

    private static ReadOnlySpan<byte> ProtocolField => "Sec-WebSocket-Protocol"u8;

    /// <summary>Whether a message asks for, or agrees to, WebSocket: Upgrade names it and Connection names Upgrade (§4.1).</summary>
    public static bool IsUpgrade(FieldSection fields) => HasMember(fields, "Upgrade"u8, "websocket"u8) && HasMember(fields, "Connection"u8, "upgrade"u8);

    /// <summary>Whether a request is of the version RFC 6455 describes: 13.</summary>
    public static bool HasVersion(FieldSection request) => TryGetOnly(request, VersionField, out var version) && version.SequenceEqual("13"u8);

    /// <summary>The value of Sec-WebSocket-Accept for a key (§4.2.2 item 5.4).</summary>
    /// <param name="key">Value of Sec-WebSocket-Key.</param>
    /// <param name="accept">At least <see cref="AcceptOctets"/>.</param>
    public static void WriteAccept(ReadOnlySpan<byte> key, Span<byte> accept)
    {
        Span<byte> hash = stackalloc byte[SHA1.HashSizeInBytes];
        var joined = ArrayPool<byte>.Shared.Rent(key.Length + Guid.Length);
        key.CopyTo(joined);
        Guid.CopyTo(joined.AsSpan(key.Length));
#pragma warning disable CA5350 // prescribed by RFC 6455; it proves that the server understood, not who it is
        SHA1.HashData(joined.AsSpan(0, key.Length + Guid.Length), hash);
#pragma warning restore CA5350
        ArrayPool<byte>.Shared.Return(joined);
        Base64.EncodeToUtf8(hash, accept, out _, out _);
    }

    /// <summary>Checks a request as a strict server does (§4.2.1).</summary>
    /// <param name="method">Its method.</param>
    /// <param name="minorVersion">0 or 1 of HTTP/1.x.</param>
    /// <param name="request">Its fields.</param>
    public static WebSocketHandshakeFault CheckRequest(ReadOnlySpan<byte> method, int minorVersion, FieldSection request)
    {
        if (!method.SequenceEqual("GET"u8) || minorVersion < 1)
        {
            return WebSocketHandshakeFault.MethodOrVersion;
        }

        if (!TryGetOnly(request, KeyField, out var key) || key.Length != 24 || !IsKey(key))
        {
            return WebSocketHandshakeFault.Key;
        }

        return CheckOffers(request);
    }

    /// <summary>Checks version, subprotocols and extensions of a request, which is all of it that HTTP/2 has too (RFC 8441 §5).</summary>
    /// <param name="request">Its fields.</param>
    public static WebSocketHandshakeFault CheckOffers(FieldSection request) =>
        !HasVersion(request) ? WebSocketHandshakeFault.Version
        : !AreDistinctTokens(request) ? WebSocketHandshakeFault.RequestProtocol
        : !AreExtensions(request) ? WebSocketHandshakeFault.RequestExtensions
        : WebSocketHandshakeFault.None;

    /// <summary>Checks a 101 as a strict client does (§4.1).</summary>
    /// <param name="request">Fields of the request as sent.</param>
    /// <param name="response">Fields of the response.</param>
    public static WebSocketHandshakeFault CheckResponse(FieldSection request, FieldSection response)
    {
        if (!IsUpgrade(response))
        {
            return WebSocketHandshakeFault.ResponseUpgrade;
        }

        Span<byte> expected = stackalloc byte[AcceptOctets];
        if (TryGetOnly(request, KeyField, out var key))
        {
            WriteAccept(key, expected);
        }

        if (!TryGetOnly(response, "Sec-WebSocket-Accept"u8, out var accept) || !accept.SequenceEqual(expected))
        {
            return WebSocketHandshakeFault.Accept;
        }

        return CheckAgreement(request, response);
    }

    /// <summary>Checks subprotocol and extensions of an answer against the offers, which is all of it that HTTP/2 has too (RFC 8441 §5).</summary>
    /// <param name="request">Fields of the request as sent.</param>
    /// <param name="response">Fields of the response.</param>
    public static WebSocketHandshakeFault CheckAgreement(FieldSection request, FieldSection response)
    {
        if (response.IndexOf(ProtocolField) >= 0
            && (!TryGetOnly(response, ProtocolField, out var protocol) || !HasMember(request, ProtocolField, protocol, ignoreCase: false)))
        {
            return WebSocketHandshakeFault.ResponseProtocol;
        }

        var agreed = PerMessageDeflate.ReadResponse(response);
        if (!agreed.HasUnknown)
        {
            return agreed.Deflate is not { } deflate || PerMessageDeflate.ReadOffers(request).Exists(x => x.Allows(deflate))
                ? WebSocketHandshakeFault.None : WebSocketHandshakeFault.ResponseExtensions;
        }

        return AreOffered(request, response) ? WebSocketHandshakeFault.None : WebSocketHandshakeFault.ResponseExtensions;
    }

    private static bool IsKey(ReadOnlySpan<byte> key)
    {
        Span<byte> octets = stackalloc byte[18];
        return Base64.DecodeFromUtf8(key, octets, out _, out var written) == OperationStatus.Done && written == 16;
    }

    private static bool TryGetOnly(FieldSection fields, ReadOnlySpan<byte> name, out ReadOnlySpan<byte> value)
    {
        var index = fields.IndexOf(name);
        value = index < 0 ? default : fields.Value(index);
        return index >= 0 && fields.IndexOf(name, index + 1) < 0;
    }

    private static bool HasMember(FieldSection fields, ReadOnlySpan<byte> name, ReadOnlySpan<byte> wanted, bool ignoreCase = true)
    {
        for (var i = fields.IndexOf(name); i >= 0; i = fields.IndexOf(name, i + 1))
        {
            var list = fields.Value(i);
            while (FieldSyntax.TryTakeListMember(ref list, out var member))
            {
                if (ignoreCase ? Ascii.EqualsIgnoreCase(member, wanted) : member.SequenceEqual(wanted))
                {
                    return true;
                }
            }
        }

        return false;
    }

    private static bool AreDistinctTokens(FieldSection request)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (var i = request.IndexOf(ProtocolField); i >= 0; i = request.IndexOf(ProtocolField, i + 1))
        {
            var list = request.Value(i);
            var any = false;
            while (FieldSyntax.TryTakeListMember(ref list, out var member))
            {
                any = true;
                if (!FieldSyntax.IsToken(member) || !seen.Add(Encoding.ASCII.GetString(member)))
                {
                    return false;
                }
            }

            if (!any)
            {
                return false;
            }
        }

        return true;
    }

    private static bool AreExtensions(FieldSection fields)
    {
        for (var i = fields.IndexOf(PerMessageDeflate.Field); i >= 0; i = fields.IndexOf(PerMessageDeflate.Field, i + 1))
        {
            var list = fields.Value(i);
            while (FieldSyntax.TryTakeListMember(ref list, out var extension))
            {
                if (!FieldSyntax.IsToken(NameOf(extension)))
                {
                    return false;
                }
            }
        }

        return true;
    }

    // Extensions we do not know are compared by name only.
    private static bool AreOffered(FieldSection request, FieldSection response)
    {
        for (var i = response.IndexOf(PerMessageDeflate.Field); i >= 0; i = response.IndexOf(PerMessageDeflate.Field, i + 1))
        {
            var list = response.Value(i);
            while (FieldSyntax.TryTakeListMember(ref list, out var extension))
            {
                if (Ascii.EqualsIgnoreCase(NameOf(extension), PerMessageDeflate.Name) || !IsOffered(request, NameOf(extension)))
                {
                    return false; // permessage-deflate is here only when its parameters are wrong or it came twice
                }
            }
        }

        return true;
    }

    private static bool IsOffered(FieldSection request, ReadOnlySpan<byte> name)
    {
        for (var i = request.IndexOf(PerMessageDeflate.Field); i >= 0; i = request.IndexOf(PerMessageDeflate.Field, i + 1))
        {
            var list = request.Value(i);
            while (FieldSyntax.TryTakeListMember(ref list, out var extension))
            {
                if (Ascii.EqualsIgnoreCase(NameOf(extension), name))
                {
                    return true;
                }
            }
        }

        return false;
    }

    private static ReadOnlySpan<byte> NameOf(ReadOnlySpan<byte> extension)
    {
        var end = extension.IndexOf((byte)';');
        return FieldSyntax.TrimWhiteSpace(end < 0 ? extension : extension[..end]);
    }
}

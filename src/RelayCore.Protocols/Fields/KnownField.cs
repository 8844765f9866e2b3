using System.Text;

namespace RelayCore.Protocols.Fields;

/// <summary>Fields that decide framing, routing or forwarding, recognised once when a head is read.</summary>
public enum KnownField : byte
{
    /// <summary>Any other field.</summary>
    None,

    /// <summary>Connection (RFC 9110 §7.6.1).</summary>
    Connection,

    /// <summary>Proxy-Connection, a relic that is hop-by-hop (RFC 9110 §7.6.1).</summary>
    ProxyConnection,

    /// <summary>Keep-Alive, hop-by-hop.</summary>
    KeepAlive,

    /// <summary>TE (RFC 9110 §10.1.4), hop-by-hop.</summary>
    TE,

    /// <summary>Upgrade (RFC 9110 §7.8), hop-by-hop.</summary>
    Upgrade,

    /// <summary>Proxy-Authorization (RFC 9110 §11.7.2), for us.</summary>
    ProxyAuthorization,

    /// <summary>Proxy-Authenticate (RFC 9110 §11.7.1), from a parent proxy.</summary>
    ProxyAuthenticate,

    /// <summary>HTTP2-Settings (RFC 7540 §3.2.1), hop-by-hop.</summary>
    Http2Settings,

    /// <summary>Transfer-Encoding (RFC 9112 §6.1).</summary>
    TransferEncoding,

    /// <summary>Content-Length (RFC 9110 §8.6).</summary>
    ContentLength,

    /// <summary>Host (RFC 9110 §7.2).</summary>
    Host,

    /// <summary>Expect (RFC 9110 §10.1.1).</summary>
    Expect,

    /// <summary>Trailer (RFC 9110 §6.6.2).</summary>
    Trailer,

    /// <summary>Content-Type (RFC 9110 §8.3).</summary>
    ContentType,

    /// <summary>Content-Encoding (RFC 9110 §8.4).</summary>
    ContentEncoding,

    /// <summary>Cookie (RFC 6265 §4.2), which HTTP/2 may have in several lines (RFC 9113 §8.2.3).</summary>
    Cookie,
}

/// <summary>Recognises <see cref="KnownField"/>s.</summary>
public static class KnownFields
{
    /// <summary>The known field of this name, compared without case, or <see cref="KnownField.None"/>.</summary>
    public static KnownField Identify(ReadOnlySpan<byte> name) => name.Length switch
    {
        2 => Is(name, "te"u8) ? KnownField.TE : KnownField.None,
        4 => Is(name, "host"u8) ? KnownField.Host : KnownField.None,
        6 => Is(name, "expect"u8) ? KnownField.Expect : Is(name, "cookie"u8) ? KnownField.Cookie : KnownField.None,
        7 => Is(name, "upgrade"u8) ? KnownField.Upgrade : Is(name, "trailer"u8) ? KnownField.Trailer : KnownField.None,
        10 => Is(name, "connection"u8) ? KnownField.Connection : Is(name, "keep-alive"u8) ? KnownField.KeepAlive : KnownField.None,
        12 => Is(name, "content-type"u8) ? KnownField.ContentType : KnownField.None,
        14 => Is(name, "content-length"u8) ? KnownField.ContentLength : Is(name, "http2-settings"u8) ? KnownField.Http2Settings : KnownField.None,
        16 => Is(name, "proxy-connection"u8) ? KnownField.ProxyConnection
            : Is(name, "content-encoding"u8) ? KnownField.ContentEncoding : KnownField.None,
        17 => Is(name, "transfer-encoding"u8) ? KnownField.TransferEncoding : KnownField.None,
        18 => Is(name, "proxy-authenticate"u8) ? KnownField.ProxyAuthenticate : KnownField.None,
        19 => Is(name, "proxy-authorization"u8) ? KnownField.ProxyAuthorization : KnownField.None,
        _ => KnownField.None,
    };

    private static bool Is(ReadOnlySpan<byte> name, ReadOnlySpan<byte> lower) => Ascii.EqualsIgnoreCase(name, lower);
}

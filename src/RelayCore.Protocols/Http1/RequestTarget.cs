using System.Buffers;
using System.Text;

namespace RelayCore.Protocols.Http1;

/// <summary>Forms of a request target (RFC 9112 §3.2).</summary>
public enum RequestTargetForm : byte
{
    /// <summary><c>/path?query</c></summary>
    Origin,

    /// <summary><c>http://authority/path?query</c></summary>
    Absolute,

    /// <summary><c>host:port</c>, with CONNECT only.</summary>
    Authority,

    /// <summary><c>*</c>, with OPTIONS only.</summary>
    Asterisk,
}

/// <summary>A request target taken apart: ranges within its octets.</summary>
/// <param name="Form">The form.</param>
/// <param name="IsSecure">Whether the scheme is https or wss; absolute form only.</param>
/// <param name="AuthorityStart">Where the authority begins, user information excluded.</param>
/// <param name="AuthorityLength">Octets of the authority; 0 in origin and asterisk form.</param>
/// <param name="PathStart">Where path and query begin.</param>
/// <param name="PathLength">Octets of path and query; 0 when the absolute form has neither. A query without path begins with "?".</param>
/// <param name="HasUserInfo">Whether user information stood before the host (RFC 9110 §4.2.4).</param>
public readonly record struct RequestTarget(
    RequestTargetForm Form, bool IsSecure, int AuthorityStart, int AuthorityLength, int PathStart, int PathLength, bool HasUserInfo)
{
    private static readonly SearchValues<byte> s_userInfo = SearchValues.Create(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%!$&'()*+,;=:"u8);

    /// <summary>Reads a request target.</summary>
    /// <param name="target">The octets between the two spaces of the request line.</param>
    /// <param name="method">The method, which decides the authority and asterisk forms.</param>
    /// <param name="result">The parts.</param>
    /// <returns><see langword="false"/> when the octets have none of the four forms, or a scheme other than http, https, ws and wss.</returns>
    public static bool TryRead(ReadOnlySpan<byte> target, ReadOnlySpan<byte> method, out RequestTarget result)
    {
        result = default;
        if (target.IsEmpty || target.Contains((byte)'#'))
        {
            return false;
        }

        if (method.SequenceEqual("CONNECT"u8))
        {
            result = new(RequestTargetForm.Authority, false, 0, target.Length, 0, 0, false);
            return Authority.TryRead(target, out var authority) && authority.Port >= 0;
        }

        if (target[0] == '/')
        {
            result = new(RequestTargetForm.Origin, false, 0, 0, 0, target.Length, false);
            return true;
        }

        if (target.SequenceEqual("*"u8))
        {
            result = new(RequestTargetForm.Asterisk, false, 0, 0, 0, 1, false);
            return method.SequenceEqual("OPTIONS"u8);
        }

        var schemeLength = StartsWithScheme(target, "http://"u8) || StartsWithScheme(target, "ws://"u8) ? target.IndexOf((byte)'/') + 2
            : StartsWithScheme(target, "https://"u8) || StartsWithScheme(target, "wss://"u8) ? -(target.IndexOf((byte)'/') + 2)
            : 0;
        if (schemeLength == 0)
        {
            return false;
        }

        var isSecure = schemeLength < 0;
        var start = Math.Abs(schemeLength);
        var rest = target[start..];
        var authorityLength = rest.IndexOfAny((byte)'/', (byte)'?');
        authorityLength = authorityLength < 0 ? rest.Length : authorityLength;
        var userInfo = rest[..authorityLength].LastIndexOf((byte)'@') + 1;
        result = new(RequestTargetForm.Absolute, isSecure, start + userInfo, authorityLength - userInfo,
            start + authorityLength, rest.Length - authorityLength, userInfo > 0);
        return (userInfo == 0 || IsUserInfo(rest[..(userInfo - 1)])) && Authority.TryRead(rest[userInfo..authorityLength], out _);
    }

    // Browsers end the authority at a backslash and RFC 3986 does not: "http://a\@b/" names two hosts. Octets it may not have (§3.2.1) are refused.
    private static bool IsUserInfo(ReadOnlySpan<byte> userInfo) => userInfo.IndexOfAnyExcept(s_userInfo) < 0;

    private static bool StartsWithScheme(ReadOnlySpan<byte> target, ReadOnlySpan<byte> scheme) =>
        target.Length > scheme.Length && Ascii.EqualsIgnoreCase(target[..scheme.Length], scheme);
}

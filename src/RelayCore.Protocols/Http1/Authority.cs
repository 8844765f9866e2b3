using System.Buffers;
using System.Globalization;
using System.Net;
using System.Text;

namespace RelayCore.Protocols.Http1;

/// <summary><c>host [ ":" port ]</c> (RFC 3986 §3.2), without user information.</summary>
/// <param name="HostStart">Offset of the host; behind the bracket of an IPv6 literal.</param>
/// <param name="HostLength">Octets of the host, brackets excluded.</param>
/// <param name="Port">1 to 65535, or -1 when absent or empty.</param>
/// <param name="IsIPv6">Whether the host is a bracketed IPv6 literal.</param>
public readonly record struct Authority(int HostStart, int HostLength, int Port, bool IsIPv6)
{
    // The reg-name that real host names use: no percent-encoding, and no sub-delims, which mean something in certificates, lists and logs.
    private static readonly SearchValues<byte> s_asciiHost = SearchValues.Create(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"u8);

    private static readonly SearchValues<char> s_asciiHostText = SearchValues.Create(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~");

    private static readonly SearchValues<byte> s_ipv6 = SearchValues.Create("0123456789abcdefABCDEF:."u8);

    /// <summary>Reads an authority.</summary>
    /// <param name="source">All octets of it.</param>
    /// <param name="authority">The parts.</param>
    /// <returns><see langword="false"/> when it is empty, has an invalid octet, a malformed IPv6 literal or a port outside 1 to 65535.</returns>
    public static bool TryRead(ReadOnlySpan<byte> source, out Authority authority)
    {
        authority = default;
        int hostStart, hostLength, after;
        var isIPv6 = !source.IsEmpty && source[0] == '[';
        if (isIPv6)
        {
            var close = source.IndexOf((byte)']');
            if (close < 3 || !IsIPv6Address(source[1..close]))
            {
                return false;
            }

            (hostStart, hostLength, after) = (1, close - 1, close + 1);
        }
        else
        {
            var colon = source.IndexOf((byte)':');
            (hostStart, hostLength) = (0, colon < 0 ? source.Length : colon);
            after = hostLength;
            if (hostLength is 0 or > 1024 || !IsHost(source[..hostLength]))
            {
                return false;
            }
        }

        if (after == source.Length || (after == source.Length - 1 && source[after] == ':'))
        {
            authority = new(hostStart, hostLength, -1, isIPv6);
            return true;
        }

        var port = 0;
        var digits = source[(after + 1)..];
        if (source[after] != ':' || digits.Length > 5 || digits.IndexOfAnyExceptInRange((byte)'0', (byte)'9') >= 0)
        {
            return false;
        }

        foreach (var digit in digits)
        {
            port = (port * 10) + (digit - '0');
        }

        authority = new(hostStart, hostLength, port, isIPv6);
        return port is > 0 and <= 65535;
    }

    /// <summary>The host as the resolver and TLS want it: lower case, U-labels as A-labels (RFC 5891), no brackets.</summary>
    /// <returns><see langword="null"/> when it has no A-label form.</returns>
    public static string? NormalizeHost(ReadOnlySpan<byte> host)
    {
        if (host.IndexOfAnyInRange((byte)0x80, (byte)0xFF) < 0)
        {
            return Encoding.ASCII.GetString(host).ToLowerInvariant();
        }

        try
        {
            var ascii = new IdnMapping { UseStd3AsciiRules = false, AllowUnassigned = true }
                .GetAscii(new UTF8Encoding(false, true).GetString(host)).ToLowerInvariant();

            // The mapping turns full-width forms into ASCII: U+FF0F becomes "/", U+FF20 "@", which would end the host elsewhere.
            return ascii.AsSpan().IndexOfAnyExcept(s_asciiHostText) < 0 ? ascii : null;
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    // Octets above 0x7F are U-labels in UTF-8; they follow rarely, so ASCII is looked at first.
    private static bool IsHost(ReadOnlySpan<byte> host)
    {
        var other = host.IndexOfAnyExcept(s_asciiHost);
        while (other >= 0 && host[other] >= 0x80)
        {
            host = host[(other + 1)..];
            other = host.IndexOfAnyExcept(s_asciiHost);
        }

        return other < 0;
    }

    // IPAddress also takes zones, prefixes and brackets, none of which may stand here (RFC 3986 §3.2.2; zones: RFC 6874, withdrawn by RFC 9844).
    private static bool IsIPv6Address(ReadOnlySpan<byte> text) =>
        text.Length <= 45 && text.IndexOfAnyExcept(s_ipv6) < 0 && text.Contains((byte)':') && IPAddress.IsValidUtf8(text);
}

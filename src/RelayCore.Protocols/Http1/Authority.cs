using System.Buffers;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace RelayCore.Protocols.Http1;

/// <summary><c>host [ ":" port ]</c> (RFC 3986 §3.2), without user information.</summary>
/// <param name="HostStart">Offset of the host; behind the bracket of an IPv6 literal.</param>
/// <param name="HostLength">Octets of the host, brackets excluded.</param>
/// <param name="Port">1 to 65535, or -1 when absent or empty.</param>
/// <param name="IsIPv6">Whether the host is a bracketed IPv6 literal.</param>
public readonly record struct Authority(int HostStart, int HostLength, int Port, bool IsIPv6)
{
    // reg-name without percent-encoding tricks: letters, digits, and what real host names have. Octets above 0x7F are U-labels in UTF-8.
    private static readonly SearchValues<byte> s_host = SearchValues.Create(
        (byte[])[.. "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;="u8, .. Enumerable.Range(0x80, 0x80).Select(x => (byte)x)]);

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
            if (hostLength is 0 or > 1024 || source[..hostLength].IndexOfAnyExcept(s_host) >= 0)
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

    /// <summary>The host as the resolver and TLS want it: lower case, U-labels as A-labels (RFC 5891), no brackets, no zone.</summary>
    /// <returns><see langword="null"/> when it has no A-label form.</returns>
    public static string? NormalizeHost(ReadOnlySpan<byte> host)
    {
        if (host.IndexOfAnyInRange((byte)0x80, (byte)0xFF) < 0)
        {
            var ascii = Encoding.ASCII.GetString(host).ToLowerInvariant();
            return ascii;
        }

        try
        {
            return new System.Globalization.IdnMapping { UseStd3AsciiRules = false, AllowUnassigned = true }
                .GetAscii(new UTF8Encoding(false, true).GetString(host)).ToLowerInvariant();
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    private static bool IsIPv6Address(ReadOnlySpan<byte> text) =>
        text.Length <= 64 && text.IndexOfAnyInRange((byte)0x80, (byte)0xFF) < 0
        && IPAddress.TryParse(Encoding.ASCII.GetString(text), out var address) && address.AddressFamily == AddressFamily.InterNetworkV6;
}

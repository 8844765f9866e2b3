using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace RelayCore.Cli.Arguments;

/// <summary>Addresses to listen on. Names are not looked up: what is bound must not depend on a resolver.</summary>
internal static class ListenAddress
{
    /// <summary>Reads <c>ADDRESS:PORT</c>.</summary>
    /// <param name="text"><c>127.0.0.1:8080</c>, <c>[::1]:8080</c>, <c>localhost:8080</c> (127.0.0.1), <c>:8080</c> or <c>8080</c> (127.0.0.1), <c>*:8080</c> (0.0.0.0).</param>
    /// <param name="endPoint">The address; port 0 means a free one.</param>
    /// <param name="problem">What is wrong, as the end of a sentence that began with the text.</param>
    public static bool TryParse(string text, [NotNullWhen(true)] out IPEndPoint? endPoint, [NotNullWhen(false)] out string? problem)
    {
        (endPoint, problem) = (null, null);
        var rest = text.Trim();
        var colon = rest.LastIndexOf(':');
        var (host, port) = colon < 0 ? ("", rest) : (rest[..colon], rest[(colon + 1)..]);
        if (colon < 0 && rest.AsSpan().ContainsAnyExceptInRange('0', '9'))
        {
            problem = "has no port; write ADDRESS:PORT, such as 127.0.0.1:8080, or port 0 for a free one";
            return false;
        }

        if (host.Contains(':', StringComparison.Ordinal) && !(host.StartsWith('[') && host.EndsWith(']')))
        {
            problem = "is an IPv6 address without brackets; write it as [::1]:8080";
            return false;
        }

        if (!int.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number > 65535)
        {
            problem = "has no valid port; a port is 0 to 65535";
            return false;
        }

        if (!TryParseHost(host, out var address))
        {
            problem = "does not name an IP address of this machine; write an address such as 127.0.0.1:8080 or [::1]:8080";
            return false;
        }

        endPoint = new(address, number);
        return true;
    }

    /// <summary>Reads the address part; brackets around IPv6 are optional.</summary>
    public static bool TryParseHost(string host, [NotNullWhen(true)] out IPAddress? address)
    {
        address = host.ToLowerInvariant() switch
        {
            "" or "localhost" => IPAddress.Loopback,
            "*" => IPAddress.Any,
            _ => null,
        };
        if (address is not null)
        {
            return true;
        }

        // IPAddress.TryParse takes "1" and "0x7f.1" too; nobody means those here.
        var bare = host.StartsWith('[') && host.EndsWith(']') ? host[1..^1] : host;
        return IPAddress.TryParse(bare, out address) && (address.AddressFamily == AddressFamily.InterNetworkV6 || bare.AsSpan().Count('.') == 3);
    }
}

using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;

namespace RelayCore.Engine.Policy;

/// <summary>
/// Selects hosts: a glob over the host name (<c>*</c> any run of characters, <c>?</c> one; <c>*.example.com</c> does not match
/// <c>example.com</c>), an IP address, a network (<c>10.0.0.0/8</c>, <c>cidr:10.0.0.0/8</c>), each with an optional <c>:port</c>.
/// </summary>
public sealed class HostPattern
{
    private readonly string _glob;
    private readonly IPNetwork? _network;
    private readonly int _port;

    private HostPattern(string text, string glob, IPNetwork? network, int port) => (Text, _glob, _network, _port) = (text, glob, network, port);

    /// <summary>As written.</summary>
    public string Text { get; }

    /// <summary>Reads a pattern.</summary>
    /// <param name="text">The pattern.</param>
    /// <param name="pattern">The result.</param>
    /// <param name="problem">What is wrong, one sentence.</param>
    public static bool TryParse(string text, [NotNullWhen(true)] out HostPattern? pattern, [NotNullWhen(false)] out string? problem)
    {
        (pattern, problem) = (null, null);
        var rest = text.Trim().ToLowerInvariant();
        if (rest.StartsWith("cidr:", StringComparison.Ordinal) || rest.Contains('/', StringComparison.Ordinal))
        {
            var cidr = rest.StartsWith("cidr:", StringComparison.Ordinal) ? rest[5..] : rest;
            if (!IPNetwork.TryParse(cidr, out var network))
            {
                problem = $"'{text}' is not a network: write address/prefix, e.g. 10.0.0.0/8.";
                return false;
            }

            pattern = new(text, "", network, -1);
            return true;
        }

        var port = -1;
        var colon = rest.LastIndexOf(':');
        if (rest.StartsWith('['))
        {
            var close = rest.IndexOf(']', StringComparison.Ordinal);
            if (close < 0 || (close + 1 < rest.Length && rest[close + 1] != ':'))
            {
                problem = $"'{text}' is not a host pattern: the bracket of the IPv6 address is not closed.";
                return false;
            }

            colon = close + 1 < rest.Length ? close + 1 : -1;
        }
        else if (colon >= 0 && rest.IndexOf(':', StringComparison.Ordinal) != colon)
        {
            colon = -1; // an IPv6 address without brackets
        }

        if (colon >= 0 && (!int.TryParse(rest.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out port) || port is < 1 or > 65535))
        {
            problem = $"'{text}' is not a host pattern: the port must be 1 to 65535.";
            return false;
        }

        var glob = (colon >= 0 ? rest[..colon] : rest).Trim('[', ']');
        if (glob.Length == 0 || glob.AsSpan().ContainsAny(' ', '@', '\\'))
        {
            problem = $"'{text}' is not a host pattern: write a host, *.host, an address or a network.";
            return false;
        }

        pattern = new(text, glob, null, port);
        return true;
    }

    /// <summary>Whether a host (lower case, no brackets) and port are selected.</summary>
    public bool Matches(string host, int port)
    {
        if (_port >= 0 && _port != port)
        {
            return false;
        }

        if (_network is { } network)
        {
            return IPAddress.TryParse(host, out var address) && network.Contains(address);
        }

        return IsMatch(_glob, host);
    }

    /// <inheritdoc/>
    public override string ToString() => Text;

    // Greedy with one backtrack point: linear in practice, quadratic at worst on lengths bounded by DNS.
    private static bool IsMatch(ReadOnlySpan<char> glob, ReadOnlySpan<char> text)
    {
        var (g, t, star, mark) = (0, 0, -1, 0);
        while (t < text.Length)
        {
            if (g < glob.Length && (glob[g] == '?' || glob[g] == text[t]))
            {
                (g, t) = (g + 1, t + 1);
            }
            else if (g < glob.Length && glob[g] == '*')
            {
                (star, mark, g) = (g, t, g + 1);
            }
            else if (star >= 0)
            {
                (g, mark, t) = (star + 1, mark + 1, mark + 1);
            }
            else
            {
                return false;
            }
        }

        while (g < glob.Length && glob[g] == '*')
        {
            g++;
        }

        return g == glob.Length;
    }
}

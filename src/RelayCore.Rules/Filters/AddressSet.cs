using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace RelayCore.Rules.Filters;

/// <summary>Addresses and networks (CIDR). An IPv4 address and the IPv6 address it is mapped to are the same. Immutable.</summary>
internal sealed class AddressSet
{
    private readonly List<(UInt128 Base, UInt128 Mask)> _networks = [];

    /// <summary>Adds an address or network; for building.</summary>
    /// <returns>What is wrong; <see langword="null"/> when it was added.</returns>
    public string? Add(string text)
    {
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        var address = slash < 0 ? text : text[..slash];

        // IPAddress.Parse takes "1" and "0x7f.1" for addresses.
        if (!IPAddress.TryParse(address, out var parsed) || (parsed.AddressFamily == AddressFamily.InterNetwork && address.Count(x => x == '.') != 3))
        {
            return $"'{text}' is neither an IP address nor a network such as 10.0.0.0/8";
        }

        var bits = parsed.AddressFamily == AddressFamily.InterNetwork ? 32 : 128;
        var prefix = bits;
        if (slash >= 0 && (!int.TryParse(text.AsSpan(slash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out prefix) || prefix > bits))
        {
            return $"'{text}' is no network: behind the '/' comes a number from 0 to {bits}";
        }

        var free = bits - prefix;
        var mask = free == 128 ? UInt128.Zero : UInt128.MaxValue << free;
        _networks.Add((Number(parsed) & mask, mask));
        return null;
    }

    /// <summary>Whether an end point is within.</summary>
    public bool Contains(EndPoint? endPoint) => endPoint is IPEndPoint ip && Contains(ip.Address);

    /// <summary>Whether an address is within.</summary>
    public bool Contains(IPAddress address)
    {
        var number = Number(address);
        foreach (var (network, mask) in _networks)
        {
            if ((number & mask) == network)
            {
                return true;
            }
        }

        return false;
    }

    private static UInt128 Number(IPAddress address)
    {
        Span<byte> octets = stackalloc byte[16];
        octets.Clear();
        if (address.AddressFamily == AddressFamily.InterNetwork)
        {
            octets[10] = octets[11] = 0xff;
            address.TryWriteBytes(octets[12..], out _);
        }
        else
        {
            address.TryWriteBytes(octets, out _);
        }

        return BinaryPrimitives.ReadUInt128BigEndian(octets);
    }
}

using System.Security.Cryptography;
using System.Text;

namespace RelayCore.Interop.Tests.Harness;

/// <summary>Octets to send and compare.</summary>
internal static class Octets
{
    /// <summary>The same incompressible octets every time.</summary>
    public static byte[] Random(int length, int seed = 1)
    {
        var octets = new byte[length];
        new Random(seed).NextBytes(octets);
        return octets;
    }

    public static string Hash(ReadOnlySpan<byte> octets) => Convert.ToHexStringLower(SHA256.HashData(octets));

    public static byte[] Ascii(string text) => Encoding.Latin1.GetBytes(text);
}

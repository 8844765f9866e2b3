using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace RelayCore.Protocols.Http2.Hpack;

/// <summary>Hashes of names and fields, eight octets at a time.</summary>
/// <remarks>
/// Seeded per process, so that a sender cannot know which values collide. It could not gain much: the chains of an encoder are as long as its
/// table, which is small.
/// </remarks>
internal static class HpackHash
{
    private const ulong Multiplier = 0x9E37_79B9_7F4A_7C15;

    private static readonly ulong s_seed = MakeSeed();

    /// <summary>Hash of a field name, which is lower case.</summary>
    public static uint OfName(ReadOnlySpan<byte> name) => Finish(Mix(s_seed, name));

    /// <summary>Hash of a field whose name has <paramref name="nameHash"/>.</summary>
    public static uint OfField(uint nameHash, ReadOnlySpan<byte> value) => Finish(Mix(s_seed + nameHash, value));

    private static ulong Mix(ulong hash, ReadOnlySpan<byte> text)
    {
        hash = (hash ^ (uint)text.Length) * Multiplier;
        if (text.Length >= 8)
        {
            var last = BinaryPrimitives.ReadUInt64LittleEndian(text[^8..]);
            for (; text.Length > 8; text = text[8..])
            {
                hash = (hash ^ (hash >> 29) ^ BinaryPrimitives.ReadUInt64LittleEndian(text)) * Multiplier;
            }

            return (hash ^ (hash >> 29) ^ last) * Multiplier;
        }

        var rest = text.Length >= 4
            ? BinaryPrimitives.ReadUInt32LittleEndian(text) | ((ulong)BinaryPrimitives.ReadUInt32LittleEndian(text[^4..]) << 32)
            : text.IsEmpty ? 0UL
            : text[0] | ((ulong)text[text.Length >> 1] << 8) | ((ulong)text[^1] << 16);
        return (hash ^ (hash >> 29) ^ rest) * Multiplier;
    }

    private static uint Finish(ulong hash) => (uint)((hash ^ (hash >> 29)) >> 16);

    private static ulong MakeSeed()
    {
        Span<ulong> seed = stackalloc ulong[1];
        System.Security.Cryptography.RandomNumberGenerator.Fill(MemoryMarshal.AsBytes(seed));
        return seed[0];
    }
}

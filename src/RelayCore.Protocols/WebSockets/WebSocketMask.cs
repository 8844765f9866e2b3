using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;

namespace RelayCore.Protocols.WebSockets;

/// <summary>Masking (RFC 6455 §5.3): XOR with four octets over and over. Applied twice it is undone.</summary>
public static class WebSocketMask
{
    /// <summary>Masks or unmasks in place.</summary>
    /// <param name="payload">Part of a payload.</param>
    /// <param name="key">The key in wire order, first octet in the highest bits.</param>
    /// <param name="offset">Offset of the part within its frame's payload.</param>
    public static void Apply(Span<byte> payload, uint key, long offset)
    {
        if (key == 0)
        {
            return;
        }

        // The key as it lies in memory, turned so that its first octet meets the first of this part.
        var turned = BitOperations.RotateLeft(key, (int)(offset & 3) * 8);
        var pattern = BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(turned) : turned;
        var done = 0;
        if (Vector.IsHardwareAccelerated && payload.Length >= Vector<byte>.Count)
        {
            var mask = Vector.AsVectorByte(new Vector<uint>(pattern));
            var vectors = MemoryMarshal.Cast<byte, Vector<byte>>(payload);
            for (var i = 0; i < vectors.Length; i++)
            {
                vectors[i] ^= mask;
            }

            done = vectors.Length * Vector<byte>.Count;
        }

        // Whole vectors hold whole keys, so the rest begins with the first octet again.
        var words = MemoryMarshal.Cast<byte, uint>(payload[done..]);
        for (var i = 0; i < words.Length; i++)
        {
            words[i] ^= pattern;
        }

        done += words.Length * 4;
        for (var shift = 24; done < payload.Length; done++, shift -= 8)
        {
            payload[done] ^= (byte)(turned >> shift);
        }
    }
}

using System.Buffers;
using System.Text;
using System.Text.Unicode;

namespace RelayCore.Protocols.WebSockets;

/// <summary>
/// Tells whether octets that come in pieces are UTF-8 (RFC 3629), and says no at the first octet that no continuation can make right.
/// A mutable struct: keep it in a field. Keeps at most three octets.
/// </summary>
public struct Utf8Validator
{
    private uint _begun;
    private int _length;

    /// <summary>Whether what came until now ends with a whole character.</summary>
    public readonly bool IsComplete => _length == 0;

    /// <summary>Takes the next piece.</summary>
    /// <returns><see langword="false"/> when the whole cannot be UTF-8 any more.</returns>
    public bool TryAppend(ReadOnlySpan<byte> octets)
    {
        if (_length > 0 && !TryFinishCharacter(ref octets))
        {
            return false;
        }

        var tail = IncompleteTail(octets);
        if (!Utf8.IsValid(octets[..^tail]))
        {
            return false;
        }

        if (tail > 0)
        {
            var end = octets[^tail..];
            if (Rune.DecodeFromUtf8(end, out _, out _) != OperationStatus.NeedMoreData)
            {
                return false;
            }

            foreach (var octet in end)
            {
                Keep(octet);
            }
        }

        return true;
    }

    /// <summary>Begins anew.</summary>
    public void Reset() => (_begun, _length) = (0, 0);

    private void Keep(byte octet)
    {
        _begun |= (uint)octet << (8 * _length);
        _length++;
    }

    private bool TryFinishCharacter(ref ReadOnlySpan<byte> octets)
    {
        Span<byte> character = stackalloc byte[4];
        while (!octets.IsEmpty)
        {
            Keep(octets[0]);
            octets = octets[1..];
            for (var i = 0; i < _length; i++)
            {
                character[i] = (byte)(_begun >> (8 * i));
            }

            switch (Rune.DecodeFromUtf8(character[.._length], out _, out _))
            {
                case OperationStatus.Done:
                    Reset();
                    return true;
                case OperationStatus.NeedMoreData:
                    continue;
                default:
                    return false;
            }
        }

        return true;
    }

    /// <summary>Octets at the end that begin a character longer than what is there: 0 to 3.</summary>
    private static int IncompleteTail(ReadOnlySpan<byte> octets)
    {
        for (var back = 1; back <= 3 && back <= octets.Length; back++)
        {
            var octet = octets[^back];
            if (octet < 0x80)
            {
                return 0;
            }

            if (octet >= 0xC0)
            {
                var length = octet >= 0xF0 ? 4 : octet >= 0xE0 ? 3 : 2;
                return length > back ? back : 0;
            }
        }

        return 0;
    }
}

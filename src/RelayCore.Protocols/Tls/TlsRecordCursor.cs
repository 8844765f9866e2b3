namespace RelayCore.Protocols.Tls;

/// <summary>
/// Follows the records of one direction of a TLS connection through octets that pass in pieces, without looking into them: tells where records
/// end. Garbage is followed by whatever length it claims; whoever decrypts refuses it.
/// </summary>
/// <remarks>
/// <code>record = type legacy-version length fragment   ; RFC 8446 §5.1, RFC 5246 §6.2.1; type 1 octet, version 2, length 2</code>
/// Allocates nothing. A mutable value: never copied while in use.
/// </remarks>
public struct TlsRecordCursor
{
    /// <summary>Most octets of data in a record: 2^14 (RFC 8446 §5.1).</summary>
    public const int MaxData = 1 << 14;

    /// <summary>The type of records that hold data; from TLS 1.3 on, of all encrypted records (RFC 8446 §5.2).</summary>
    public const byte ApplicationData = 23;

    private const int HeaderOctets = 5;

    private ulong _header; // octets of it that passed, in wire order, the last one lowest
    private int _headerOctets;
    private int _left; // of the fragment, once the header passed

    /// <summary>Moves on.</summary>
    /// <param name="octets">Any piece of the connection, the one that follows what passed before.</param>
    public void Pass(ReadOnlySpan<byte> octets)
    {
        while (!octets.IsEmpty)
        {
            var rest = Rest(octets);
            if (rest >= 0 && rest <= octets.Length)
            {
                (_header, _headerOctets, _left) = (0, 0, 0);
                octets = octets[rest..];
                continue;
            }

            foreach (var octet in octets[..Math.Min(octets.Length, HeaderOctets - _headerOctets)])
            {
                (_header, _headerOctets) = ((_header << 8) | octet, _headerOctets + 1);
            }

            _left = rest - octets.Length; // meaningful with the whole header only
            return;
        }
    }

    /// <summary>Whether the record that is passing, or begins now, ends within the octets that follow.</summary>
    /// <param name="ahead">Octets that follow what passed.</param>
    /// <param name="octets">How many of them belong to it, when it does; at least 1.</param>
    /// <param name="type">Its type, when it does.</param>
    public readonly bool EndsWithin(ReadOnlySpan<byte> ahead, out int octets, out byte type)
    {
        (octets, type) = (Rest(ahead), 0);
        if (octets < 0 || octets > ahead.Length)
        {
            octets = 0;
            return false;
        }

        type = _headerOctets == 0 ? ahead[0] : (byte)(_header >> (8 * (_headerOctets - 1)));
        return true;
    }

    // Octets to the end of the record; -1 while its length is not known. Never 0: a record ends with the octet that completes it.
    private readonly int Rest(ReadOnlySpan<byte> ahead)
    {
        if (_headerOctets == HeaderOctets)
        {
            return _left;
        }

        var missing = HeaderOctets - _headerOctets;
        if (ahead.Length < missing)
        {
            return -1;
        }

        var header = _header;
        foreach (var octet in ahead[..missing])
        {
            header = (header << 8) | octet;
        }

        return missing + (ushort)header;
    }
}

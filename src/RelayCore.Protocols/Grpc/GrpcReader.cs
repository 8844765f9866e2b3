using System.Buffers.Binary;

namespace RelayCore.Protocols.Grpc;

/// <summary>
/// Cuts a gRPC body into its length-prefixed messages (gRPC over HTTP/2, "Requests" and "Responses"), with the trailer frame of gRPC-web. A
/// field of its owner; never copied while in use.
/// </summary>
/// <remarks>
/// <code>
/// body    = *( flags length octets )
/// flags   = 1 octet: bit 0 compressed, bit 7 trailers (gRPC-web only)
/// length  = 4 octets, big-endian
/// </code>
/// Other flags are <see cref="UnitStatus.Invalid"/>: the body is something else or a later version. A length is believed, not reserved; who collects
/// the octets of a message bounds them. Memory: none besides four fields.
/// </remarks>
public struct GrpcReader
{
    /// <summary>Octets in front of a message.</summary>
    public const int PrefixOctets = 5;

    /// <summary>Bit of the flags: the message is compressed.</summary>
    public const byte Compressed = 0x01;

    /// <summary>Bit of the flags: the octets are trailers (gRPC-web).</summary>
    public const byte Trailers = 0x80;

    private readonly byte _allowed;
    private byte _prefix;
    private uint _remaining;

    /// <summary>A reader at the start of a body.</summary>
    /// <param name="isWeb">Whether trailers may come in the body.</param>
    public GrpcReader(bool isWeb) => _allowed = isWeb ? (byte)(Compressed | Trailers) : Compressed;

    /// <summary>Whether no message is open.</summary>
    public readonly bool IsBetween => _prefix == 0;

    /// <summary>Flags of the message that is open or ended last.</summary>
    public byte Flags { get; private set; }

    /// <summary>Octets of the message that is open or ended last, without its prefix; as far as known while the prefix is being read.</summary>
    public uint Length { get; private set; }

    /// <summary>Takes the next step.</summary>
    /// <param name="source">Octets behind those read so far.</param>
    public UnitStep Read(ReadOnlySpan<byte> source)
    {
        var at = 0;
        while (_prefix < PrefixOctets)
        {
            if (at == source.Length)
            {
                return new(UnitStatus.NeedMore, at);
            }

            if (_prefix == 0)
            {
                if ((source[at] & ~_allowed) != 0)
                {
                    return new(UnitStatus.Invalid, 0);
                }

                (Flags, Length) = (source[at], 0);
            }
            else
            {
                Length = (Length << 8) | source[at];
            }

            at++;
            _prefix++;
            _remaining = Length;
        }

        var count = (int)Math.Min(_remaining, (uint)(source.Length - at));
        (_remaining, at) = (_remaining - (uint)count, at + count);
        if (_remaining > 0)
        {
            return new(UnitStatus.NeedMore, at);
        }

        _prefix = 0;
        return new(UnitStatus.Message, at);
    }

    /// <summary>Writes the octets in front of a message.</summary>
    /// <param name="destination">At least <see cref="PrefixOctets"/>.</param>
    /// <param name="flags">The flags.</param>
    /// <param name="length">Octets of the message.</param>
    public static void WritePrefix(Span<byte> destination, byte flags, int length)
    {
        destination[0] = flags;
        BinaryPrimitives.WriteInt32BigEndian(destination[1..], length);
    }
}

using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace RelayCore.Protocols.Tls;

/// <summary>
/// Reads a ClientHello from the octets a client sent first, however they were cut into records. Pure: it keeps nothing between
/// calls and consumes nothing, because whoever terminates TLS (or passes it through) needs the same octets again.
/// </summary>
/// <remarks>
/// <code>
/// record       = %x16 %x03 minor length fragment      ; RFC 8446 §5.1; minor 0-4, length 1-16384
/// handshake    = %x01 length24 client-hello           ; RFC 8446 §4; fragments joined
/// client-hello = version random session-id suites compression [extensions]   ; RFC 8446 §4.1.2
/// </code>
/// </remarks>
public static class ClientHelloReader
{
    /// <summary>Most octets a ClientHello may take on the wire, record headers included: 64 KiB. Chromium's takes 2 KiB.</summary>
    public const int MaxOctets = 64 * 1024;

    private const byte HandshakeRecord = 22;
    private const byte MajorVersion = 3;
    private const byte MaxMinorVersion = 4;
    private const byte ClientHelloMessage = 1;
    private const int RecordHeaderOctets = 5;
    private const int MessageHeaderOctets = 4;
    private const int MaxFragmentOctets = 1 << 14;
    private const int RandomOctets = 32;
    private const int MaxSessionIdOctets = 32;
    private const byte HostNameType = 0; // RFC 6066 §3

    /// <summary>Whether octets can be the start of a TLS connection: <c>16 03 0x</c>, as far as they reach.</summary>
    /// <param name="source">One octet or more; nothing yet is not TLS.</param>
    /// <returns><see langword="false"/> as soon as an octet rules it out. One octet is a guess, six are as good as certain.</returns>
    public static bool LooksLikeTls(ReadOnlySpan<byte> source) =>
        !source.IsEmpty && RecordFault(source) == ClientHelloFault.None
        && (source.Length <= RecordHeaderOctets || source[RecordHeaderOctets] == ClientHelloMessage);

    /// <summary>Reads the ClientHello at the start of <paramref name="source"/>.</summary>
    /// <param name="source">Everything received so far, from the first octet of the connection; what follows the message is ignored.</param>
    /// <param name="hello">The message, when the result is <see cref="OperationStatus.Done"/>.</param>
    /// <param name="fault">The rule broken, when the result is <see cref="OperationStatus.InvalidData"/>.</param>
    /// <returns>
    /// <see cref="OperationStatus.Done"/>; <see cref="OperationStatus.NeedMoreData"/> to be called again with a longer
    /// <paramref name="source"/>, never once it holds <see cref="MaxOctets"/>; or <see cref="OperationStatus.InvalidData"/> as soon
    /// as the octets at hand prove a rule broken. Allocates nothing unless done.
    /// </returns>
    public static OperationStatus TryRead(ReadOnlySpan<byte> source, out ClientHello? hello, out ClientHelloFault fault)
    {
        hello = null;
        var status = Measure(source, out var message, out fault);
        if (status != OperationStatus.Done)
        {
            return status;
        }

        var bodyOctets = message.Octets - MessageHeaderOctets;
        if (message.IsInOneRecord)
        {
            fault = Parse(source.Slice(RecordHeaderOctets + MessageHeaderOctets, bodyOctets), source, message.WireOctets, out hello);
        }
        else
        {
            var joined = ArrayPool<byte>.Shared.Rent(message.Octets);
            Join(source, joined.AsSpan(0, message.Octets));
            fault = Parse(joined.AsSpan(MessageHeaderOctets, bodyOctets), source, message.WireOctets, out hello);
            ArrayPool<byte>.Shared.Return(joined);
        }

        return fault == ClientHelloFault.None ? OperationStatus.Done : OperationStatus.InvalidData;
    }

    /// <summary>Finds where the message ends, refusing whatever the octets at hand already prove wrong.</summary>
    private static OperationStatus Measure(ReadOnlySpan<byte> source, out Extent message, out ClientHelloFault fault)
    {
        message = default;
        Span<byte> header = stackalloc byte[MessageHeaderOctets];
        var (offset, joined, total) = (0, 0, 0);
        while (true)
        {
            var record = source[offset..];
            fault = RecordFault(record);
            if (fault != ClientHelloFault.None)
            {
                fault = offset > 0 && fault == ClientHelloFault.NotTls ? ClientHelloFault.InterleavedRecord : fault;
                return OperationStatus.InvalidData;
            }

            if (record.Length <= RecordHeaderOctets)
            {
                return NeedMore(source, ref fault);
            }

            int length = BinaryPrimitives.ReadUInt16BigEndian(record[3..]);
            var fragment = record.Slice(RecordHeaderOctets, Math.Min(length, record.Length - RecordHeaderOctets));
            for (var index = 0; joined + index < MessageHeaderOctets && index < fragment.Length; index++)
            {
                header[joined + index] = fragment[index];
            }

            joined += fragment.Length;
            if (header[0] != ClientHelloMessage)
            {
                fault = ClientHelloFault.NotClientHello;
                return OperationStatus.InvalidData;
            }

            if (joined >= MessageHeaderOctets && total == 0)
            {
                total = MessageHeaderOctets + ((header[1] << 16) | (header[2] << 8) | header[3]);
            }

            var surplus = joined - total;
            var end = offset + RecordHeaderOctets + fragment.Length - surplus;
            if (total != 0 && end > MaxOctets) // holds before the message is complete too: surplus is negative then
            {
                fault = ClientHelloFault.TooLarge;
                return OperationStatus.InvalidData;
            }

            if (total != 0 && surplus >= 0)
            {
                message = new(total, end, offset == 0);
                return OperationStatus.Done;
            }

            if (fragment.Length < length)
            {
                return NeedMore(source, ref fault);
            }

            offset += RecordHeaderOctets + length;
        }
    }

    private static OperationStatus NeedMore(ReadOnlySpan<byte> source, ref ClientHelloFault fault)
    {
        if (source.Length < MaxOctets)
        {
            return OperationStatus.NeedMoreData;
        }

        fault = ClientHelloFault.TooLarge;
        return OperationStatus.InvalidData;
    }

    /// <summary>What is wrong with a record header, judged by as many octets of it as there are.</summary>
    private static ClientHelloFault RecordFault(ReadOnlySpan<byte> record)
    {
        if ((record.Length > 0 && record[0] != HandshakeRecord) || (record.Length > 1 && record[1] != MajorVersion)
            || (record.Length > 2 && record[2] > MaxMinorVersion))
        {
            return ClientHelloFault.NotTls;
        }

        return record.Length >= RecordHeaderOctets && BinaryPrimitives.ReadUInt16BigEndian(record[3..]) is 0 or > MaxFragmentOctets
            ? ClientHelloFault.BadRecordLength
            : ClientHelloFault.None;
    }

    private static void Join(ReadOnlySpan<byte> source, Span<byte> message)
    {
        while (!message.IsEmpty)
        {
            int length = BinaryPrimitives.ReadUInt16BigEndian(source[3..]);
            var taken = Math.Min(length, message.Length);
            source.Slice(RecordHeaderOctets, taken).CopyTo(message);
            message = message[taken..];
            source = message.IsEmpty ? default : source[(RecordHeaderOctets + length)..];
        }
    }

    private static ClientHelloFault Parse(ReadOnlySpan<byte> body, ReadOnlySpan<byte> source, int wireOctets, out ClientHello? hello)
    {
        hello = null;
        var cursor = new TlsCursor(body);
        if (!cursor.TryReadUInt16(out var version) || !cursor.TryReadOctets(RandomOctets, out _)
            || !cursor.TryReadVector8(out var sessionId) || !cursor.TryReadVector16(out var suites)
            || !cursor.TryReadVector8(out var compression))
        {
            return ClientHelloFault.BadLength;
        }

        var cipherSuites = TlsCursor.Numbers(suites);
        if (sessionId.Length > MaxSessionIdOctets || cipherSuites is null || compression.IsEmpty)
        {
            return sessionId.Length > MaxSessionIdOctets ? ClientHelloFault.BadSessionId
                : cipherSuites is null ? ClientHelloFault.BadCipherSuites
                : ClientHelloFault.BadCompressionMethods;
        }

        ReadOnlySpan<byte> block = default;
        if (!cursor.IsEmpty && !cursor.TryReadVector16(out block)) // SSL 3.0 and some TLS 1.0 clients end before the block
        {
            return ClientHelloFault.BadLength;
        }

        if (!cursor.IsEmpty)
        {
            return ClientHelloFault.BadLength;
        }

        var extensions = default(Known);
        var fault = ParseExtensions(block, ref extensions, out var numbers);
        if (fault != ClientHelloFault.None)
        {
            return fault;
        }

        hello = new ClientHello
        {
            RecordVersion = BinaryPrimitives.ReadUInt16BigEndian(source[1..]),
            LegacyVersion = version,
            WireOctets = wireOctets,
            CipherSuites = cipherSuites,
            Extensions = numbers,
            SupportedVersions = extensions.Versions ?? [],
            SupportedGroups = extensions.Groups ?? [],
            EcPointFormats = extensions.PointFormats ?? [],
            SignatureAlgorithms = extensions.Signatures ?? [],
            ApplicationProtocols = extensions.Protocols ?? [],
            ServerName = extensions.ServerName,
        };
        return ClientHelloFault.None;
    }

    private static ClientHelloFault ParseExtensions(ReadOnlySpan<byte> block, ref Known known, out ushort[] numbers)
    {
        numbers = [];
        Span<ulong> seen = stackalloc ulong[(ushort.MaxValue + 1) / 64]; // one bit per number: linear however many are sent
        seen.Clear();
        var count = 0;
        for (var counter = new TlsCursor(block); !counter.IsEmpty; count++)
        {
            if (!counter.TryReadUInt16(out var number) || !counter.TryReadVector16(out _))
            {
                return ClientHelloFault.BadLength;
            }

            var bit = 1UL << (number & 63);
            if ((seen[number >> 6] & bit) != 0)
            {
                return ClientHelloFault.DuplicateExtension;
            }

            seen[number >> 6] |= bit;
        }

        numbers = new ushort[count];
        var cursor = new TlsCursor(block);
        for (var index = 0; index < count; index++)
        {
            var fault = cursor.TryReadUInt16(out numbers[index]) && cursor.TryReadVector16(out var content)
                ? ParseExtension(numbers[index], content, ref known)
                : ClientHelloFault.BadLength;
            if (fault != ClientHelloFault.None)
            {
                return fault;
            }
        }

        return ClientHelloFault.None;
    }

    private static ClientHelloFault ParseExtension(ushort number, ReadOnlySpan<byte> content, ref Known known)
    {
        switch (number)
        {
            case TlsExtensions.ServerName:
                return TryReadServerName(content, out known.ServerName) ? ClientHelloFault.None : ClientHelloFault.BadServerName;

            case TlsExtensions.ApplicationProtocols:
                known.Protocols = ReadProtocols(content);
                return known.Protocols is null ? ClientHelloFault.BadApplicationProtocols : ClientHelloFault.None;

            case TlsExtensions.SupportedVersions:
                known.Versions = TlsCursor.Numbers(Whole8(content));
                return known.Versions is null ? ClientHelloFault.BadSupportedVersions : ClientHelloFault.None;

            case TlsExtensions.SupportedGroups:
                known.Groups = TlsCursor.Numbers(Whole16(content));
                return known.Groups is null ? ClientHelloFault.BadSupportedGroups : ClientHelloFault.None;

            case TlsExtensions.SignatureAlgorithms:
                known.Signatures = TlsCursor.Numbers(Whole16(content));
                return known.Signatures is null ? ClientHelloFault.BadSignatureAlgorithms : ClientHelloFault.None;

            case TlsExtensions.EcPointFormats:
                var formats = Whole8(content);
                known.PointFormats = formats.ToArray();
                return formats.IsEmpty ? ClientHelloFault.BadPointFormats : ClientHelloFault.None;

            default:
                return ClientHelloFault.None; // unknown, or only its presence matters
        }
    }

    /// <summary>The one vector an extension consists of, or nothing when it does not fill the extension exactly.</summary>
    private static ReadOnlySpan<byte> Whole8(ReadOnlySpan<byte> content)
    {
        var cursor = new TlsCursor(content);
        return cursor.TryReadVector8(out var vector) && cursor.IsEmpty ? vector : default;
    }

    private static ReadOnlySpan<byte> Whole16(ReadOnlySpan<byte> content)
    {
        var cursor = new TlsCursor(content);
        return cursor.TryReadVector16(out var vector) && cursor.IsEmpty ? vector : default;
    }

    private static bool TryReadServerName(ReadOnlySpan<byte> content, out string? name)
    {
        name = null;
        var cursor = new TlsCursor(Whole16(content));
        if (cursor.IsEmpty)
        {
            return false;
        }

        while (!cursor.IsEmpty)
        {
            if (!cursor.TryReadByte(out var type) || !cursor.TryReadVector16(out var octets))
            {
                return false;
            }

            if (type == HostNameType)
            {
                if (octets.IsEmpty || name is not null) // one name of a type only, so that nobody reads another than we do
                {
                    return false;
                }

                name = Encoding.Latin1.GetString(octets);
            }
        }

        return true;
    }

    private static string[]? ReadProtocols(ReadOnlySpan<byte> content)
    {
        var list = Whole16(content);
        var count = 0;
        for (var counter = new TlsCursor(list); !counter.IsEmpty; count++)
        {
            if (!counter.TryReadVector8(out var name) || name.IsEmpty)
            {
                return null;
            }
        }

        if (count == 0)
        {
            return null;
        }

        var protocols = new string[count];
        var cursor = new TlsCursor(list);
        for (var index = 0; cursor.TryReadVector8(out var name); index++)
        {
            protocols[index] = Protocol(name);
        }

        return protocols;
    }

    /// <summary>The names nearly every client sends are not allocated anew.</summary>
    private static string Protocol(ReadOnlySpan<byte> name) =>
        name.SequenceEqual("h2"u8) ? "h2" : name.SequenceEqual("http/1.1"u8) ? "http/1.1" : Encoding.Latin1.GetString(name);

    /// <summary>Where the message lies.</summary>
    /// <param name="Octets">Length of the message with its header.</param>
    /// <param name="WireOctets">Offset after its last octet in the source.</param>
    /// <param name="IsInOneRecord">Whether it can be read in place.</param>
    private readonly record struct Extent(int Octets, int WireOctets, bool IsInOneRecord);

    /// <summary>What the extensions of interest said.</summary>
    private struct Known
    {
        public string? ServerName;
        public string[]? Protocols;
        public ushort[]? Versions;
        public ushort[]? Groups;
        public ushort[]? Signatures;
        public byte[]? PointFormats;
    }
}

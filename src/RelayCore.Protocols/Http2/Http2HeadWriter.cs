using System.Text;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http1;
using RelayCore.Protocols.Http2.Hpack;

namespace RelayCore.Protocols.Http2;

/// <summary>
/// Writes header blocks for a connection from messages of either version (RFC 9113 §8.2, §8.3): pseudo-fields first, names in lower case, fields of
/// one connection left out. The destination must have room for the bound; the block must be sent, because the peer's table follows it.
/// </summary>
/// <remarks>
/// Lines of HTTP/2 go on as they came, never-indexed marks included. Of other lines Cookie is split at <c>"; "</c> (§8.2.3), and what HTTP/2 cannot
/// carry is left out and counted in <see cref="Dropped"/>. One instance for each direction of a connection; not safe for concurrent use.
/// </remarks>
/// <param name="encoder">Encoder of the direction.</param>
public sealed class Http2HeadWriter(HpackEncoder encoder)
{
    private const int MaxCrumbs = 128;
    private const int StartBound = HpackEncoder.BeginBound + 128;

    private byte[] _name = new byte[64];

    /// <summary>The encoder, for <see cref="HpackEncoder.SetPeerMaxTableOctets"/>.</summary>
    public HpackEncoder Encoder { get; } = encoder;

    /// <summary>Lines of the last message that could not be written: names that are no token, values with control octets; only HTTP/1 has such.</summary>
    public int Dropped { get; private set; }

    /// <summary>Room for a request, in octets.</summary>
    public static int Bound(in Http2RequestParts parts, FieldSection fields) =>
        FieldsBound(fields) + parts.Method.Length + parts.Authority.Length + parts.Path.Length + parts.Protocol.Length + StartBound;

    /// <summary>Room for a response or a trailer section, in octets.</summary>
    public static int Bound(FieldSection fields) => FieldsBound(fields) + StartBound;

    /// <summary>Writes a request.</summary>
    /// <param name="destination">At least <see cref="Bound(in Http2RequestParts, FieldSection)"/>.</param>
    /// <param name="parts">The pseudo-fields.</param>
    /// <param name="fields">The lines.</param>
    /// <param name="hopByHop">Which of them stay on the connection they came from.</param>
    /// <returns>Octets written.</returns>
    public int WriteRequest(Span<byte> destination, in Http2RequestParts parts, FieldSection fields, in HopByHop hopByHop)
    {
        var at = Encoder.Begin(destination);
        var isPlainConnect = parts.Protocol.IsEmpty && parts.Method.SequenceEqual("CONNECT"u8);
        var written = 0;
        foreach (var kind in parts.Order)
        {
            at += WritePseudoField(destination[at..], kind, parts, isPlainConnect, ref written);
        }

        foreach (var kind in "msapo")
        {
            at += WritePseudoField(destination[at..], kind, parts, isPlainConnect, ref written);
        }

        return at + WriteFields(destination[at..], fields, hopByHop, parts.KeepsHost, isRequest: true);
    }

    /// <summary>Writes a response.</summary>
    /// <param name="destination">At least <see cref="Bound(FieldSection)"/>.</param>
    /// <param name="status">100 to 999.</param>
    /// <param name="fields">The lines.</param>
    /// <param name="hopByHop">Which of them stay on the connection they came from.</param>
    /// <returns>Octets written.</returns>
    public int WriteResponse(Span<byte> destination, int status, FieldSection fields, in HopByHop hopByHop)
    {
        var at = Encoder.Begin(destination);
        ReadOnlySpan<byte> digits = [(byte)('0' + (status / 100)), (byte)('0' + (status / 10 % 10)), (byte)('0' + (status % 10))];
        at += Encoder.Encode(destination[at..], ":status"u8, digits, neverIndexed: false);
        return at + WriteFields(destination[at..], fields, hopByHop, keepsHost: true, isRequest: false);
    }

    /// <summary>Writes a trailer section. Fields that decide framing or routing are left out (RFC 9110 §6.5.1).</summary>
    /// <returns>Octets written; 0 when no line is left, and then no block is to be sent but the end of the stream.</returns>
    public int WriteTrailers(Span<byte> destination, FieldSection fields)
    {
        Dropped = 0;
        var at = 0;
        for (var i = 0; i < fields.Count; i++)
        {
            if (fields.Known(i) is KnownField.ContentLength or KnownField.TransferEncoding or KnownField.Host or KnownField.TE
                || default(HopByHop).Covers(fields, i))
            {
                continue;
            }

            // A size update belongs to a block that is sent.
            at += at == 0 ? Encoder.Begin(destination) : 0;
            at += WriteLine(destination[at..], fields, i);
        }

        return at;
    }

    /// <summary>Whether TE has the member <c>trailers</c> (RFC 9110 §10.1.4).</summary>
    public static bool AcceptsTrailers(FieldSection fields)
    {
        for (var i = fields.IndexOf(KnownField.TE); i >= 0; i = fields.IndexOf(KnownField.TE, i + 1))
        {
            var list = fields.Value(i);
            while (FieldSyntax.TryTakeListMember(ref list, out var member))
            {
                if (Ascii.EqualsIgnoreCase(member, "trailers"u8))
                {
                    return true;
                }
            }
        }

        return false;
    }

    private static int FieldsBound(FieldSection fields)
    {
        var bound = 0;
        for (var i = 0; i < fields.Count; i++)
        {
            // A crumb of one octet takes two octets more than it has with its "; ".
            var value = fields.Value(i).Length;
            bound += HpackEncoder.Bound(fields.Name(i).Length, fields.Known(i) == KnownField.Cookie ? 2 * value : value);
        }

        return bound;
    }

    private int WritePseudoField(Span<byte> destination, char kind, in Http2RequestParts parts, bool isPlainConnect, ref int written)
    {
        var index = "msapo".IndexOf(kind, StringComparison.Ordinal);
        if (index < 0 || (written & (1 << index)) != 0)
        {
            return 0;
        }

        written |= 1 << index;
        return kind switch
        {
            'm' => Encoder.Encode(destination, ":method"u8, parts.Method, false),
            's' when !isPlainConnect => Encoder.Encode(destination, ":scheme"u8, parts.IsSecure ? "https"u8 : "http"u8, false),
            'a' when !parts.Authority.IsEmpty => Encoder.Encode(destination, ":authority"u8, parts.Authority, false),
            'p' when !isPlainConnect => Encoder.Encode(destination, ":path"u8, parts.Path, false),
            'o' when !parts.Protocol.IsEmpty => Encoder.Encode(destination, ":protocol"u8, parts.Protocol, false),
            _ => 0,
        };
    }

    private int WriteFields(Span<byte> destination, FieldSection fields, in HopByHop hopByHop, bool keepsHost, bool isRequest)
    {
        Dropped = 0;
        var at = 0;
        var isTrailersSaid = false;
        for (var i = 0; i < fields.Count; i++)
        {
            var known = fields.Known(i);
            if (known == KnownField.TE && isRequest)
            {
                if (!isTrailersSaid && AcceptsTrailers(fields))
                {
                    isTrailersSaid = true;
                    at += Encoder.Encode(destination[at..], "te"u8, "trailers"u8, false);
                }
            }
            else if (known == KnownField.Cookie && isRequest && !(fields.HasLowerCaseNames && fields.IsUntouched(i)))
            {
                at += WriteCrumbs(destination[at..], fields, i, hopByHop);
            }
            else if (known != KnownField.TransferEncoding && !(known == KnownField.Host && !keepsHost) && !hopByHop.Covers(fields, i))
            {
                at += WriteLine(destination[at..], fields, i);
            }
        }

        return at;
    }

    private int WriteLine(Span<byte> destination, FieldSection fields, int index)
    {
        var length = fields.Name(index).Length;
        if (fields.HasLowerCaseNames && fields.IsUntouched(index))
        {
            return Encoder.Encode(destination, fields.Name(index), fields.Value(index), fields.IsNeverIndexed(index));
        }

        if (!FieldSyntax.IsToken(fields.Name(index)) || FieldSyntax.IndexOfInvalidValueOctet(fields.Value(index)) >= 0)
        {
            Dropped++;
            return 0;
        }

        if (_name.Length < length)
        {
            _name = new byte[length * 2];
        }

        Ascii.ToLower(fields.Name(index), _name, out _);
        return Encoder.Encode(destination, _name.AsSpan(0, length), fields.Value(index), fields.IsNeverIndexed(index));
    }

    /// <summary>Writes the cookies of one line each for itself, so that those that stay the same are indexed (RFC 9113 §8.2.3).</summary>
    private int WriteCrumbs(Span<byte> destination, FieldSection fields, int index, in HopByHop hopByHop)
    {
        if (hopByHop.Covers(fields, index))
        {
            return 0;
        }

        var rest = fields.Value(index);
        if (!IsSplittable(rest))
        {
            return WriteLine(destination, fields, index);
        }

        var at = 0;
        while (true)
        {
            var end = rest.IndexOf("; "u8);
            at += Encoder.Encode(destination[at..], "cookie"u8, end < 0 ? rest : rest[..end], fields.IsNeverIndexed(index));
            if (end < 0)
            {
                return at;
            }

            rest = rest[(end + 2)..];
        }
    }

    // Every crumb must be a field value by itself: not empty, nothing but the separator's own white space around it.
    private static bool IsSplittable(ReadOnlySpan<byte> value)
    {
        if (FieldSyntax.IndexOfInvalidValueOctet(value) >= 0)
        {
            return false;
        }

        for (var crumbs = 1; crumbs <= MaxCrumbs; crumbs++)
        {
            var end = value.IndexOf("; "u8);
            var crumb = end < 0 ? value : value[..end];
            if (crumb.IsEmpty || crumb[0] is (byte)' ' or (byte)'\t' || crumb[^1] is (byte)' ' or (byte)'\t')
            {
                return false;
            }

            if (end < 0)
            {
                return true;
            }

            value = value[(end + 2)..];
        }

        return false;
    }
}

using System.Text;
using RelayCore.Protocols.Fields;

namespace RelayCore.Protocols.Http1;

/// <summary>
/// What the Connection field of a message says, and which of its fields stay on this connection (RFC 9110 §7.6.1).
/// Computed once per message; allocates only when Connection names a field we do not know.
/// </summary>
public readonly struct HopByHop
{
    private readonly HashSet<byte[]>.AlternateLookup<ReadOnlySpan<byte>>? _nominated;

    private HopByHop(bool close, bool keepAlive, bool upgrade, HashSet<byte[]>? nominated)
    {
        (Close, KeepAlive, Upgrade) = (close, keepAlive, upgrade);
        _nominated = nominated?.GetAlternateLookup<ReadOnlySpan<byte>>();
    }

    /// <summary>The <c>close</c> option (RFC 9112 §9.6).</summary>
    public bool Close { get; }

    /// <summary>The <c>keep-alive</c> option of HTTP/1.0 clients (RFC 9112 §C.2.2).</summary>
    public bool KeepAlive { get; }

    /// <summary>The <c>upgrade</c> option (RFC 9110 §7.8).</summary>
    public bool Upgrade { get; }

    /// <summary>Reads every Connection line.</summary>
    public static HopByHop Read(FieldSection fields)
    {
        var (close, keepAlive, upgrade) = (false, false, false);
        HashSet<byte[]>? nominated = null;
        for (var i = 0; i < fields.Count; i++)
        {
            // Proxy-Connection: keep-alive is what old clients of a proxy say for Connection.
            if (fields.Known(i) is not (KnownField.Connection or KnownField.ProxyConnection))
            {
                continue;
            }

            var list = fields.Value(i);
            while (FieldSyntax.TryTakeListMember(ref list, out var option))
            {
                if (Ascii.EqualsIgnoreCase(option, "close"u8))
                {
                    close = true;
                }
                else if (Ascii.EqualsIgnoreCase(option, "keep-alive"u8))
                {
                    keepAlive = true;
                }
                else if (Ascii.EqualsIgnoreCase(option, "upgrade"u8))
                {
                    upgrade = true;
                }
                else if (fields.Known(i) == KnownField.Connection && IsByNomination(KnownFields.Identify(option)))
                {
                    (nominated ??= new(FieldNameComparer.Instance)).Add(option.ToArray());
                }
            }
        }

        return new(close, keepAlive, upgrade, nominated);
    }

    /// <summary>Whether a line stays on this connection. Transfer-Encoding goes on, because the coding is forwarded as it came.</summary>
    public bool Covers(FieldSection fields, int index) => fields.Known(index) switch
    {
        KnownField.Connection or KnownField.ProxyConnection or KnownField.KeepAlive or KnownField.TE or KnownField.Upgrade
            or KnownField.ProxyAuthorization or KnownField.Http2Settings => true,

        // One that was not received is our own, and for this very connection.
        KnownField.ProxyAuthenticate => fields.ReceivedLength > 0,
        var known => _nominated is { } nominated && IsByNomination(known) && nominated.Contains(fields.Name(index)),
    };

    // Those above stay anyway. Naming a field that decides framing or routing would let a sender make two servers disagree about the message.
    private static bool IsByNomination(KnownField field) => field is not (KnownField.Host or KnownField.ContentLength or KnownField.TransferEncoding
        or KnownField.Connection or KnownField.ProxyConnection or KnownField.KeepAlive or KnownField.TE or KnownField.Upgrade
        or KnownField.ProxyAuthorization or KnownField.ProxyAuthenticate or KnownField.Http2Settings);

    // A set, because a sender chooses how many names and lines there are and would otherwise make us compare each with each.
    private sealed class FieldNameComparer : IEqualityComparer<byte[]>, IAlternateEqualityComparer<ReadOnlySpan<byte>, byte[]>
    {
        public static readonly FieldNameComparer Instance = new();

        public bool Equals(byte[]? x, byte[]? y) => FieldSyntax.NameEquals(x, y);

        public bool Equals(ReadOnlySpan<byte> alternate, byte[] other) => FieldSyntax.NameEquals(alternate, other);

        public int GetHashCode(byte[] obj) => GetHashCode(obj.AsSpan());

        public int GetHashCode(ReadOnlySpan<byte> alternate)
        {
            var hash = default(HashCode); // seeded per process
            foreach (var octet in alternate)
            {
                hash.Add((byte)(octet | 0x20));
            }

            return hash.ToHashCode();
        }

        public byte[] Create(ReadOnlySpan<byte> alternate) => alternate.ToArray();
    }
}

using System.Text;
using RelayCore.Protocols.Fields;

namespace RelayCore.Protocols.Http1;

/// <summary>
/// What the Connection field of a message says, and which of its fields stay on this connection (RFC 9110 §7.6.1).
/// Computed once per message; allocates only when Connection names a field we do not know.
/// </summary>
public readonly struct HopByHop
{
    private readonly List<byte[]>? _nominated;

    private HopByHop(bool close, bool keepAlive, bool upgrade, List<byte[]>? nominated) =>
        (Close, KeepAlive, Upgrade, _nominated) = (close, keepAlive, upgrade, nominated);

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
        List<byte[]>? nominated = null;
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
                else if (fields.Known(i) == KnownField.Connection && MayBeNominated(option) && nominated is not { Count: >= 32 })
                {
                    (nominated ??= []).Add(option.ToArray());
                }
            }
        }

        return new(close, keepAlive, upgrade, nominated);
    }

    /// <summary>Whether a line stays on this connection. Transfer-Encoding goes on, because the coding is forwarded as it came.</summary>
    public bool Covers(FieldSection fields, int index) => fields.Known(index) switch
    {
        KnownField.None or KnownField.Expect or KnownField.Trailer or KnownField.ContentType or KnownField.ContentEncoding => IsNominated(fields, index),
        KnownField.Host or KnownField.ContentLength or KnownField.TransferEncoding => false,
        _ => true,
    };

    // Naming a field that decides framing or routing would let a sender make two servers disagree about the message.
    private static bool MayBeNominated(ReadOnlySpan<byte> option) =>
        KnownFields.Identify(option) is not (KnownField.Host or KnownField.ContentLength or KnownField.TransferEncoding or KnownField.Connection);

    private bool IsNominated(FieldSection fields, int index)
    {
        if (_nominated is null)
        {
            return false;
        }

        foreach (var name in _nominated)
        {
            if (Ascii.EqualsIgnoreCase(fields.Name(index), name))
            {
                return true;
            }
        }

        return false;
    }
}

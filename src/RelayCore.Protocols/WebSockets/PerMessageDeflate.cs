using System.Globalization;
using System.Text;
using RelayCore.Protocols.Fields;

namespace RelayCore.Protocols.WebSockets;

/// <summary>What two ends agreed on about permessage-deflate (RFC 7692 §7.1).</summary>
/// <param name="ServerNoContextTakeover">The server begins each message with an empty window.</param>
/// <param name="ClientNoContextTakeover">The client does.</param>
/// <param name="ServerMaxWindowBits">Base-2 logarithm of the server's window: 8 to 15.</param>
/// <param name="ClientMaxWindowBits">That of the client.</param>
public readonly record struct DeflateParameters(
    bool ServerNoContextTakeover = false, bool ClientNoContextTakeover = false, int ServerMaxWindowBits = 15, int ClientMaxWindowBits = 15)
{
    /// <summary>Whether a sender begins each message with an empty window.</summary>
    public bool NoContextTakeover(PeerRole sender) => sender == PeerRole.Client ? ClientNoContextTakeover : ServerNoContextTakeover;

    /// <summary>Base-2 logarithm of a sender's window.</summary>
    public int WindowBits(PeerRole sender) => sender == PeerRole.Client ? ClientMaxWindowBits : ServerMaxWindowBits;

    /// <summary>Whether what a sender compressed under these parameters can be read by somebody who expects <paramref name="other"/>.</summary>
    public bool IsReadableUnder(DeflateParameters other, PeerRole sender) =>
        (NoContextTakeover(sender) || !other.NoContextTakeover(sender)) && WindowBits(sender) <= other.WindowBits(sender);

    /// <summary>The value of Sec-WebSocket-Extensions that says this; parameters at their default are left out.</summary>
    public override string ToString()
    {
        var text = new StringBuilder(PerMessageDeflate.Name);
        text.Append(ServerNoContextTakeover ? "; server_no_context_takeover" : "").Append(ClientNoContextTakeover ? "; client_no_context_takeover" : "");
        if (ServerMaxWindowBits < 15)
        {
            text.Append(CultureInfo.InvariantCulture, $"; server_max_window_bits={ServerMaxWindowBits}");
        }

        if (ClientMaxWindowBits < 15)
        {
            text.Append(CultureInfo.InvariantCulture, $"; client_max_window_bits={ClientMaxWindowBits}");
        }

        return text.ToString();
    }
}

/// <summary>One offer of a client (RFC 7692 §7.1).</summary>
/// <param name="ServerNoContextTakeover">Asks for it.</param>
/// <param name="ClientNoContextTakeover">Hints at it.</param>
/// <param name="ServerMaxWindowBits">Largest window the client can read; <see langword="null"/> when it says nothing.</param>
/// <param name="AllowsClientWindowBits">Whether the server may limit the client's window.</param>
/// <param name="ClientMaxWindowBits">Hint at the client's largest window.</param>
public readonly record struct DeflateOffer(
    bool ServerNoContextTakeover, bool ClientNoContextTakeover, int? ServerMaxWindowBits, bool AllowsClientWindowBits, int ClientMaxWindowBits)
{
    /// <summary>What a server that can do everything agrees to: everything asked for.</summary>
    public DeflateParameters Accept() => new(
        ServerNoContextTakeover, ClientNoContextTakeover, ServerMaxWindowBits ?? 15, AllowsClientWindowBits ? ClientMaxWindowBits : 15);

    /// <summary>Whether a server may answer this offer so (§7.1.1, §7.1.2).</summary>
    public bool Allows(DeflateParameters agreed) =>
        (!ServerNoContextTakeover || agreed.ServerNoContextTakeover)
        && (ServerMaxWindowBits is not { } bits || agreed.ServerMaxWindowBits <= bits)
        && (AllowsClientWindowBits || agreed.ClientMaxWindowBits == 15);
}

/// <summary>What Sec-WebSocket-Extensions of a response agrees to.</summary>
/// <param name="Deflate">permessage-deflate, when it was agreed.</param>
/// <param name="HasUnknown">Whether anything else was agreed, or nothing that can be read: reserved bits then mean what we do not know.</param>
public readonly record struct WebSocketExtensions(DeflateParameters? Deflate, bool HasUnknown);

/// <summary>Reads offers and answers of permessage-deflate (RFC 7692 §5, §7.1; RFC 6455 §9.1).</summary>
/// <remarks>
/// <code>
/// extension-list  = 1#extension
/// extension       = token *( ";" token [ "=" ( token | quoted-string ) ] )
/// </code>
/// </remarks>
public static class PerMessageDeflate
{
    /// <summary>Its registered name.</summary>
    public const string Name = "permessage-deflate";

    /// <summary>Name of the field.</summary>
    public static ReadOnlySpan<byte> Field => "Sec-WebSocket-Extensions"u8;

    /// <summary>The octets a sender leaves off the end of each message (RFC 7692 §7.2.1).</summary>
    public static ReadOnlySpan<byte> Tail => [0x00, 0x00, 0xFF, 0xFF];

    /// <summary>Every valid offer of a request, in the client's order; others are declined by being left out (§5).</summary>
    public static List<DeflateOffer> ReadOffers(FieldSection request)
    {
        var offers = new List<DeflateOffer>();
        for (var i = request.IndexOf(Field); i >= 0; i = request.IndexOf(Field, i + 1))
        {
            var list = request.Value(i);
            while (FieldSyntax.TryTakeListMember(ref list, out var extension))
            {
                if (IsDeflate(extension) && TryRead(extension, isOffer: true, out var read))
                {
                    offers.Add(new(read.ServerNoTakeover, read.ClientNoTakeover, read.ServerBits, read.HasClientBits, read.ClientBits ?? 15));
                }
            }
        }

        return offers;
    }

    /// <summary>What a response agreed to.</summary>
    public static WebSocketExtensions ReadResponse(FieldSection response)
    {
        DeflateParameters? deflate = null;
        var unknown = false;
        for (var i = response.IndexOf(Field); i >= 0; i = response.IndexOf(Field, i + 1))
        {
            var list = response.Value(i);
            while (FieldSyntax.TryTakeListMember(ref list, out var extension))
            {
                if (deflate is null && IsDeflate(extension) && TryRead(extension, isOffer: false, out var read))
                {
                    deflate = new(read.ServerNoTakeover, read.ClientNoTakeover, read.ServerBits ?? 15, read.ClientBits ?? 15);
                }
                else
                {
                    unknown = true;
                }
            }
        }

        return new(deflate, unknown);
    }

    private static bool IsDeflate(ReadOnlySpan<byte> extension)
    {
        var end = extension.IndexOf((byte)';');
        return Ascii.EqualsIgnoreCase(FieldSyntax.TrimWhiteSpace(end < 0 ? extension : extension[..end]), Name);
    }

    private static bool TryRead(ReadOnlySpan<byte> extension, bool isOffer, out Read read)
    {
        read = default;
        for (var semicolon = extension.IndexOf((byte)';'); semicolon >= 0; semicolon = extension.IndexOf((byte)';'))
        {
            extension = extension[(semicolon + 1)..];
            var end = extension.IndexOf((byte)';');
            var parameter = end < 0 ? extension : extension[..end];
            var equals = parameter.IndexOf((byte)'=');
            var name = FieldSyntax.TrimWhiteSpace(equals < 0 ? parameter : parameter[..equals]);
            var value = equals < 0 ? default : Unquote(FieldSyntax.TrimWhiteSpace(parameter[(equals + 1)..]));
            if (!TryTake(name, value, equals >= 0, isOffer, ref read))
            {
                return false;
            }
        }

        return true;
    }

    // §7.1: an unknown parameter, a value that cannot be, or one twice makes the whole element invalid.
    private static bool TryTake(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, bool hasValue, bool isOffer, ref Read read)
    {
        if (Ascii.EqualsIgnoreCase(name, "server_no_context_takeover"u8))
        {
            var isFirst = !read.ServerNoTakeover;
            read.ServerNoTakeover = true;
            return isFirst && !hasValue;
        }

        if (Ascii.EqualsIgnoreCase(name, "client_no_context_takeover"u8))
        {
            var isFirst = !read.ClientNoTakeover;
            read.ClientNoTakeover = true;
            return isFirst && !hasValue;
        }

        if (Ascii.EqualsIgnoreCase(name, "server_max_window_bits"u8))
        {
            var isFirst = read.ServerBits is null;
            read.ServerBits = Bits(value);
            return isFirst && read.ServerBits is not null;
        }

        if (Ascii.EqualsIgnoreCase(name, "client_max_window_bits"u8))
        {
            var isFirst = !read.HasClientBits;
            (read.HasClientBits, read.ClientBits) = (true, Bits(value));
            return isFirst && (read.ClientBits is not null || (isOffer && !hasValue));
        }

        return false;
    }

    private static int? Bits(ReadOnlySpan<byte> value) => value switch
    {
        [>= (byte)'8' and <= (byte)'9'] => value[0] - '0',
        [(byte)'1', >= (byte)'0' and <= (byte)'5'] => 10 + value[1] - '0',
        _ => null,
    };

    private static ReadOnlySpan<byte> Unquote(ReadOnlySpan<byte> value) => value is [(byte)'"', .. var inner, (byte)'"'] ? inner : value;

    private struct Read
    {
        public bool ServerNoTakeover;
        public bool ClientNoTakeover;
        public int? ServerBits;
        public bool HasClientBits;
        public int? ClientBits;
    }
}

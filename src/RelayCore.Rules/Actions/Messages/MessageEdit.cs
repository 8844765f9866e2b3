using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using RelayCore.Core.Interception;
using RelayCore.Protocols;
using RelayCore.Rules.Catalog;

namespace RelayCore.Rules.Actions.Messages;

/// <summary>What actions on messages share.</summary>
internal static class MessageEdit
{
    /// <summary>Names of the directions: <c>Incoming</c> is what the client receives, <c>Outgoing</c> what it sends.</summary>
    public static IReadOnlyList<string> Directions { get; } = ["Incoming", "Outgoing", "server_to_client", "client_to_server"];

    /// <summary>Whose message one of a direction is.</summary>
    public static PeerRole? Sender(ConfigReader config, string name) => !config.Has(name) ? null
        : config.Text(name).ToUpperInvariant() is "INCOMING" or "SERVER_TO_CLIENT" ? PeerRole.Server : PeerRole.Client;

    /// <summary>The data type a session carries.</summary>
    public static MessageType TypeOf(MessageProtocol protocol, bool isBinary) => protocol switch
    {
        MessageProtocol.WebSocket => isBinary ? MessageType.Binary : MessageType.Text,
        MessageProtocol.ServerSentEvents => MessageType.Event,
        MessageProtocol.Ndjson => MessageType.Line,
        _ => MessageType.GrpcMessage,
    };

    /// <summary>Makes content fit what carries it: text is UTF-8 (RFC 6455 §5.6), an event is UTF-8, a line of JSON has no line end.</summary>
    /// <returns>Why it does not fit; <see langword="null"/> when it does.</returns>
    public static string? Fit(MessageType type, ref ReadOnlyMemory<byte> content)
    {
        if (type is MessageType.Text or MessageType.Event && !Utf8.IsValid(content.Span))
        {
            return type == MessageType.Text ? "a WebSocket text message has to be UTF-8 (RFC 6455 §5.6)" : "an event has to be UTF-8";
        }

        if (type == MessageType.Line && content.Span.IndexOfAny((byte)'\n', (byte)'\r') >= 0)
        {
            // Between the tokens of JSON a line end is only white space.
            if (!IsJson(content))
            {
                return "a line cannot contain a line end";
            }

            var line = content.ToArray();
            line.AsSpan().Replace((byte)'\n', (byte)' ');
            line.AsSpan().Replace((byte)'\r', (byte)' ');
            content = line;
        }

        return null;
    }

    /// <summary>What of a text fits into a close; RFC 6455 §5.5.</summary>
    public static string? CloseProblem(long code, string reason) =>
        code is not (>= 1000 and <= 1003 or >= 1007 and <= 1014 or >= 3000 and <= 4999)
            ? string.Create(CultureInfo.InvariantCulture, $"the code {code} cannot be sent in a close (RFC 6455 §7.4)")
        : Encoding.UTF8.GetByteCount(reason) > 123 ? $"the reason has {Encoding.UTF8.GetByteCount(reason)} octets; 123 fit (RFC 6455 §5.5)"
        : null;

    private static bool IsJson(ReadOnlyMemory<byte> content)
    {
        try
        {
            using var document = JsonDocument.Parse(content, new() { MaxDepth = Json.JsonOutline.MaxDepth });
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}

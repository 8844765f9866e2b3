using System.Text;
using RelayCore.Core.Interception;
using RelayCore.Protocols;
using RelayCore.Protocols.Fields;

namespace RelayCore.Engine.Messages;

/// <summary>How messages lie in a body.</summary>
internal enum BodyFormat : byte
{
    /// <summary>Not at all: the body is one thing.</summary>
    None,

    /// <summary><c>text/event-stream</c>; responses only.</summary>
    ServerSentEvents,

    /// <summary>A JSON value a line.</summary>
    Ndjson,

    /// <summary><c>application/grpc</c>, <c>application/grpc+…</c>.</summary>
    Grpc,

    /// <summary><c>application/grpc-web</c>: as gRPC, with trailers in the body.</summary>
    GrpcWeb,

    /// <summary><c>application/grpc-web-text</c>: the same in base64.</summary>
    GrpcWebText,
}

/// <summary>Tells formats by the Content-Type field.</summary>
internal static class BodyFormats
{
    private const int LongestType = 64;

    /// <summary>The format of a body.</summary>
    /// <param name="fields">Its head.</param>
    /// <param name="sender">Whose body it is.</param>
    public static BodyFormat Of(FieldSection fields, PeerRole sender)
    {
        var index = fields.IndexOf(KnownField.ContentType);
        return index < 0 ? BodyFormat.None : Of(fields.Value(index), sender);
    }

    public static MessageProtocol ProtocolOf(BodyFormat format) => format switch
    {
        BodyFormat.ServerSentEvents => MessageProtocol.ServerSentEvents,
        BodyFormat.Ndjson => MessageProtocol.Ndjson,
        _ => MessageProtocol.Grpc,
    };

    public static MessageType TypeOf(MessageProtocol protocol) => protocol switch
    {
        MessageProtocol.ServerSentEvents => MessageType.Event,
        MessageProtocol.Ndjson => MessageType.Line,
        _ => MessageType.GrpcMessage,
    };

    private static BodyFormat Of(ReadOnlySpan<byte> value, PeerRole sender)
    {
        var end = value.IndexOfAny(" \t;,"u8);
        var type = end < 0 ? value : value[..end];
        if (type.Length is < 17 or > LongestType && !Ascii.EqualsIgnoreCase(type, "application/grpc"u8))
        {
            return BodyFormat.None; // all the others are longer: most types are told apart by this
        }

        Span<byte> lower = stackalloc byte[LongestType];
        Ascii.ToLower(type, lower, out var length);
        var name = lower[..length];
        if (name.SequenceEqual("text/event-stream"u8))
        {
            return sender == PeerRole.Server ? BodyFormat.ServerSentEvents : BodyFormat.None;
        }

        if (!name.StartsWith("application/"u8))
        {
            return BodyFormat.None;
        }

        ReadOnlySpan<byte> sub = name["application/"u8.Length..];
        if (Is(sub, "grpc"u8))
        {
            return BodyFormat.Grpc;
        }

        if (Is(sub, "grpc-web"u8))
        {
            return BodyFormat.GrpcWeb;
        }

        if (Is(sub, "grpc-web-text"u8))
        {
            return BodyFormat.GrpcWebText;
        }

        return sub.SequenceEqual("x-ndjson"u8) || sub.SequenceEqual("ndjson"u8) || sub.SequenceEqual("jsonl"u8) || sub.SequenceEqual("x-jsonl"u8)
            || sub.SequenceEqual("jsonlines"u8) || sub.SequenceEqual("x-jsonlines"u8) || sub.SequenceEqual("json-lines"u8)
            || sub.SequenceEqual("stream+json"u8) || sub.SequenceEqual("x-json-stream"u8)
            ? BodyFormat.Ndjson : BodyFormat.None;
    }

    // The name alone or with the format of the messages behind a plus sign.
    private static bool Is(ReadOnlySpan<byte> sub, ReadOnlySpan<byte> name) => sub.StartsWith(name) && (sub.Length == name.Length || sub[name.Length] == '+');
}

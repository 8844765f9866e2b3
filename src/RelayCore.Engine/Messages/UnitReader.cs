using RelayCore.Protocols;
using RelayCore.Protocols.Grpc;
using RelayCore.Protocols.Ndjson;
using RelayCore.Protocols.Sse;

namespace RelayCore.Engine.Messages;

/// <summary>The reader of one format. A field of its owner; never copied while in use.</summary>
internal struct UnitReader(BodyFormat format)
{
    private SseReader _events;
    private NdjsonReader _lines;
    private GrpcReader _grpc = new(isWeb: format is BodyFormat.GrpcWeb or BodyFormat.GrpcWebText);

    /// <summary>Whether no unit is open.</summary>
    public readonly bool IsBetween => format switch
    {
        BodyFormat.ServerSentEvents => _events.IsBetween,
        BodyFormat.Ndjson => _lines.IsBetween,
        _ => _grpc.IsBetween,
    };

    /// <summary>Flags of a gRPC message; 0 for other formats.</summary>
    public readonly byte Flags => format >= BodyFormat.Grpc ? _grpc.Flags : (byte)0;

    /// <summary>Octets a gRPC message that is open or ended last has with its prefix, as far as known; 0 for other formats.</summary>
    public readonly long Announced => format >= BodyFormat.Grpc ? _grpc.Length + (long)GrpcReader.PrefixOctets : 0;

    /// <summary>Whether the open unit is a message when the body ends here: only the last line needs no end.</summary>
    public readonly bool IsWholeAtEnd => format == BodyFormat.Ndjson && _lines.HasText;

    /// <summary>Takes the next step.</summary>
    public UnitStep Read(ReadOnlySpan<byte> source) => format switch
    {
        BodyFormat.ServerSentEvents => _events.Read(source),
        BodyFormat.Ndjson => _lines.Read(source),
        _ => _grpc.Read(source),
    };
}

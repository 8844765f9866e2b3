using System.Runtime.InteropServices;

namespace RelayCore.Engine.Capture;

/// <summary>
/// What a section of a flow's record holds. A record is a row of sections, each with a tag octet, 24 bits of length (little-endian) and
/// its payload; integers are LEB128, texts are UTF-8 behind their length. The order is the order in which things happened.
/// </summary>
internal enum SectionTag : byte
{
    /// <summary>Unused.</summary>
    None,

    /// <summary>Request head as received: secure, port, host, repairs, octets.</summary>
    Request,

    /// <summary>Request head as sent after an edit; same payload.</summary>
    RequestSent,

    /// <summary>A piece of a body: which one (<see cref="BodySlot"/>), octets.</summary>
    Body,

    /// <summary>Trailer section: sender, octets.</summary>
    Trailers,

    /// <summary>Head of an interim response.</summary>
    Informational,

    /// <summary>Final response head: repairs, octets.</summary>
    Response,

    /// <summary>Response head as sent after an edit; same payload.</summary>
    ResponseSent,

    /// <summary>Other end of a tunnel: port, host.</summary>
    Tunnel,

    /// <summary>A change: actor, stage, target, before, after, time.</summary>
    Mutation,

    /// <summary>Parent, timings, totals of the bodies, close reason.</summary>
    Facts,

    /// <summary>Tags, variables, matched rules, marker, comment.</summary>
    Context,

    /// <summary>What went wrong.</summary>
    Fault,

    /// <summary>A message (<see cref="MessageRecord"/>); the first, small ones stand here.</summary>
    Message,

    /// <summary>How a gRPC call ended: code, message.</summary>
    GrpcStatus,

    /// <summary>What rules did: the JSON of a <see cref="Core.Flows.RuleTrace"/>, as they wrote it.</summary>
    RuleTrace,
}

/// <summary>Which body a piece belongs to: the sender and whether it is the view received or sent.</summary>
internal static class BodySlot
{
    public const int Count = 4;
    public const int RequestReceived = 0;
    public const int ResponseReceived = 1;
    public const int RequestSent = 2;
    public const int ResponseSent = 3;
}

/// <summary>Facts of a flow that lists and filters need first. Lives at the end of its slab, out of the collector's sight.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct FlowEntry
{
    public const byte HasFault = 1;
    public const byte HasBlocks = 2;
    public const byte IsRunning = 4;

    /// <summary>Id of the flow.</summary>
    public Guid Id;

    /// <summary>Microseconds since 1970 UTC.</summary>
    public long StartedAt;

    /// <summary>Offset of the record in its slab.</summary>
    public int Offset;

    /// <summary>Octets of the record.</summary>
    public int Length;

    /// <summary><see cref="Core.Flows.FlowMarks"/>.</summary>
    public uint Marks;

    /// <summary>Status of the final response as the client got it; 0 for none.</summary>
    public ushort Status;

    /// <summary><see cref="Core.Flows.FlowKind"/>.</summary>
    public byte Kind;

    /// <summary>The constants above.</summary>
    public byte Flags;
}

/// <summary>A flow's stored octets, valid as long as whoever made the view keeps them pinned.</summary>
internal readonly ref struct FlowView
{
    public FlowView(in FlowEntry entry, ReadOnlySpan<byte> sections, ReadOnlySpan<byte> client, ReadOnlySpan<byte> server)
    {
        Entry = entry;
        Sections = sections;
        Client = client;
        Server = server;
    }

    public FlowEntry Entry { get; }

    public ReadOnlySpan<byte> Sections { get; }

    public ReadOnlySpan<byte> Client { get; }

    public ReadOnlySpan<byte> Server { get; }
}

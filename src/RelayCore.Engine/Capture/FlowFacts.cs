using RelayCore.Core.Flows;
using RelayCore.Protocols;

namespace RelayCore.Engine.Capture;

/// <summary>The facts section of a record.</summary>
internal sealed class FlowFacts
{
    public const int HasMessages = 1;
    public const int HasStreams = 2;
    public const int HasClose = 4;

    /// <summary>Totals of one body.</summary>
    internal readonly record struct BodyFacts(bool IsUsed, bool IsTruncated, long Total, long Captured, long Prefix);

    public CloseReason Reason { get; private set; }

    public FlowId Parent { get; private set; }

    /// <summary>Exchanges the server connection had carried before.</summary>
    public int Exchange { get; private set; }

    /// <summary>Microseconds since the start by <see cref="TimingPoint"/>; -1 unknown.</summary>
    public long[] Timings { get; } = NewTimings();

    /// <summary>By <see cref="BodySlot"/>.</summary>
    public BodyFacts[] Bodies { get; } = new BodyFacts[BodySlot.Count];

    /// <summary>Messages there were.</summary>
    public long Messages { get; private set; }

    /// <summary>Number of the first one that is kept, if it is; from 1.</summary>
    public long FirstMessage { get; private set; } = 1;

    /// <summary>Streams of HTTP/2; 0 for a side without.</summary>
    public (int Client, int Server) Streams { get; private set; }

    /// <summary>How a WebSocket was closed.</summary>
    public (PeerRole? By, int Code, string Reason)? Closed { get; private set; }

    public static FlowFacts Read(FlowView view)
    {
        var facts = new FlowFacts();
        var reader = new RecordReader(view.Sections);
        while (reader.TryTakeSection(out var tag, out var payload))
        {
            if (tag == SectionTag.Facts)
            {
                facts.Read(ref payload);
            }
        }

        return facts;
    }

    private static long[] NewTimings()
    {
        var timings = new long[(int)TimingPoint.End + 1];
        timings.AsSpan(1).Fill(-1);
        return timings;
    }

    private void Read(ref RecordReader reader)
    {
        Reason = (CloseReason)reader.Octet();
        Parent = reader.Octet() != 0 ? new(new Guid(reader.Octets(16))) : default;
        Exchange = (int)reader.Number();
        for (var point = 1; point < Timings.Length; point++)
        {
            Timings[point] = reader.OptionalNumber();
        }

        for (var slot = 0; slot < BodySlot.Count; slot++)
        {
            var flags = reader.Octet();
            var (used, truncated) = ((flags & 1) != 0, (flags & 2) != 0);
            Bodies[slot] = slot < 2 || used
                ? new(used, truncated, (long)reader.Number(), (long)reader.Number(), (long)reader.Number())
                : default;
        }

        var extras = reader.Octet();
        if ((extras & HasMessages) != 0)
        {
            (Messages, FirstMessage) = ((long)reader.Number(), (long)reader.Number());
        }

        if ((extras & HasStreams) != 0)
        {
            Streams = ((int)reader.Number(), (int)reader.Number());
        }

        if ((extras & HasClose) != 0)
        {
            var by = reader.OptionalNumber();
            Closed = (by < 0 ? null : (PeerRole)by, (int)reader.Number(), reader.Text() ?? "");
        }
    }
}

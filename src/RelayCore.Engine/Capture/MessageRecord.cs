using RelayCore.Core.Interception;
using RelayCore.Protocols;

namespace RelayCore.Engine.Capture;

/// <summary>A recorded message taken apart; valid as long as its octets are.</summary>
internal readonly ref struct MessageRecord
{
    private const byte HasReceived = 0x20;
    private const byte HasDetails = 0x40;

    public MessageRecord(ReadOnlySpan<byte> record)
    {
        var reader = new RecordReader(record);
        var kind = reader.Octet();
        (Sender, Type) = ((PeerRole)(kind & 1), (MessageType)((kind >> 1) & 0xF));
        Marks = (MessageMarks)reader.Octet();
        Number = (long)reader.Number();
        At = (long)reader.Number();
        WireOctets = (long)reader.Number();
        Content = new(ref reader);
        if ((kind & HasDetails) != 0)
        {
            Details = ReadDetails(ref reader);
        }

        if ((kind & HasReceived) != 0)
        {
            ReceivedType = (MessageType)reader.Octet();
            Received = new(ref reader);
            ReceivedDetails = ReadDetails(ref reader);
        }
    }

    public PeerRole Sender { get; }

    public MessageType Type { get; }

    public MessageMarks Marks { get; }

    public long Number { get; }

    /// <summary>Microseconds since the flow started.</summary>
    public long At { get; }

    public long WireOctets { get; }

    /// <summary>As it left.</summary>
    public ContentRecord Content { get; }

    public MessageDetails Details { get; }

    /// <summary>As received; meaningful for changed messages.</summary>
    public ContentRecord Received { get; }

    public MessageType ReceivedType { get; }

    public MessageDetails ReceivedDetails { get; }

    /// <summary>Number of a record without the rest of it.</summary>
    public static long NumberOf(ReadOnlySpan<byte> record) => (long)new RecordReader(record[2..]).Number();

    /// <summary>Octets a record may need.</summary>
    public static int Bound(int content, int received, in MessageDetails details, in MessageDetails receivedDetails) =>
        64 + content + received + BoundOf(details) + BoundOf(receivedDetails);

    /// <summary>Writes a record.</summary>
    public static void Write(
        ref RecordWriter writer, PeerRole sender, MessageType type, MessageMarks marks, long number, long at, long wireOctets,
        scoped in ContentRecord content, scoped in MessageDetails details, MessageType receivedType, scoped in ContentRecord received,
        scoped in MessageDetails receivedDetails)
    {
        var (isChanged, hasDetails) = ((marks & MessageMarks.Changed) != 0, !IsEmpty(details));
        writer.Octet((byte)((int)sender | ((int)type << 1) | (isChanged ? HasReceived : 0) | (hasDetails ? HasDetails : 0)));
        writer.Octet((byte)marks);
        writer.Number((ulong)number);
        writer.Number((ulong)Math.Max(0, at));
        writer.Number((ulong)Math.Max(0, wireOctets));
        content.Write(ref writer);
        if (hasDetails)
        {
            WriteDetails(ref writer, details);
        }

        if (isChanged)
        {
            writer.Octet((byte)receivedType);
            received.Write(ref writer);
            WriteDetails(ref writer, receivedDetails);
        }
    }

    private static bool IsEmpty(in MessageDetails details) =>
        !details.HasEventId && !details.HasEventName && details.RetryMilliseconds is null && details.CloseCode == 0;

    private static int BoundOf(in MessageDetails details) =>
        IsEmpty(details) ? 1 : 40 + details.EventId.Length + details.EventName.Length + details.CloseReason.Length;

    private static void WriteDetails(ref RecordWriter writer, scoped in MessageDetails details)
    {
        writer.Octet((byte)(
            (details.HasEventId ? 1 : 0) | (details.HasEventName ? 2 : 0) | (details.RetryMilliseconds is null ? 0 : 4) | (details.CloseCode == 0 ? 0 : 8)));
        if (details.HasEventId)
        {
            writer.Block(details.EventId);
        }

        if (details.HasEventName)
        {
            writer.Block(details.EventName);
        }

        if (details.RetryMilliseconds is { } retry)
        {
            writer.Number((ulong)retry);
        }

        if (details.CloseCode != 0)
        {
            writer.Number((ulong)details.CloseCode);
            writer.Block(details.CloseReason);
        }
    }

    private static MessageDetails ReadDetails(scoped ref RecordReader reader)
    {
        var flags = reader.Octet();
        var id = (flags & 1) != 0 ? reader.Block() : [];
        var name = (flags & 2) != 0 ? reader.Block() : [];
        long? retry = (flags & 4) != 0 ? (long)reader.Number() : null;
        var code = (flags & 8) != 0 ? (int)reader.Number() : 0;
        var reason = (flags & 8) != 0 ? reader.Block() : [];
        return MessageDetails.Read(id, (flags & 1) != 0, name, (flags & 2) != 0, retry, code, reason);
    }
}

/// <summary>Content of a message: how much there was and what is kept of it.</summary>
internal readonly ref struct ContentRecord
{
    /// <summary>Keeps at most <paramref name="limit"/> octets.</summary>
    public ContentRecord(ReadOnlySpan<byte> given, long total, int limit)
    {
        Kept = given[..Math.Min(given.Length, limit)];
        Total = Math.Max(total, given.Length);
    }

    public ContentRecord(scoped ref RecordReader reader)
    {
        Total = (long)reader.Number();
        Kept = reader.Block();
    }

    public ReadOnlySpan<byte> Kept { get; }

    public long Total { get; }

    public bool IsTruncated => Kept.Length < Total;

    public void Write(ref RecordWriter writer)
    {
        writer.Number((ulong)Total);
        writer.Block(Kept);
    }
}

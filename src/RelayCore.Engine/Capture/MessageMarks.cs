namespace RelayCore.Engine.Capture;

/// <summary>Facts about a recorded message.</summary>
[Flags]
public enum MessageMarks : byte
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>An actor put it there.</summary>
    Injected = 1,

    /// <summary>It left changed; both views are kept.</summary>
    Changed = 2,

    /// <summary>It went no further.</summary>
    Dropped = 4,

    /// <summary>It was compressed as received.</summary>
    Compressed = 8,

    /// <summary>Not all of its content is given to the recorder, or kept by it.</summary>
    Truncated = 16,

    /// <summary>Its last octet arrived. A message without this mark was cut off by the end of its session.</summary>
    Final = 32,
}

/// <summary>What some messages have beside their content; texts are UTF-8 and copied.</summary>
public readonly ref struct MessageDetails
{
    /// <summary>Id of an event; setting it, even to nothing, says that there is one.</summary>
    public ReadOnlySpan<byte> EventId
    {
        get;
        init
        {
            field = value;
            HasEventId = true;
        }
    }

    /// <summary>Name of an event; setting it says that there is one.</summary>
    public ReadOnlySpan<byte> EventName
    {
        get;
        init
        {
            field = value;
            HasEventName = true;
        }
    }

    /// <summary>Whether the event has an id.</summary>
    public bool HasEventId { get; private init; }

    /// <summary>Whether the event has a name.</summary>
    public bool HasEventName { get; private init; }

    /// <summary>Reconnection time of an event.</summary>
    public long? RetryMilliseconds { get; init; }

    /// <summary>Code of a close; 0 for none.</summary>
    public int CloseCode { get; init; }

    /// <summary>Reason of a close.</summary>
    public ReadOnlySpan<byte> CloseReason { get; init; }

    /// <summary>Fields as they were recorded.</summary>
    internal static MessageDetails Read(
        ReadOnlySpan<byte> id, bool hasId, ReadOnlySpan<byte> name, bool hasName, long? retry, int closeCode, ReadOnlySpan<byte> closeReason) =>
        new()
        {
            EventId = id,
            EventName = name,
            HasEventId = hasId, // after the texts, which say that they are there
            HasEventName = hasName,
            RetryMilliseconds = retry,
            CloseCode = closeCode,
            CloseReason = closeReason,
        };

    /// <summary>Octets of the whole decoded content, when not all of it is given; <see langword="null"/> for as many as given.</summary>
    public long? ContentOctets { get; init; }
}

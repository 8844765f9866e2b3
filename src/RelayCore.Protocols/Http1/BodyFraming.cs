namespace RelayCore.Protocols.Http1;

/// <summary>How the end of a body is known (RFC 9112 §6.3).</summary>
public enum BodyFramingKind : byte
{
    /// <summary>There is no body.</summary>
    None,

    /// <summary>Content-Length octets.</summary>
    Length,

    /// <summary>Chunked transfer coding.</summary>
    Chunked,

    /// <summary>Everything until the connection closes; responses only.</summary>
    UntilClose,
}

/// <summary>How the end of one body is known.</summary>
/// <param name="Kind">The way.</param>
/// <param name="Length">Octets, for <see cref="BodyFramingKind.Length"/>; otherwise 0.</param>
public readonly record struct BodyFraming(BodyFramingKind Kind, long Length = 0)
{
    /// <summary>No body, or one of no octets.</summary>
    public bool IsEmpty => Kind == BodyFramingKind.None || (Kind == BodyFramingKind.Length && Length == 0);

    /// <summary>The number of octets when it is known before the body: 0 or more; otherwise -1.</summary>
    public long KnownLength => Kind switch { BodyFramingKind.None => 0, BodyFramingKind.Length => Length, _ => -1 };
}

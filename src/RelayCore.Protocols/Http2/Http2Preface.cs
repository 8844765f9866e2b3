using System.Buffers;

namespace RelayCore.Protocols.Http2;

/// <summary>What a client sends first on an HTTP/2 connection, before its SETTINGS (RFC 9113 §3.4).</summary>
public static class Http2Preface
{
    /// <summary>Octets of the preface.</summary>
    public const int Octets = 24;

    /// <summary>The octets.</summary>
    public static ReadOnlySpan<byte> Value => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8;

    /// <summary>Compares the start of a connection with the preface.</summary>
    /// <param name="source">Everything received so far.</param>
    /// <returns>
    /// <see cref="OperationStatus.Done"/>: it is there, <see cref="Octets"/> are consumed; <see cref="OperationStatus.NeedMoreData"/>: it may
    /// become one; <see cref="OperationStatus.InvalidData"/>: it is something else (<see cref="Http2Fault.BadPreface"/> where only HTTP/2 will do).
    /// </returns>
    public static OperationStatus Match(ReadOnlySpan<byte> source)
    {
        var common = Math.Min(source.Length, Octets);
        return !source[..common].SequenceEqual(Value[..common]) ? OperationStatus.InvalidData
            : common == Octets ? OperationStatus.Done : OperationStatus.NeedMoreData;
    }
}

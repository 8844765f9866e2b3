namespace RelayCore.Protocols.Http2.Hpack;

/// <summary>Receives the fields of a header block in order. A struct, so that the calls are direct.</summary>
public interface IHpackSink
{
    /// <summary>One field.</summary>
    /// <param name="name">Octets of the name, as they came; valid until the method returns.</param>
    /// <param name="value">Octets of the value, likewise.</param>
    /// <param name="neverIndexed">Whether it came as a literal never to be indexed; who forwards it must send it so (RFC 7541 §6.2.3).</param>
    /// <param name="note">
    /// An octet that stays with the table entry: 0 when the field is new, otherwise what the sink left there. It saves looking at the same field
    /// again for each message. What is written to it for a field without an entry is lost.
    /// </param>
    void Field(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value, bool neverIndexed, ref byte note);
}

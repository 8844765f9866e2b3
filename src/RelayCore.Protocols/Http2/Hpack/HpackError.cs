namespace RelayCore.Protocols.Http2.Hpack;

/// <summary>A rule of RFC 7541 that a header block broke, or the limit it exceeded.</summary>
public enum HpackError : byte
{
    /// <summary>None.</summary>
    None,

    /// <summary>The block ends inside a representation (§5, §6).</summary>
    Truncated,

    /// <summary>An integer of more than 31 bits, or with more octets than such a one takes (§5.1).</summary>
    IntegerTooLarge,

    /// <summary>Index 0, or one beyond both tables (§2.3.3, §6.1).</summary>
    InvalidIndex,

    /// <summary>Huffman padding of 8 bits or more, or not of ones, or the EOS symbol (§5.2).</summary>
    InvalidHuffman,

    /// <summary>A size update behind a field (§4.2).</summary>
    MisplacedSizeUpdate,

    /// <summary>A size update above the limit that was announced (§6.3).</summary>
    SizeUpdateTooLarge,

    /// <summary>No size update although the announced limit fell below the table's size (§4.2, RFC 9113 §4.3.1).</summary>
    MissingSizeUpdate,

    /// <summary>
    /// The list exceeds the limit (RFC 9113 §6.5.2). The only error after which the table is right and the connection can go on: fields
    /// beyond the limit were decoded for the table and not reported.
    /// </summary>
    ListTooLarge,
}

/// <summary>What an <see cref="HpackError"/> means for the connection.</summary>
public static class HpackErrors
{
    /// <summary>Whether the tables of both ends differ from now on: a connection error COMPRESSION_ERROR (RFC 9113 §4.3).</summary>
    public static bool IsFatal(this HpackError error) => error is not (HpackError.None or HpackError.ListTooLarge);
}

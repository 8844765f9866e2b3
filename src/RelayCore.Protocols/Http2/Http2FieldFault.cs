using RelayCore.Protocols.Http2.Hpack;

namespace RelayCore.Protocols.Http2;

/// <summary>
/// A rule of HTTP/2 messages that a header block broke. All but <see cref="Compression"/> concern one stream and leave the connection as it is:
/// <see cref="ListTooLarge"/> and <see cref="TooManyFields"/> are limits of ours, the rest makes the message malformed, a stream error of type
/// PROTOCOL_ERROR (RFC 9113 §8.1.1).
/// </summary>
public enum Http2FieldFault : byte
{
    /// <summary>None.</summary>
    None,

    /// <summary>The block cannot be decoded: a connection error COMPRESSION_ERROR.</summary>
    Compression,

    /// <summary>Names and values exceed the list limit.</summary>
    ListTooLarge,

    /// <summary>More fields than the limit.</summary>
    TooManyFields,

    /// <summary>A name that is empty or no token.</summary>
    InvalidFieldName,

    /// <summary>A name with an upper-case letter.</summary>
    UpperCaseFieldName,

    /// <summary>A value with NUL, CR or LF, or, in a request, another control octet.</summary>
    InvalidFieldValue,

    /// <summary>A value that begins or ends with SP or HTAB.</summary>
    SpaceAroundValue,

    /// <summary>A pseudo-field this kind of message does not have.</summary>
    UnknownPseudoField,

    /// <summary>The same pseudo-field twice.</summary>
    DuplicatePseudoField,

    /// <summary>A pseudo-field behind a field.</summary>
    LatePseudoField,

    /// <summary>A pseudo-field in a trailer section.</summary>
    PseudoFieldInTrailers,

    /// <summary>No :method.</summary>
    MissingMethod,

    /// <summary>A :method that is no token.</summary>
    InvalidMethod,

    /// <summary>No :scheme.</summary>
    MissingScheme,

    /// <summary>A :scheme other than http and https, which this proxy cannot forward.</summary>
    UnsupportedScheme,

    /// <summary>No :path.</summary>
    MissingPath,

    /// <summary>A :path that is empty, does not begin with "/" (but for <c>OPTIONS *</c>), or has an octet a path cannot have.</summary>
    InvalidPath,

    /// <summary>Neither :authority nor Host.</summary>
    MissingAuthority,

    /// <summary>An :authority or Host that is no <c>host [ ":" port ]</c>; of CONNECT one without port.</summary>
    InvalidAuthority,

    /// <summary>User information in :authority.</summary>
    UserInfoInAuthority,

    /// <summary>More than one Host.</summary>
    DuplicateHost,

    /// <summary>Host and :authority name different hosts or ports.</summary>
    HostMismatch,

    /// <summary>:scheme or :path in a CONNECT without :protocol.</summary>
    ConnectWithSchemeOrPath,

    /// <summary>:protocol with another method than CONNECT, or one that was not offered.</summary>
    UnexpectedProtocol,

    /// <summary>No :status.</summary>
    MissingStatus,

    /// <summary>A :status that is not three digits from 100 on, or 101, which HTTP/2 does not have.</summary>
    InvalidStatus,

    /// <summary>Connection, Proxy-Connection, Keep-Alive, Transfer-Encoding or Upgrade.</summary>
    ConnectionSpecificField,

    /// <summary>TE other than <c>trailers</c>.</summary>
    InvalidTE,

    /// <summary>A Content-Length that is not a number of digits, or does not fit 63 bits.</summary>
    InvalidContentLength,

    /// <summary>More than one Content-Length.</summary>
    DuplicateContentLength,
}

/// <summary>The rule a header block broke, and where.</summary>
/// <param name="Fault">The rule, or <see cref="Http2FieldFault.None"/>.</param>
/// <param name="Field">Index of the field in the block, pseudo-fields counted; -1 when the fault is of the whole.</param>
/// <param name="Compression">What exactly, with <see cref="Http2FieldFault.Compression"/>.</param>
public readonly record struct Http2FieldError(Http2FieldFault Fault, int Field = -1, HpackError Compression = HpackError.None)
{
    /// <summary>Whether a rule was broken.</summary>
    public bool IsError => Fault != Http2FieldFault.None;

    /// <summary>Whether the connection ends with COMPRESSION_ERROR (RFC 9113 §4.3).</summary>
    public bool IsConnectionError => Fault == Http2FieldFault.Compression;

    /// <summary>Whether a limit of ours was exceeded; a request is answered with 431 (RFC 9113 §10.5.1, RFC 6585 §5).</summary>
    public bool IsTooLarge => Fault is Http2FieldFault.ListTooLarge or Http2FieldFault.TooManyFields;

    /// <summary>The clause the rule rests on.</summary>
    public string Clause => Fault switch
    {
        Http2FieldFault.None => "",
        Http2FieldFault.Compression => Compression is HpackError.MissingSizeUpdate ? "RFC 9113 §4.3.1" : "RFC 9113 §4.3, RFC 7541",
        Http2FieldFault.ListTooLarge or Http2FieldFault.TooManyFields => "RFC 9113 §10.5.1",
        Http2FieldFault.InvalidFieldName or Http2FieldFault.UpperCaseFieldName or Http2FieldFault.InvalidFieldValue or Http2FieldFault.SpaceAroundValue
            => "RFC 9113 §8.2.1",
        Http2FieldFault.ConnectionSpecificField or Http2FieldFault.InvalidTE => "RFC 9113 §8.2.2",
        Http2FieldFault.UnknownPseudoField or Http2FieldFault.DuplicatePseudoField or Http2FieldFault.LatePseudoField => "RFC 9113 §8.3",
        Http2FieldFault.PseudoFieldInTrailers => "RFC 9113 §8.1",
        Http2FieldFault.ConnectWithSchemeOrPath => "RFC 9113 §8.5",
        Http2FieldFault.UnexpectedProtocol => "RFC 8441 §4",
        Http2FieldFault.MissingStatus => "RFC 9113 §8.3.2",
        Http2FieldFault.InvalidStatus => "RFC 9113 §8.3.2, §8.6",
        Http2FieldFault.InvalidContentLength or Http2FieldFault.DuplicateContentLength => "RFC 9113 §8.1.1, RFC 9110 §8.6",
        Http2FieldFault.DuplicateHost => "RFC 9110 §7.2",
        _ => "RFC 9113 §8.3.1",
    };
}

namespace RelayCore.Protocols.Http1;

/// <summary>A rule of HTTP/1 that a peer broke. Each has a stable code and a clause in the fault catalogue.</summary>
public enum Http1Fault : byte
{
    /// <summary>None.</summary>
    None,

    /// <summary>The start line and the fields exceed the limit (RFC 9112 §3, RFC 6585 §5).</summary>
    HeadTooLarge,

    /// <summary>More field lines than the limit (RFC 6585 §5).</summary>
    TooManyFields,

    /// <summary>One line exceeds the limit (RFC 9112 §3, RFC 9110 §4.1).</summary>
    LineTooLong,

    /// <summary>The request line is not <c>method SP target SP version</c> (RFC 9112 §3).</summary>
    MalformedRequestLine,

    /// <summary>The status line is not <c>version SP 3DIGIT SP reason</c> (RFC 9112 §4).</summary>
    MalformedStatusLine,

    /// <summary>The method is not a token (RFC 9110 §9.1).</summary>
    InvalidMethod,

    /// <summary>The request target has an octet it may not have, or no valid form (RFC 9112 §3.2).</summary>
    InvalidTarget,

    /// <summary>A version other than HTTP/1.0 and HTTP/1.1 (RFC 9110 §2.5).</summary>
    UnsupportedVersion,

    /// <summary>A line ends in LF without CR (RFC 9112 §2.2).</summary>
    BareLineFeed,

    /// <summary>CR without LF (RFC 9112 §2.2).</summary>
    BareCarriageReturn,

    /// <summary>Obsolete line folding (RFC 9112 §5.2).</summary>
    ObsoleteFolding,

    /// <summary>White space between field name and colon (RFC 9112 §5.1).</summary>
    SpaceBeforeColon,

    /// <summary>White space between the start line and the first field (RFC 9112 §2.2).</summary>
    SpaceAfterStartLine,

    /// <summary>A field name that is not a token, or a line without a colon (RFC 9112 §5).</summary>
    InvalidFieldName,

    /// <summary>A control octet in a field value (RFC 9110 §5.5).</summary>
    InvalidFieldValue,

    /// <summary>Content-Length is not a number of digits, or does not fit (RFC 9110 §8.6).</summary>
    InvalidContentLength,

    /// <summary>More than one Content-Length (RFC 9112 §6.3 item 5).</summary>
    DuplicateContentLength,

    /// <summary>Transfer-Encoding together with Content-Length (RFC 9112 §6.1, §6.3 item 3).</summary>
    LengthAndTransferEncoding,

    /// <summary>A transfer coding that is unknown, repeated or malformed, or chunked not last (RFC 9112 §6.1, §7).</summary>
    InvalidTransferEncoding,

    /// <summary>Transfer-Encoding in an HTTP/1.0 message (RFC 9112 §6.1).</summary>
    TransferEncodingInHttp10,

    /// <summary>A chunk size is not hexadecimal, or does not fit (RFC 9112 §7.1).</summary>
    InvalidChunkSize,

    /// <summary>Chunk data is not followed by CRLF (RFC 9112 §7.1).</summary>
    MissingChunkEnd,

    /// <summary>A chunk extension has an invalid octet or is too long (RFC 9112 §7.1.1).</summary>
    InvalidChunkExtension,

    /// <summary>The trailer section is malformed or too large (RFC 9112 §7.1.2).</summary>
    InvalidTrailer,

    /// <summary>No Host field in an HTTP/1.1 request (RFC 9112 §3.2).</summary>
    MissingHost,

    /// <summary>More than one Host field (RFC 9112 §3.2).</summary>
    DuplicateHost,

    /// <summary>A Host field that is no valid authority (RFC 9112 §3.2).</summary>
    InvalidHost,
}

/// <summary>What a reader may put right instead of refusing. Requests get none by default; responses what RFC 9112 lets an intermediary repair.</summary>
[Flags]
public enum Http1Repairs : ushort
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>LF alone ends a line (RFC 9112 §2.2); forwarded as CRLF.</summary>
    BareLineFeed = 1,

    /// <summary>CR alone inside a value; forwarded as SP (RFC 9112 §2.2).</summary>
    BareCarriageReturn = 2,

    /// <summary>Folded lines; joined by one SP (RFC 9112 §5.2).</summary>
    ObsoleteFolding = 4,

    /// <summary>White space before the colon; removed (RFC 9112 §5.1).</summary>
    SpaceBeforeColon = 8,

    /// <summary>Control octets other than NUL, CR and LF in a value; kept (RFC 9110 §5.5).</summary>
    ControlOctets = 16,

    /// <summary>Field names with octets that are no tchar; kept.</summary>
    FieldName = 32,

    /// <summary>A line without colon; dropped, as browsers do.</summary>
    LineWithoutColon = 64,

    /// <summary>A status line without the SP before an absent reason phrase (RFC 9112 §4).</summary>
    ReasonPhrase = 128,

    /// <summary>Content-Length removed because Transfer-Encoding is there (RFC 9112 §6.3 item 3); the connection is not reused.</summary>
    LengthAndTransferEncoding = 256,

    /// <summary>Identical Content-Length values merged into one (RFC 9110 §8.6).</summary>
    DuplicateContentLength = 512,

    /// <summary>Host replaced by the authority of the request target (RFC 9112 §3.2.2).</summary>
    HostReplaced = 1024,

    /// <summary>User information removed from an http(s) target (RFC 9110 §4.2.4).</summary>
    UserInfoRemoved = 2048,

    /// <summary>White space other than one SP in the request line (RFC 9112 §3).</summary>
    RequestLineSpace = 4096,

    /// <summary>Transfer-Encoding in an HTTP/1.0 response; read as chunked and the connection not reused (RFC 9112 §6.1).</summary>
    TransferEncodingInHttp10 = 8192,

    /// <summary>What responses may have: everything of the head that does not make the framing ambiguous.</summary>
    Response = BareLineFeed | BareCarriageReturn | ObsoleteFolding | SpaceBeforeColon | ControlOctets | FieldName | LineWithoutColon
        | ReasonPhrase | LengthAndTransferEncoding | DuplicateContentLength | TransferEncodingInHttp10,

    /// <summary>What requests may have with the lenient option: only what leaves one meaning after the repair.</summary>
    LenientRequest = BareLineFeed | ObsoleteFolding | ControlOctets | DuplicateContentLength | RequestLineSpace,
}

/// <summary>Where and which rule was broken.</summary>
/// <param name="Fault">The rule, or <see cref="Http1Fault.None"/>.</param>
/// <param name="Offset">Offset of the octet at fault from the start of what was read.</param>
public readonly record struct Http1Error(Http1Fault Fault, int Offset)
{
    /// <summary>Whether a rule was broken.</summary>
    public bool IsError => Fault != Http1Fault.None;
}

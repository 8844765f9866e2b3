using System.Buffers;
using System.Text;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http1;
using RelayCore.Protocols.Http2.Hpack;

namespace RelayCore.Protocols.Http2;

/// <summary>
/// Reads the header blocks that arrive on a connection into the form of an HTTP/1 head: a start line put together from the pseudo-fields, then one
/// line for each field, in received order. Names, values, duplicates and never-indexed marks survive as they came.
/// </summary>
/// <remarks>
/// <code>
/// GET https://authority/path HTTP/2.0        OPTIONS * HTTP/2.0        CONNECT host:port HTTP/2.0
/// GET /path HTTP/2.0  (Host instead of :authority)        CONNECT https://authority/path HTTP/2.0  (RFC 8441)
/// HTTP/2.0 200
/// </code>
/// Blocks must be given in the order in which they came, those of refused streams too (<see cref="Discard"/>), because the table depends on it. A
/// malformed message is read up to its fault, for the record. One instance for each direction of a connection; not safe for concurrent use.
/// </remarks>
/// <param name="maxListOctets">Largest list, in octets (SETTINGS_MAX_HEADER_LIST_SIZE). Default 256 KiB.</param>
/// <param name="maxFields">Most fields of one message. Default 1,000, as for HTTP/1.</param>
public sealed class Http2HeadReader(int maxListOctets = HpackDecoder.DefaultListOctets, int maxFields = 1000)
{
    private const int PseudoKinds = 6;

    private static readonly SearchValues<byte> s_lowerToken = SearchValues.Create("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"u8);
    private static readonly SearchValues<byte> s_notInAnyValue = SearchValues.Create([0, (byte)'\r', (byte)'\n']);

    private readonly (int Start, int Length)[] _pseudo = new (int, int)[PseudoKinds];
    private byte[] _values = [];
    private byte[] _knownAuthority = [];
    private FieldSection _fields = new();
    private string _order = "";
    private int _orderKey;
    private int _lastOrderKey;
    private int _valuesLength;
    private int _index;
    private int _host;
    private int _seen;
    private long _contentLength;
    private Http2FieldError _error;
    private Http2FieldError _missing;
    private Kind _kind;
    private bool _isStarted;

    private enum Kind : byte
    {
        Request,
        Response,
        Trailers,
    }

    private enum Pseudo : byte
    {
        Method,
        Scheme,
        Authority,
        Path,
        Protocol,
        Status,
    }

    /// <summary>The decoder, for <see cref="HpackDecoder.SetMaxTableOctets"/>.</summary>
    public HpackDecoder Decoder { get; } = new(maxListOctets);

    /// <summary>Whether requests may have :protocol, because SETTINGS_ENABLE_CONNECT_PROTOCOL was announced (RFC 8441 §3).</summary>
    public bool AllowsExtendedConnect { get; set; }

    /// <summary>Reads the block of a request.</summary>
    /// <param name="block">All fragments, joined.</param>
    /// <param name="fields">Receives the head.</param>
    /// <param name="line">The pseudo-fields; of a malformed request as far as they were read.</param>
    /// <returns>The rule broken, if any.</returns>
    public Http2FieldError ReadRequest(ReadOnlySpan<byte> block, FieldSection fields, out Http2RequestLine line)
    {
        var error = Read(block, fields, Kind.Request);
        line = RequestLine(out var fault);
        error = error.IsError || fault == Http2FieldFault.None ? error : new(fault);
        fields.AppendReceived("\r\n"u8);
        line = KeepAside(line);
        return error;
    }

    /// <summary>Reads the block of a response, interim or final.</summary>
    /// <inheritdoc cref="ReadRequest"/>
    public Http2FieldError ReadResponse(ReadOnlySpan<byte> block, FieldSection fields, out Http2StatusLine line)
    {
        var error = Read(block, fields, Kind.Response);
        line = new(error.IsError && !Has(Pseudo.Status) ? 0 : Status(), _contentLength);
        fields.AppendReceived("\r\n"u8);
        return error;
    }

    /// <summary>Reads the block of a trailer section.</summary>
    /// <inheritdoc cref="ReadRequest"/>
    public Http2FieldError ReadTrailers(ReadOnlySpan<byte> block, FieldSection fields)
    {
        var error = Read(block, fields, Kind.Trailers);
        fields.AppendReceived("\r\n"u8);
        return error;
    }

    /// <summary>Takes the block of a message nobody wants, for the table only.</summary>
    /// <returns>None, or an error of the connection.</returns>
    public Http2FieldError Discard(ReadOnlySpan<byte> block)
    {
        var nowhere = default(Nowhere);
        var error = Decoder.Decode(block, ref nowhere);
        return error.IsFatal() ? new(Http2FieldFault.Compression, -1, error) : default;
    }

    private Http2FieldError Read(ReadOnlySpan<byte> block, FieldSection fields, Kind kind)
    {
        fields.Clear();
        fields.HasLowerCaseNames = true;
        _fields = fields;
        _kind = kind;
        (_error, _missing) = (default, default);
        (_valuesLength, _index, _host, _seen, _orderKey, _contentLength) = (0, -1, -1, 0, 0, -1);
        _isStarted = kind == Kind.Trailers;
        _pseudo.AsSpan().Clear();
        var sink = new Sink(this);
        var error = Decoder.Decode(block, ref sink);
        if (!_isStarted)
        {
            Start();
        }

        return error.IsFatal() ? new(Http2FieldFault.Compression, _index, error)
            : _error.IsError ? _error
            : error == HpackError.ListTooLarge ? new(Http2FieldFault.ListTooLarge, _index + 1)
            : _missing.IsError ? _missing
            : default;
    }

    private void OnField(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, bool neverIndexed, ref byte note)
    {
        _index++;
        if (_error.IsError)
        {
            return;
        }

        if (!name.IsEmpty && name[0] == ':')
        {
            OnPseudoField(name, value);
            return;
        }

        if (!_isStarted)
        {
            Start();
        }

        var known = (KnownField)(note - 1);
        if (note == 0)
        {
            var fault = CheckField(name, value);
            if (fault != Http2FieldFault.None)
            {
                _error = new(fault, _index);
                return;
            }

            known = KnownFields.Identify(name);

            // Trailers of a request are not held to the rule for values of its head, and share the table with it.
            note = _kind == Kind.Trailers ? (byte)0 : (byte)(known + 1);
        }

        if (known != KnownField.None || _fields.Count >= maxFields)
        {
            var fault = _fields.Count >= maxFields ? Http2FieldFault.TooManyFields : CheckKnown(known, value);
            if (fault != Http2FieldFault.None)
            {
                _error = new(fault, _index);
                return;
            }
        }

        _fields.AppendReceivedLine(name, value, known, neverIndexed);
    }

    private Http2FieldFault CheckField(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        if (name.IsEmpty)
        {
            return Http2FieldFault.InvalidFieldName;
        }

        var invalid = name.IndexOfAnyExcept(s_lowerToken);
        if (invalid >= 0)
        {
            return char.IsAsciiLetterUpper((char)name[invalid]) ? Http2FieldFault.UpperCaseFieldName : Http2FieldFault.InvalidFieldName;
        }

        return CheckValue(value);
    }

    // Other control octets than NUL, CR and LF cannot be mistaken for the end of a line. Servers do send them, so that only requests are refused.
    private Http2FieldFault CheckValue(ReadOnlySpan<byte> value) =>
        value.IsEmpty ? Http2FieldFault.None
        : (_kind == Kind.Request ? FieldSyntax.IndexOfInvalidValueOctet(value) : value.IndexOfAny(s_notInAnyValue)) >= 0 ? Http2FieldFault.InvalidFieldValue
        : value[0] is (byte)' ' or (byte)'\t' || value[^1] is (byte)' ' or (byte)'\t' ? Http2FieldFault.SpaceAroundValue
        : Http2FieldFault.None;

    private Http2FieldFault CheckKnown(KnownField known, ReadOnlySpan<byte> value)
    {
        switch (known)
        {
            case KnownField.Connection or KnownField.ProxyConnection or KnownField.KeepAlive or KnownField.TransferEncoding or KnownField.Upgrade:
                return Http2FieldFault.ConnectionSpecificField;
            case KnownField.TE:
                return _kind == Kind.Request && Ascii.EqualsIgnoreCase(value, "trailers"u8) ? Http2FieldFault.None
                    : _kind == Kind.Request ? Http2FieldFault.InvalidTE
                    : Http2FieldFault.ConnectionSpecificField;
            case KnownField.ContentLength when _kind != Kind.Trailers:
                if (_contentLength >= 0)
                {
                    return Http2FieldFault.DuplicateContentLength;
                }

                return ContentLength.TryRead(value, out _contentLength) ? Http2FieldFault.None : Http2FieldFault.InvalidContentLength;
            case KnownField.Host when _kind == Kind.Request:
                var isFirst = _host < 0;
                _host = _fields.Count;
                return isFirst ? Http2FieldFault.None : Http2FieldFault.DuplicateHost;
            default:
                return Http2FieldFault.None;
        }
    }

    private void OnPseudoField(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        var kind = Identify(name);
        var fault = _kind == Kind.Trailers ? Http2FieldFault.PseudoFieldInTrailers
            : kind < 0 || (kind == (int)Pseudo.Status) != (_kind == Kind.Response) ? Http2FieldFault.UnknownPseudoField
            : (_seen & (1 << kind)) != 0 ? Http2FieldFault.DuplicatePseudoField
            : _isStarted ? Http2FieldFault.LatePseudoField
            : CheckPseudoValue((Pseudo)kind, value);
        if (fault != Http2FieldFault.None)
        {
            _error = new(fault, _index);
            return;
        }

        _seen |= 1 << kind;
        _orderKey = (_orderKey << 3) | (kind + 1);
        if (_values.Length - _valuesLength < value.Length)
        {
            Array.Resize(ref _values, Math.Max(512, (_valuesLength + value.Length) * 2));
        }

        value.CopyTo(_values.AsSpan(_valuesLength));
        _pseudo[kind] = (_valuesLength, value.Length);
        _valuesLength += value.Length;
    }

    private static int Identify(ReadOnlySpan<byte> name) => name.Length switch
    {
        5 when name.SequenceEqual(":path"u8) => (int)Pseudo.Path,
        7 when name.SequenceEqual(":method"u8) => (int)Pseudo.Method,
        7 when name.SequenceEqual(":scheme"u8) => (int)Pseudo.Scheme,
        7 when name.SequenceEqual(":status"u8) => (int)Pseudo.Status,
        9 when name.SequenceEqual(":protocol"u8) => (int)Pseudo.Protocol,
        10 when name.SequenceEqual(":authority"u8) => (int)Pseudo.Authority,
        _ => -1,
    };

    private Http2FieldFault CheckPseudoValue(Pseudo kind, ReadOnlySpan<byte> value)
    {
        switch (kind)
        {
            case Pseudo.Method:
                return FieldSyntax.IsToken(value) ? Http2FieldFault.None : Http2FieldFault.InvalidMethod;
            case Pseudo.Scheme:
                return Ascii.EqualsIgnoreCase(value, "https"u8) || Ascii.EqualsIgnoreCase(value, "http"u8)
                    ? Http2FieldFault.None : Http2FieldFault.UnsupportedScheme;
            case Pseudo.Path:
                return value.IsEmpty || (value[0] != '/' && !value.SequenceEqual("*"u8)) || FieldSyntax.IndexOfInvalidValueOctet(value) >= 0
                    || value.IndexOfAny((byte)' ', (byte)'\t', (byte)'#') >= 0 ? Http2FieldFault.InvalidPath : Http2FieldFault.None;
            case Pseudo.Authority:
                return CheckAuthority(value);
            case Pseudo.Protocol:
                return !AllowsExtendedConnect ? Http2FieldFault.UnexpectedProtocol
                    : FieldSyntax.IsToken(value) ? Http2FieldFault.None : Http2FieldFault.InvalidFieldValue;
            default:
                return value.Length == 3 && value.IndexOfAnyExceptInRange((byte)'0', (byte)'9') < 0 && value[0] != '0' && !value.SequenceEqual("101"u8)
                    ? Http2FieldFault.None : Http2FieldFault.InvalidStatus;
        }
    }

    private Http2FieldFault CheckAuthority(ReadOnlySpan<byte> value)
    {
        // The requests of a connection mostly name one host.
        if (value.SequenceEqual(_knownAuthority) && !value.IsEmpty)
        {
            return Http2FieldFault.None;
        }

        if (!Authority.TryRead(value, out _))
        {
            return value.Contains((byte)'@') && FieldSyntax.IndexOfInvalidValueOctet(value) < 0 ? Http2FieldFault.UserInfoInAuthority : Http2FieldFault.InvalidAuthority;
        }

        if (value.Length <= 256)
        {
            _knownAuthority = value.ToArray();
        }

        return Http2FieldFault.None;
    }

    /// <summary>Writes the start line, when the first field or the end shows that all pseudo-fields are there.</summary>
    private void Start()
    {
        _isStarted = true;
        if (_kind == Kind.Response)
        {
            _missing = Has(Pseudo.Status) ? default : new(Http2FieldFault.MissingStatus);
            _fields.AppendReceived("HTTP/2.0 "u8);
            _fields.AppendReceived(Value(Pseudo.Status));
            _fields.AppendReceived(" \r\n"u8);
            return;
        }

        _missing = new(CheckPseudoFields());
        _fields.AppendReceived(Value(Pseudo.Method));
        _fields.AppendReceived(" "u8);
        var form = Form();
        if (form == RequestTargetForm.Absolute)
        {
            _fields.AppendReceived(Value(Pseudo.Scheme));
            _fields.AppendReceived("://"u8);
        }

        if (form is RequestTargetForm.Absolute or RequestTargetForm.Authority)
        {
            _fields.AppendReceived(Value(Pseudo.Authority));
        }

        if (form != RequestTargetForm.Authority)
        {
            _fields.AppendReceived(Value(Pseudo.Path));
        }

        _fields.AppendReceived(" HTTP/2.0\r\n"u8);
    }

    private RequestTargetForm Form() =>
        IsPlainConnect ? RequestTargetForm.Authority
        : Value(Pseudo.Path) is [(byte)'*'] ? RequestTargetForm.Asterisk
        : Has(Pseudo.Authority) ? RequestTargetForm.Absolute
        : RequestTargetForm.Origin;

    private bool IsPlainConnect => !Has(Pseudo.Protocol) && Value(Pseudo.Method).SequenceEqual("CONNECT"u8);

    private Http2FieldFault CheckPseudoFields()
    {
        if (!Has(Pseudo.Method))
        {
            return Http2FieldFault.MissingMethod;
        }

        if (IsPlainConnect)
        {
            return Has(Pseudo.Scheme) || Has(Pseudo.Path) ? Http2FieldFault.ConnectWithSchemeOrPath
                : !Has(Pseudo.Authority) ? Http2FieldFault.MissingAuthority
                : Authority.TryRead(Value(Pseudo.Authority), out var authority) && authority.Port > 0 ? Http2FieldFault.None
                : Http2FieldFault.InvalidAuthority;
        }

        var method = Value(Pseudo.Method);
        return !Has(Pseudo.Scheme) ? Http2FieldFault.MissingScheme
            : !Has(Pseudo.Path) ? Http2FieldFault.MissingPath
            : Value(Pseudo.Path) is [(byte)'*'] && !method.SequenceEqual("OPTIONS"u8) ? Http2FieldFault.InvalidPath
            : Has(Pseudo.Protocol) && !method.SequenceEqual("CONNECT"u8) ? Http2FieldFault.UnexpectedProtocol
            : Has(Pseudo.Protocol) && !Has(Pseudo.Authority) ? Http2FieldFault.MissingAuthority
            : Http2FieldFault.None;
    }

    private Http2RequestLine RequestLine(out Http2FieldFault fault)
    {
        fault = Http2FieldFault.None;
        var (isSecure, isConnect) = (Value(Pseudo.Scheme).Length == 5, IsPlainConnect);
        var (method, authority, path) = (_pseudo[(int)Pseudo.Method].Length, _pseudo[(int)Pseudo.Authority].Length, _pseudo[(int)Pseudo.Path].Length);
        var form = Form();
        var start = method + 1 + (form == RequestTargetForm.Absolute ? Value(Pseudo.Scheme).Length + 3 : 0);
        if (Has(Pseudo.Authority))
        {
            fault = _host < 0 || IsSameHost(Value(Pseudo.Authority), _fields.Value(_host), isSecure) ? fault : Http2FieldFault.HostMismatch;
        }
        else if (!isConnect)
        {
            fault = _host < 0 ? Http2FieldFault.MissingAuthority : CheckAuthority(_fields.Value(_host));
        }

        var host = Has(Pseudo.Authority) || _host < 0 ? default : _fields.ValueRange(_host);
        return new()
        {
            MethodLength = method,
            Form = form,
            IsSecure = isSecure,
            AuthorityStart = Has(Pseudo.Authority) ? start : host.Start,
            AuthorityLength = Has(Pseudo.Authority) ? authority : host.Length,
            HasAuthority = Has(Pseudo.Authority),
            PathStart = form == RequestTargetForm.Absolute ? start + authority : start,
            PathLength = isConnect ? 0 : path,
            PseudoOrder = Order(),
            ContentLength = _contentLength,
        };
    }

    /// <summary>What the line does not show is kept behind the head.</summary>
    private Http2RequestLine KeepAside(in Http2RequestLine line)
    {
        var result = line;
        if (line is { Form: RequestTargetForm.Asterisk, HasAuthority: true })
        {
            result = result with { AuthorityStart = _fields.AppendAside(Value(Pseudo.Authority)) };
        }

        return Has(Pseudo.Protocol)
            ? result with { ProtocolStart = _fields.AppendAside(Value(Pseudo.Protocol)), ProtocolLength = Value(Pseudo.Protocol).Length }
            : result;
    }

    private static bool IsSameHost(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right, bool isSecure)
    {
        if (left.SequenceEqual(right))
        {
            return true;
        }

        var port = isSecure ? 443 : 80;
        return Authority.TryRead(left, out var a) && Authority.TryRead(right, out var b)
            && (a.Port > 0 ? a.Port : port) == (b.Port > 0 ? b.Port : port)
            && FieldSyntax.NameEquals(left.Slice(a.HostStart, a.HostLength), right.Slice(b.HostStart, b.HostLength));
    }

    private string Order()
    {
        if (_orderKey == _lastOrderKey)
        {
            return _order;
        }

        var text = new StringBuilder();
        for (var shift = 15; shift >= 0; shift -= 3)
        {
            if (((_orderKey >> shift) & 7) is var kind and > 0)
            {
                text.Append(text.Length > 0 ? "," : "").Append("msapo"[kind - 1]);
            }
        }

        (_lastOrderKey, _order) = (_orderKey, text.ToString());
        return _order;
    }

    private int Status() => Value(Pseudo.Status) is [var a, var b, var c] ? ((a - '0') * 100) + ((b - '0') * 10) + (c - '0') : 0;

    private bool Has(Pseudo kind) => (_seen & (1 << (int)kind)) != 0;

    private ReadOnlySpan<byte> Value(Pseudo kind) => _values.AsSpan(_pseudo[(int)kind].Start, _pseudo[(int)kind].Length);

    private readonly struct Sink(Http2HeadReader reader) : IHpackSink
    {
        public void Field(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value, bool neverIndexed, ref byte note) =>
            reader.OnField(name, value, neverIndexed, ref note);
    }

    private readonly struct Nowhere : IHpackSink
    {
        public void Field(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value, bool neverIndexed, ref byte note)
        {
        }
    }
}

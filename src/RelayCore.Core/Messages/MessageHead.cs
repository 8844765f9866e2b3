using System.Text;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http1;
using RelayCore.Protocols.Http2;

namespace RelayCore.Core.Messages;

/// <summary>
/// Head of a request, as received and as it will be forwarded. Every edit is logged in <see cref="FieldSection.Changes"/> of
/// <see cref="Fields"/>. Belongs to one exchange; an interceptor may use it until its method returns.
/// </summary>
public sealed class RequestHead
{
    private byte[]? _method;
    private byte[]? _path;
    private int _methodLength;
    private int _pathStart;
    private int _pathLength;
    private Http2RequestLine _http2;

    /// <summary>Field lines.</summary>
    public FieldSection Fields { get; } = new();

    /// <summary>1 or 2.</summary>
    public int MajorVersion { get; private set; } = 1;

    /// <summary>0 for HTTP/1.0, 1 for HTTP/1.1 and for HTTP/2, which can do what HTTP/1.1 can.</summary>
    public int MinorVersion { get; private set; }

    /// <summary>Whether the request came with :authority (RFC 9113 §8.3.1).</summary>
    public bool HasAuthority => MajorVersion == 2 && _http2.HasAuthority;

    /// <summary>Octets of the authority an HTTP/2 request named, by :authority or Host; empty for HTTP/1.</summary>
    public ReadOnlySpan<byte> AuthorityOctets => MajorVersion == 2 ? Fields.Octets(_http2.AuthorityStart, _http2.AuthorityLength) : default;

    /// <summary>Octets of :protocol of an extended CONNECT (RFC 8441 §4); empty without.</summary>
    public ReadOnlySpan<byte> ProtocolOctets => MajorVersion == 2 ? Fields.Octets(_http2.ProtocolStart, _http2.ProtocolLength) : default;

    /// <summary>Order of the pseudo-fields received, e.g. <c>m,a,s,p</c>, which differs between clients; empty for HTTP/1.</summary>
    public string PseudoOrder => MajorVersion == 2 ? _http2.PseudoOrder : "";

    /// <summary>Form the target came in.</summary>
    public RequestTargetForm TargetForm { get; private set; }

    /// <summary>Scheme, host and port the request names; a change sends it there.</summary>
    public Connections.Origin Origin { get; private set; } = new(false, "invalid", 80);

    /// <summary>Octets of the method.</summary>
    public ReadOnlySpan<byte> MethodOctets => _method ?? Fields.Received[.._methodLength];

    /// <summary>Octets of path and query (<c>*</c> in asterisk form); never empty.</summary>
    public ReadOnlySpan<byte> PathOctets => _path ?? (_pathLength == 0 ? "/"u8 : Fields.Received.Slice(_pathStart, _pathLength));

    /// <summary>The method.</summary>
    /// <exception cref="ArgumentException">Not a token (RFC 9110 §9.1).</exception>
    public string Method
    {
        get => Encoding.Latin1.GetString(MethodOctets);
        set
        {
            var octets = Encoding.Latin1.GetBytes(value);
            if (!FieldSyntax.IsToken(octets))
            {
                throw new ArgumentException($"'{value}' is not a method: it must be a token (RFC 9110 §9.1).", nameof(value));
            }

            if (!octets.AsSpan().SequenceEqual(MethodOctets))
            {
                Fields.Log(":method", Method, value);
                _method = octets;
            }
        }
    }

    /// <summary>Path and query, Latin-1.</summary>
    /// <exception cref="ArgumentException">Does not begin with <c>/</c>, or has white space or control characters (RFC 9112 §3.2.1).</exception>
    public string Path
    {
        get => Encoding.Latin1.GetString(PathOctets);
        set
        {
            var octets = Encoding.Latin1.GetBytes(value);
            if (value != "*" && (octets.Length == 0 || octets[0] != '/' || octets.AsSpan().IndexOfAnyInRange((byte)0, (byte)' ') >= 0))
            {
                throw new ArgumentException($"'{value}' is not a path: it must begin with '/' and have no white space (RFC 9112 §3.2.1).", nameof(value));
            }

            if (!octets.AsSpan().SequenceEqual(PathOctets))
            {
                Fields.Log(":path", Path, value);
                _path = octets;
            }
        }
    }

    /// <summary>The absolute URL. Setting it changes origin, path and Host field.</summary>
    /// <exception cref="ArgumentException">Not an absolute http or https URL.</exception>
    public string Url
    {
        get => TargetForm == RequestTargetForm.Asterisk ? Origin.ToString() : $"{Origin}{Path}";
        set
        {
            if (!Uri.TryCreate(value, UriKind.Absolute, out var uri) || (uri.Scheme != Uri.UriSchemeHttp && uri.Scheme != Uri.UriSchemeHttps))
            {
                throw new ArgumentException($"'{value}' is not an absolute http or https URL.", nameof(value));
            }

            Redirect(new(uri.Scheme == Uri.UriSchemeHttps, uri.IdnHost.Trim('[', ']'), uri.Port));
            Fields.Set("Host", Origin.Authority);
            Path = uri.PathAndQuery;
        }
    }

    /// <summary>Sends the request to another origin without changing its Host field.</summary>
    public void Redirect(Connections.Origin origin)
    {
        if (origin != Origin)
        {
            Fields.Log(":authority", Origin.ToString(), origin.ToString());
            Origin = origin;
        }
    }

    /// <summary>Takes over what the codec read; for sessions.</summary>
    /// <param name="line">Start line; <see cref="Fields"/> is already filled.</param>
    /// <param name="target">Parts of the target, relative to its start.</param>
    public void Load(in Http1RequestLine line, in RequestTarget target)
    {
        (_method, _path) = (null, null);
        (_methodLength, MajorVersion) = (line.MethodLength, 1);
        (_pathStart, _pathLength) = (line.TargetStart + target.PathStart, target.PathLength);
        MinorVersion = line.MinorVersion;
        TargetForm = target.Form;

        if (target.Form == RequestTargetForm.Authority)
        {
            (_pathStart, _pathLength) = (line.TargetStart, line.TargetLength);
        }

        // "http://host?query" has no path; in origin form it needs one (RFC 9112 §3.2.1).
        if (target.Form == RequestTargetForm.Absolute && target.PathLength > 0 && Fields.Received[_pathStart] == '?')
        {
            _path = [(byte)'/', .. Fields.Received.Slice(_pathStart, _pathLength)];
        }
        else if (target.Form == RequestTargetForm.Absolute && target.PathLength == 0 && MethodOctets.SequenceEqual("OPTIONS"u8))
        {
            // RFC 9112 §3.2.4: the last proxy turns an empty path of OPTIONS into "*".
            _path = [(byte)'*'];
        }
    }

    /// <summary>Takes over what the HTTP/2 codec read; for sessions.</summary>
    /// <param name="line">Pseudo-fields; <see cref="Fields"/> is already filled.</param>
    public void Load(in Http2RequestLine line)
    {
        (_method, _path, _http2) = (null, null, line);
        (_methodLength, TargetForm, MajorVersion, MinorVersion) = (line.MethodLength, line.Form, 2, 1);
        (_pathStart, _pathLength) = line.Form == RequestTargetForm.Authority
            ? (line.AuthorityStart, line.AuthorityLength) : (line.PathStart, line.PathLength);
    }

    /// <summary>Sets the origin without logging it; for sessions.</summary>
    public void Load(Connections.Origin origin) => Origin = origin;

    /// <summary>Remembers the start line, so that edits can be taken back.</summary>
    public SavedRequestLine Save() => new(_method, _path, Origin);

    /// <summary>Takes back edits of the start line since <see cref="Save"/>.</summary>
    public void Restore(SavedRequestLine saved) => (_method, _path, Origin) = (saved.Method, saved.Path, saved.Origin);

    /// <summary>A start line at one moment.</summary>
    public readonly record struct SavedRequestLine(byte[]? Method, byte[]? Path, Connections.Origin Origin);
}

/// <summary>Head of a response, interim or final. See <see cref="RequestHead"/> for ownership.</summary>
public sealed class ResponseHead
{
    private byte[]? _reason;
    private int _reasonStart;
    private int _reasonLength;
    private int _status;

    /// <summary>Field lines.</summary>
    public FieldSection Fields { get; } = new();

    /// <summary>1 or 2.</summary>
    public int MajorVersion { get; private set; } = 1;

    /// <summary>0 for HTTP/1.0, 1 for HTTP/1.1 and for HTTP/2, which can do what HTTP/1.1 can.</summary>
    public int MinorVersion { get; private set; }

    /// <summary>Octets of the reason phrase; may be empty.</summary>
    public ReadOnlySpan<byte> ReasonOctets => _reason ?? Fields.Received.Slice(_reasonStart, _reasonLength);

    /// <summary>Status code, 100 to 999. Setting it replaces the reason phrase by the registered one.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Outside 200 to 999.</exception>
    public int Status
    {
        get => _status;
        set
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value, 200);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(value, 999);
            if (value == _status)
            {
                return;
            }

            Fields.Log(":status", _status.ToString(System.Globalization.CultureInfo.InvariantCulture), value.ToString(System.Globalization.CultureInfo.InvariantCulture));
            _status = value;
            _reason = Encoding.ASCII.GetBytes(ReasonPhrases.Get(value));
        }
    }

    /// <summary>Reason phrase, Latin-1.</summary>
    public string Reason
    {
        get => Encoding.Latin1.GetString(ReasonOctets);
        set
        {
            var octets = Encoding.Latin1.GetBytes(value);
            if (FieldSyntax.IndexOfInvalidValueOctet(octets) >= 0)
            {
                throw new ArgumentException("A reason phrase has no control characters (RFC 9112 §4).", nameof(value));
            }

            if (!octets.AsSpan().SequenceEqual(ReasonOctets))
            {
                Fields.Log(":reason", Reason, value);
                _reason = octets;
            }
        }
    }

    /// <summary>Takes over what the codec read; for sessions.</summary>
    public void Load(in Http1StatusLine line)
    {
        (_reason, MajorVersion) = (null, 1);
        (_status, _reasonStart, _reasonLength, MinorVersion) = (line.Status, line.ReasonStart, line.ReasonLength, line.MinorVersion);
    }

    /// <summary>Takes over what the HTTP/2 codec read; for sessions.</summary>
    public void Load(in Http2StatusLine line)
    {
        _reason = null;
        (_status, _reasonStart, _reasonLength, MajorVersion, MinorVersion) = (line.Status, 0, 0, 2, 1);
    }

    /// <summary>Remembers the status line, so that edits can be taken back.</summary>
    public SavedStatusLine Save() => new(_status, _reason);

    /// <summary>Takes back edits of the status line since <see cref="Save"/>.</summary>
    public void Restore(SavedStatusLine saved) => (_status, _reason) = (saved.Status, saved.Reason);

    /// <summary>A status line at one moment.</summary>
    public readonly record struct SavedStatusLine(int Status, byte[]? Reason);

    /// <summary>Makes a head from parts without logging; for responses of our own.</summary>
    public void Load(int status, string? reason, int minorVersion)
    {
        Fields.Clear();
        _reason = Encoding.Latin1.GetBytes(reason ?? ReasonPhrases.Get(status));
        (_status, MajorVersion, MinorVersion) = (status, 1, minorVersion);
    }
}

/// <summary>Registered reason phrases (RFC 9110 §15 and the IANA registry).</summary>
public static class ReasonPhrases
{
    /// <summary>The registered phrase, or an empty string.</summary>
    public static string Get(int status) => status switch
    {
        100 => "Continue",
        101 => "Switching Protocols",
        102 => "Processing",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        207 => "Multi-Status",
        208 => "Already Reported",
        226 => "IM Used",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        305 => "Use Proxy",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        423 => "Locked",
        424 => "Failed Dependency",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        506 => "Variant Also Negotiates",
        507 => "Insufficient Storage",
        508 => "Loop Detected",
        510 => "Not Extended",
        511 => "Network Authentication Required",
        _ => "",
    };
}

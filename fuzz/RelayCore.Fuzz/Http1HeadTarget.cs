using System.Buffers;
using System.Text;
using RelayCore.Fuzz.Oracles;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http1;

namespace RelayCore.Fuzz;

/// <summary>
/// Heads of requests and responses: finding the end at any segmentation, reading, framing, target, Host, and what is forwarded.
/// The first octet of an input chooses the mode (bits: 1 response, 2 repairs allowed, 4 small limits, 8 response to HEAD), the second the cuts.
/// </summary>
internal sealed class Http1HeadTarget : IFuzzTarget
{
    private static readonly Http1Limits s_small = new() { MaxHeadOctets = 120, MaxLineOctets = 48, MaxFields = 4 };

    private static readonly SearchValues<char> s_delimiters = SearchValues.Create("/\\@#?%[] \r\n");

    private readonly FieldSection _fields = new();
    private readonly FieldSection _again = new();

    public string Name => "http1-head";

    public void Run(ReadOnlySpan<byte> input)
    {
        if (input.Length < 2)
        {
            return;
        }

        var (mode, cuts) = (input[0], input[1]);
        var wire = input[2..];
        var isRequest = (mode & 1) == 0;
        var allowed = (mode & 2) == 0 ? Http1Repairs.None : isRequest ? Http1Repairs.LenientRequest : Http1Repairs.Response;
        var limits = (mode & 4) == 0 ? Http1Limits.Default : s_small;

        var expected = HeadOracle.Read(Encoding.Latin1.GetString(wire), isRequest, limits, allowed);
        var scanned = 0;
        var end = Http1HeadReader.FindEnd(wire, ref scanned, limits, allowed, out var error);
        CompareCuts(wire, cuts, limits, allowed, end, error);
        if (end <= 0)
        {
            FindingException.ThrowIfDifferent(expected.Refused ? "refuse" : expected.NeedsMore ? "more" : $"end {expected.End}", end == 0 ? "more" : "refuse", "end");
            return;
        }

        if (isRequest)
        {
            CompareRequest(wire[..end], limits, allowed, expected);
        }
        else
        {
            CompareResponse(wire[..end], limits, allowed, expected, (mode & 8) == 0 ? "GET" : "HEAD");
        }
    }

    private static void CompareCuts(ReadOnlySpan<byte> wire, int seed, Http1Limits limits, Http1Repairs allowed, int end, Http1Error error)
    {
        var random = new Random(seed);
        var (scanned, result, cutError) = (0, 0, default(Http1Error));
        for (var length = 0; result == 0 && length < wire.Length;)
        {
            length = Math.Min(wire.Length, length + random.Next(1, seed < 16 ? 2 : 40));
            result = Http1HeadReader.FindEnd(wire[..length], ref scanned, limits, allowed, out cutError);
        }

        FindingException.ThrowIfDifferent((end, error), (result, cutError), "end found in pieces");
    }

    private void CompareRequest(ReadOnlySpan<byte> head, Http1Limits limits, Http1Repairs allowed, HeadOracle expected)
    {
        var error = Http1HeadReader.ReadRequest(head, limits, allowed, _fields, out var line, out var repairs);
        FindingException.ThrowIfDifferent(expected.Refused, error.IsError, $"refused ({error})");
        if (error.IsError)
        {
            return;
        }

        var method = head[..line.MethodLength];
        var target = head.Slice(line.TargetStart, line.TargetLength);
        FindingException.ThrowIfDifferent((expected.Method, expected.Target, expected.MinorVersion), (Text(method), Text(target), line.MinorVersion), "request line");
        CompareLines(expected);

        var hasTarget = RequestTarget.TryRead(target, method, out var parts);
        FindingException.ThrowIfDifferent(TargetOracle.Target(expected.Target, expected.Method), hasTarget ? Describe(target, parts) : null, "target");
        CompareHost(expected, line.MinorVersion, hasTarget ? parts.Form : RequestTargetForm.Origin);

        var fault = Http1Framing.OfRequest(_fields, line.MinorVersion, allowed, out var framing, ref repairs);
        FindingException.ThrowIfDifferent(expected.Framing(true, "", allowed), Describe(fault, framing), "framing");
        if (fault != Http1Fault.None)
        {
            return;
        }

        FindingException.ThrowIfDifferent(expected.Repairs, repairs, "repairs");
        var written = new byte[_fields.WrittenBound + Http1HeadWriter.Overhead + head.Length];
        var at = Http1HeadWriter.WriteRequestLine(written, method, target, line.MinorVersion);
        var length = CompareForwarded(written, at, expected);
        FindingException.ThrowIfDifferent(
            default, Http1HeadReader.ReadRequest(written.AsSpan(0, length), Http1Limits.Default, allowed & Http1Repairs.ControlOctets, _again, out _, out _), "forwarded head");
    }

    private void CompareResponse(ReadOnlySpan<byte> head, Http1Limits limits, Http1Repairs allowed, HeadOracle expected, string requestMethod)
    {
        var error = Http1HeadReader.ReadResponse(head, limits, allowed, _fields, out var line, out var repairs);
        FindingException.ThrowIfDifferent(expected.Refused, error.IsError, $"refused ({error})");
        if (error.IsError)
        {
            return;
        }

        var reason = head.Slice(line.ReasonStart, line.ReasonLength);
        FindingException.ThrowIfDifferent((expected.Status, expected.Reason, expected.MinorVersion), (line.Status, Text(reason), line.MinorVersion), "status line");
        CompareLines(expected);

        var fault = Http1Framing.OfResponse(_fields, line.Status, line.MinorVersion, Encoding.ASCII.GetBytes(requestMethod), allowed, out var framing, ref repairs);
        FindingException.ThrowIfDifferent(expected.Framing(false, requestMethod, allowed), Describe(fault, framing), "framing");
        if (fault != Http1Fault.None)
        {
            return;
        }

        FindingException.ThrowIfDifferent(expected.Repairs, repairs, "repairs");
        var written = new byte[_fields.WrittenBound + Http1HeadWriter.Overhead + head.Length];
        var at = Http1HeadWriter.WriteStatusLine(written, line.Status, reason, line.MinorVersion);
        var length = CompareForwarded(written, at, expected);
        var kept = allowed & (Http1Repairs.ControlOctets | Http1Repairs.FieldName);
        FindingException.ThrowIfDifferent(
            default, Http1HeadReader.ReadResponse(written.AsSpan(0, length), Http1Limits.Default, kept, _again, out _, out _), "forwarded head");
    }

    private void CompareLines(HeadOracle expected)
    {
        FindingException.ThrowIfDifferent(expected.Lines.Count, _fields.Count, "number of lines");
        for (var i = 0; i < _fields.Count; i++)
        {
            FindingException.ThrowIfDifferent(
                expected.Lines[i], new(Text(_fields.Name(i)), Text(_fields.Value(i)), _fields.IsUntouched(i) ? Text(_fields.ReceivedLine(i)) : null), $"line {i}");
        }
    }

    private void CompareHost(HeadOracle expected, int minorVersion, RequestTargetForm form)
    {
        var hosts = expected.Lines.Where(x => x.Is("host")).ToList();
        var isValid = hosts.Count == 0 ? minorVersion == 0
            : hosts.Count == 1 && (TargetOracle.Authority(hosts[0].Value) is not null
                || (hosts[0].Value.Length == 0 && form is RequestTargetForm.Absolute or RequestTargetForm.Authority));
        var fault = HostField.Check(_fields, minorVersion, form, out var index, out var authority);
        FindingException.ThrowIfDifferent(isValid, fault == Http1Fault.None, $"Host ({fault})");
        if (isValid && index >= 0 && hosts[0].Value.Length > 0)
        {
            var host = _fields.Value(index).Slice(authority.HostStart, authority.HostLength);
            FindingException.ThrowIfDifferent(TargetOracle.Authority(hosts[0].Value), $"{Text(host)}|{authority.Port}", "authority");
            var name = Authority.NormalizeHost(host);
            FindingException.ThrowIfDifferent(false, name?.AsSpan().IndexOfAny(s_delimiters) >= 0, "a delimiter in the normalized host");
        }
    }

    private int CompareForwarded(Span<byte> written, int at, HeadOracle expected)
    {
        var length = Http1HeadWriter.WriteFields(written[at..], _fields, HopByHop.Read(_fields), ConnectionOptions.None);
        FindingException.ThrowIfDifferent(expected.Forwarded() + "\r\n", Text(written.Slice(at, length)), "forwarded fields");
        return at + length;
    }

    private static string Describe(Http1Fault fault, BodyFraming framing) => fault != Http1Fault.None ? "refuse" : framing.Kind switch
    {
        BodyFramingKind.None => "none",
        BodyFramingKind.Chunked => "chunked",
        BodyFramingKind.UntilClose => "close",
        _ => FormattableString.Invariant($"length {framing.Length}"),
    };

    private static string Describe(ReadOnlySpan<byte> target, in RequestTarget parts) =>
        $"{parts.Form}|{parts.IsSecure}|{Text(target.Slice(parts.AuthorityStart, parts.AuthorityLength))}|{Text(target.Slice(parts.PathStart, parts.PathLength))}|{parts.HasUserInfo}";

    private static string Text(ReadOnlySpan<byte> octets) => Encoding.Latin1.GetString(octets);
}

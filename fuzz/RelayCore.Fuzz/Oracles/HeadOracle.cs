using System.Globalization;
using System.Numerics;
using System.Text.RegularExpressions;
using RelayCore.Protocols.Http1;

namespace RelayCore.Fuzz.Oracles;

/// <summary>One field line as the oracle sees it: text, and the line as received unless it must be written anew.</summary>
internal sealed record OracleLine(string Name, string Value, string? Raw)
{
    public string Written => Raw ?? Name + ": " + Value + "\r\n";

    public bool Is(string name) => HeadOracle.SameName(Name, name);
}

/// <summary>
/// A second reader of HTTP/1 heads for comparison with the codec: strings, regular expressions and lists, slow and obvious, sharing no code
/// with it. It names no faults; it answers "more", "refuse" or the result.
/// </summary>
internal sealed class HeadOracle
{
    private const string Token = @"[!#$%&'*+\-.^_`|~0-9A-Za-z]+";

    private static readonly string[] s_hopByHop =
    [
        "connection", "proxy-connection", "keep-alive", "te", "upgrade", "proxy-authorization", "proxy-authenticate", "http2-settings",
    ];

    private static readonly string[] s_neverNominated = ["close", "host", "content-length", "transfer-encoding"];

    public int End { get; private set; }

    public bool NeedsMore { get; private set; }

    public bool Refused { get; private set; }

    public string Method { get; private set; } = "";

    public string Target { get; private set; } = "";

    public string Reason { get; private set; } = "";

    public int Status { get; private set; }

    public int MinorVersion { get; private set; }

    public Http1Repairs Repairs { get; private set; }

    public List<OracleLine> Lines { get; } = [];

    public static HeadOracle Read(string wire, bool isRequest, Http1Limits limits, Http1Repairs allowed)
    {
        var oracle = new HeadOracle();
        try
        {
            oracle.ReadHead(wire, isRequest, limits, allowed);
        }
        catch (RefusedException)
        {
            oracle.Refused = true;
        }

        return oracle;
    }

    /// <summary>Field names: ASCII letters without case.</summary>
    public static bool SameName(string left, string right) => Lower(left) == Lower(right);

    /// <summary><c>none</c>, <c>length N</c>, <c>chunked</c>, <c>close</c> or <c>refuse</c>; repairs are applied to the lines.</summary>
    public string Framing(bool isRequest, string requestMethod, Http1Repairs allowed)
    {
        try
        {
            return isRequest ? RequestFraming(allowed) : ResponseFraming(requestMethod, allowed);
        }
        catch (RefusedException)
        {
            return "refuse";
        }
    }

    /// <summary>The lines that go on, as written, without connection options and empty line.</summary>
    public string Forwarded()
    {
        var nominated = Lines.Where(x => x.Is("connection")).SelectMany(x => x.Value.Split(',')).Select(x => Lower(x.Trim(' ', '\t')))
            .Where(x => !s_neverNominated.Contains(x)).ToHashSet();
        return string.Concat(Lines.Where(x => !s_hopByHop.Contains(Lower(x.Name)) && !nominated.Contains(Lower(x.Name))).Select(x => x.Written));
    }

    private static string Lower(string text) => string.Concat(text.Select(x => char.IsAsciiLetterUpper(x) ? (char)(x + 32) : x));

    private static void Require(bool condition)
    {
        if (!condition)
        {
            throw new RefusedException();
        }
    }

    private void Repair(Http1Repairs repair, Http1Repairs allowed)
    {
        Require((allowed & repair) != 0);
        Repairs |= repair;
    }

    private void ReadHead(string wire, bool isRequest, Http1Limits limits, Http1Repairs allowed)
    {
        var lines = new List<(string Text, string Raw)>();
        for (int i = 0, start = 0; ; i++)
        {
            if (i == wire.Length)
            {
                NeedsMore = true;
                return;
            }

            Require(i < limits.MaxHeadOctets);
            if (wire[i] != '\n')
            {
                Require(i - start + 1 <= limits.MaxLineOctets);
                continue;
            }

            var raw = wire[start..(i + 1)];
            var isCrLf = raw.EndsWith("\r\n", StringComparison.Ordinal);
            if (!isCrLf)
            {
                Repair(Http1Repairs.BareLineFeed, allowed);
            }

            lines.Add((isCrLf ? raw[..^2] : raw[..^1], raw));
            start = i + 1;
            if (lines[^1].Text.Length == 0 && lines.Count > 1)
            {
                End = start;
                break;
            }
        }

        if (isRequest)
        {
            ReadRequestLine(lines[0].Text, allowed);
        }
        else
        {
            ReadStatusLine(lines[0].Text, allowed);
        }

        bool? dropped = null;
        foreach (var (text, raw) in lines[1..^1])
        {
            if (text[0] is ' ' or '\t')
            {
                Require(dropped is not null);
                Repair(Http1Repairs.ObsoleteFolding, allowed);
                if (dropped == true)
                {
                    CheckDropped(text, allowed);
                }
                else
                {
                    var last = Lines[^1];
                    var more = CleanValue(text, allowed);
                    var joined = last.Value.Length == 0 || more.Length == 0 ? last.Value + more : last.Value + " " + more;
                    Lines[^1] = new(last.Name, joined, null);
                }

                continue;
            }

            Require(Lines.Count < limits.MaxFields);
            var before = Lines.Count;
            ReadField(text, raw, allowed);
            dropped = Lines.Count == before;
        }
    }

    private void ReadRequestLine(string text, Http1Repairs allowed)
    {
        var spaces = (allowed & Http1Repairs.RequestLineSpace) != 0 ? " +" : " ";
        var trailing = (allowed & Http1Repairs.RequestLineSpace) != 0 ? " *" : "";
        var match = Regex.Match(text, $@"\A({Token})({spaces})([^\x00-\x20\x7F]+)({spaces})HTTP/1\.([01])({trailing})\z");
        Require(match.Success);
        if (match.Groups[2].Length + match.Groups[4].Length + match.Groups[6].Length != 2)
        {
            Repair(Http1Repairs.RequestLineSpace, allowed);
        }

        (Method, Target, MinorVersion) = (match.Groups[1].Value, match.Groups[3].Value, match.Groups[5].Value[0] - '0');
    }

    private void ReadStatusLine(string text, Http1Repairs allowed)
    {
        var match = Regex.Match(text, @"\AHTTP/1\.([0-9]) ([1-9][0-9][0-9])( [^\x00\r]*)?\z", RegexOptions.Singleline);
        Require(match.Success);
        MinorVersion = match.Groups[1].Value == "0" ? 0 : 1;
        Status = int.Parse(match.Groups[2].Value, CultureInfo.InvariantCulture);
        if (!match.Groups[3].Success)
        {
            Repair(Http1Repairs.ReasonPhrase, allowed);
            return;
        }

        Reason = match.Groups[3].Value[1..];
        if (Regex.IsMatch(Reason, @"[\x01-\x08\x0A-\x1F\x7F]"))
        {
            Repair(Http1Repairs.ControlOctets, allowed);
        }
    }

    private void ReadField(string text, string raw, Http1Repairs allowed)
    {
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        if (colon < 0)
        {
            Repair(Http1Repairs.LineWithoutColon, allowed);
            CheckDropped(text, allowed);
            return;
        }

        var name = text[..colon];
        var asReceived = raw.EndsWith("\r\n", StringComparison.Ordinal);
        if (!Regex.IsMatch(name, $@"\A{Token}\z"))
        {
            var trimmed = name.Trim(' ', '\t');
            if (Regex.IsMatch(trimmed, $@"\A{Token}\z"))
            {
                Repair(Http1Repairs.SpaceBeforeColon, allowed);
                (name, asReceived) = (trimmed, false);
            }
            else
            {
                Repair(Http1Repairs.FieldName, allowed);
                Require(name.Length > 0 && name == trimmed && !name.Any(x => x < 0x20 || x == 0x7F));
                var tokens = string.Concat(name.Where(x => Regex.IsMatch(x.ToString(), Token)));
                Require(!SameName(tokens, "content-length") && !SameName(tokens, "transfer-encoding"));
            }
        }

        var untouched = text[(colon + 1)..].Trim(' ', '\t');
        var value = CleanValue(text[(colon + 1)..], allowed);
        Lines.Add(new(name, value, asReceived && value == untouched ? raw : null));
    }

    private string CleanValue(string text, Http1Repairs allowed)
    {
        var value = text.Trim(' ', '\t');
        Require(!value.Contains('\0', StringComparison.Ordinal));
        if (value.Contains('\r', StringComparison.Ordinal))
        {
            Repair(Http1Repairs.BareCarriageReturn, allowed);
            value = value.Replace('\r', ' ').Trim(' ', '\t');
        }

        if (value.Any(x => (x < 0x20 && x != '\t') || x == 0x7F))
        {
            Repair(Http1Repairs.ControlOctets, allowed);
        }

        return value;
    }

    private void CheckDropped(string text, Http1Repairs allowed)
    {
        Require(!text.Contains('\0', StringComparison.Ordinal));
        if (text.Contains('\r', StringComparison.Ordinal))
        {
            Repair(Http1Repairs.BareCarriageReturn, allowed);
        }
    }

    private string RequestFraming(Http1Repairs allowed)
    {
        var length = Length(allowed);
        if (!Lines.Any(x => x.Is("transfer-encoding")))
        {
            return length is null ? "none" : $"length {length}";
        }

        Require(length is null && MinorVersion == 1 && EndsInChunked());
        return "chunked";
    }

    private string ResponseFraming(string requestMethod, Http1Repairs allowed)
    {
        if (Status < 200 || Status is 204 or 304 || requestMethod == "HEAD" || (Status < 300 && requestMethod == "CONNECT"))
        {
            return "none";
        }

        if (!Lines.Any(x => x.Is("transfer-encoding")))
        {
            return Length(allowed) is { } length ? $"length {length}" : "close";
        }

        if (Lines.Any(x => x.Is("content-length")))
        {
            Repair(Http1Repairs.LengthAndTransferEncoding, allowed);
            Lines.RemoveAll(x => x.Is("content-length"));
        }

        if (MinorVersion == 0)
        {
            Repair(Http1Repairs.TransferEncodingInHttp10, allowed);
        }

        return EndsInChunked() ? "chunked" : "close";
    }

    private bool EndsInChunked()
    {
        var codings = Lines.Where(x => x.Is("transfer-encoding")).SelectMany(x => x.Value.Split(',')).Select(x => Lower(x.Trim(' ', '\t'))).ToList();
        Require(codings.All(x => x is "chunked" or "gzip" or "x-gzip" or "deflate" or "compress" or "x-compress"));
        Require(!codings[..^1].Contains("chunked"));
        return codings[^1] == "chunked";
    }

    private BigInteger? Length(Http1Repairs allowed)
    {
        var all = new List<BigInteger>();
        foreach (var line in Lines.Where(x => x.Is("content-length")).ToList())
        {
            var isList = line.Value.Contains(',', StringComparison.Ordinal);
            var members = isList ? line.Value.Split(',').Select(x => x.Trim(' ', '\t')).Where(x => x.Length > 0).ToList() : [line.Value];
            Require(members.Count >= (isList ? 2 : 1) && members.All(x => Regex.IsMatch(x, @"\A[0-9]+\z")));
            all.AddRange(members.Select(x => BigInteger.Parse(x, CultureInfo.InvariantCulture)));
            Require(all[^1] <= long.MaxValue && all.Distinct().Count() == 1);
            if (isList)
            {
                Lines[Lines.IndexOf(line)] = new(line.Name, all[0].ToString(CultureInfo.InvariantCulture), null);
            }
        }

        if (all.Count > 1)
        {
            Repair(Http1Repairs.DuplicateContentLength, allowed);
            var first = Lines.FindIndex(x => x.Is("content-length"));
            for (var i = Lines.Count - 1; i > first; i--)
            {
                if (Lines[i].Is("content-length"))
                {
                    Lines.RemoveAt(i);
                }
            }
        }

        return all.Count == 0 ? null : all[0];
    }

    private sealed class RefusedException : Exception;
}

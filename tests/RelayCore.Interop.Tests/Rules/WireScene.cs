using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using RelayCore.Core.Flows;
using RelayCore.Formats;
using RelayCore.Interop.Tests.Harness;

namespace RelayCore.Interop.Tests.Rules;

/// <summary>What the ends of an exchange received, as lines: start line, fields, and the content as <c>| text</c>.</summary>
/// <param name="Origin"><see langword="null"/> when the origin was not asked.</param>
/// <param name="Client">What curl received.</param>
/// <param name="ExitCode">curl's.</param>
internal sealed record WireResult(IReadOnlyList<string>? Origin, IReadOnlyList<string> Client, int ExitCode);

/// <summary>
/// curl, the proxy, and an origin with real sockets between them: HTTP/1.1 in the clear to an origin that keeps every octet, or HTTP/2 over TLS to
/// Kestrel. One exchange at a time.
/// </summary>
internal sealed class WireScene : IAsyncDisposable
{
    private readonly Dictionary<string, WireResult> _baselines = [];
    private readonly TestPki _pki;
    private readonly RunningProxy _proxy;
    private RecordingOrigin _plain = null!;
    private KestrelOrigin _secure = null!;
    private RuleCase _current = new("", "", "");
    private WireVariant _variant;
    private IReadOnlyList<string>? _received;

    private WireScene(TestPki pki, RunningProxy proxy) => (_pki, _proxy) = (pki, proxy);

    public RunningProxy Proxy => _proxy;

    /// <summary>Files rules may read.</summary>
    public TemporaryDirectory Directory { get; } = new();

    public static async Task<WireScene> StartAsync()
    {
        var pki = new TestPki();
        var scene = new WireScene(pki, await RunningProxy.StartAsync(pki));
        scene._plain = RecordingOrigin.Start(scene.AnswerPlain);
        scene._secure = await KestrelOrigin.StartAsync(scene.AnswerSecureAsync, HttpProtocols.Http2, pki.Issue(["shop.test"]));
        return scene;
    }

    /// <summary>Sends a case's exchange under rules.</summary>
    public async Task<(WireResult Without, WireResult With, Flow Flow)> RunAsync(RuleCase wire, WireVariant variant)
    {
        foreach (var (name, text) in wire.Files)
        {
            var path = Directory.File(name);
            System.IO.Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            await File.WriteAllTextAsync(path, text, TestContext.Current.CancellationToken);
        }

        var key = $"{variant} {wire.Method} {wire.Path} {string.Join('\n', wire.RequestFields)} {wire.RequestBody} {wire.Status} {string.Join('\n', wire.ResponseFields)} {wire.ResponseBody}";
        if (!_baselines.TryGetValue(key, out var without))
        {
            _proxy.UseRules("[]", Directory.Path);
            (without, _) = await ExchangeAsync(wire, variant);
            Assert.Equal(0, without.ExitCode);
            Assert.NotNull(without.Origin);
            _baselines.Add(key, without);
        }

        _proxy.UseRules(wire.Rules, Directory.Path);
        for (var i = 0; i < wire.Before; i++)
        {
            await ExchangeAsync(wire with { RequestFields = wire.FieldsBefore ?? wire.RequestFields }, variant);
        }

        var (with, flow) = await ExchangeAsync(wire, variant);
        return (without, with, flow);
    }

    /// <summary>Lines of one that the other has not, as a difference: what goes first, then what comes.</summary>
    public static string Difference(IReadOnlyList<string> without, IReadOnlyList<string> with)
    {
        var (gone, come) = (without.ToList(), with.ToList());
        foreach (var line in without)
        {
            if (come.Remove(line))
            {
                gone.Remove(line);
            }
        }

        return string.Join('\n', gone.Select(x => "- " + x).Concat(come.Select(x => "+ " + x)));
    }

    public async ValueTask DisposeAsync()
    {
        await _proxy.DisposeAsync();
        await _plain.DisposeAsync();
        await _secure.DisposeAsync();
        _pki.Dispose();
        Directory.Dispose();
    }

    private static bool IsHttp2(WireVariant variant) => variant is WireVariant.Http2 or WireVariant.Http2Gzip;

    private static bool IsGzip(WireVariant variant) => variant is WireVariant.Http1GzipSized or WireVariant.Http1GzipChunked or WireVariant.Http2Gzip;

    private static bool IsChunked(WireVariant variant) => variant is WireVariant.Http1Chunked or WireVariant.Http1GzipChunked;

    private async Task<(WireResult Result, Flow Flow)> ExchangeAsync(RuleCase wire, WireVariant variant)
    {
        (_current, _variant, _received) = (wire, variant, null);
        var seen = _proxy.List().Select(x => x.Id).ToHashSet();
        var isHttp2 = IsHttp2(variant);
        List<string> arguments =
        [
            "-sS", "-i", "--noproxy", "", "--max-time", "15", "--path-as-is", "--suppress-connect-headers", "-x", _proxy.Url, "-X", wire.Method, "-H", "User-Agent: curl",
        ];
        arguments.AddRange(isHttp2 ? ["--http2", "--cacert", _proxy.CaFile] : ["--http1.1"]);
        if (wire.Method == "HEAD")
        {
            arguments.Add("--head");
        }

        foreach (var field in wire.RequestFields)
        {
            arguments.AddRange(["-H", field]);
        }

        if (wire.RequestBody is { } body)
        {
            var octets = Encoding.UTF8.GetBytes(body);
            if (IsGzip(variant))
            {
                octets = ContentCodings.Instance.Encode(octets, "gzip").ToArray();
                arguments.AddRange(["-H", "Content-Encoding: gzip"]);
            }

            arguments.AddRange(["-H", "Expect:", "--data-binary", "@" + Directory.Write("request.body", octets)]);
            if (IsChunked(variant))
            {
                arguments.AddRange(["-H", "Transfer-Encoding: chunked"]);
            }
        }

        arguments.Add(isHttp2 ? $"https://shop.test:{_secure.Port}{wire.Path}" : $"http://shop.test:{_plain.Port}{wire.Path}");
        var result = await Tool.RunAsync(Tool.Require("curl", "curl"), arguments);
        var flow = await _proxy.FinishedAsync(x => !seen.Contains(x.Id) && x.Kind != FlowKind.Connection && x.Kind != FlowKind.Tunnel);
        return (new(_received, ClientLines(result.Output), result.ExitCode), flow);
    }

    private byte[] AnswerPlain(OriginRequest request)
    {
        _received = Lines(request.Head.Split("\r\n", StringSplitOptions.RemoveEmptyEntries), request.Body, wasSent: true);
        var (wire, variant) = (_current, _variant);
        var fields = string.Concat(wire.ResponseFields.Select(x => x + "\r\n"));
        var head = $"HTTP/1.1 {wire.Status} {Core.Messages.ReasonPhrases.Get(wire.Status)}\r\n{fields}";
        var content = Encoding.UTF8.GetBytes(wire.ResponseBody);
        if (IsGzip(variant))
        {
            content = ContentCodings.Instance.Encode(content, "gzip").ToArray();
            head += "Content-Encoding: gzip\r\n";
        }

        var isBodyless = request.Line.StartsWith("HEAD ", StringComparison.Ordinal) || wire.Status is 204 or 304;
        if (!IsChunked(variant))
        {
            return [.. Octets.Ascii($"{head}Content-Length: {content.Length}\r\n\r\n"), .. isBodyless ? [] : content];
        }

        // Pieces of odd sizes, so that nothing hides in their borders.
        var octets = new MemoryStream();
        octets.Write(Octets.Ascii($"{head}Transfer-Encoding: chunked\r\n\r\n"));
        if (!isBodyless)
        {
            foreach (var piece in content.Chunk(7))
            {
                octets.Write(Octets.Ascii(string.Create(CultureInfo.InvariantCulture, $"{piece.Length:x}\r\n")));
                octets.Write(piece);
                octets.Write("\r\n"u8);
            }

            octets.Write("0\r\n\r\n"u8);
        }

        return octets.ToArray();
    }

    private async Task AnswerSecureAsync(HttpContext context)
    {
        var (wire, variant) = (_current, _variant);
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body);
        var head = new List<string> { $"{context.Request.Method} {context.Features.Get<Microsoft.AspNetCore.Http.Features.IHttpRequestFeature>()!.RawTarget} HTTP/2" };
        head.AddRange(context.Request.Headers.SelectMany(x => x.Value.Select(value => $"{x.Key}: {value}")));
        _received = Lines(head, body.ToArray(), wasSent: true);
        context.Response.StatusCode = wire.Status;
        foreach (var field in wire.ResponseFields)
        {
            var colon = field.IndexOf(':', StringComparison.Ordinal);
            context.Response.Headers.Append(field[..colon], field[(colon + 1)..].Trim());
        }

        var content = Encoding.UTF8.GetBytes(wire.ResponseBody);
        if (IsGzip(variant))
        {
            content = ContentCodings.Instance.Encode(content, "gzip").ToArray();
            context.Response.Headers.ContentEncoding = "gzip";
        }

        if (context.Request.Method != "HEAD" && wire.Status is not (204 or 304))
        {
            await context.Response.Body.WriteAsync(content);
        }
    }

    private List<string> ClientLines(byte[] output)
    {
        while (true)
        {
            var end = output.AsSpan().IndexOf("\r\n\r\n"u8);
            if (end < 0)
            {
                return output.Length == 0 ? [] : Lines([Encoding.Latin1.GetString(output)], [], wasSent: false);
            }

            var head = Encoding.Latin1.GetString(output, 0, end).Split("\r\n");
            if (!head[0].Contains(" 1", StringComparison.Ordinal))
            {
                return Lines(head, output[(end + 4)..], wasSent: false);
            }

            output = output[(end + 4)..]; // an interim response
        }
    }

    /// <summary>One form for both versions: the version and what each of them needs on its own are left out, the content is decoded.</summary>
    private List<string> Lines(IEnumerable<string> head, byte[] body, bool wasSent)
    {
        var lines = new List<string>();
        string? coding = null;
        var isHttp2 = IsHttp2(_variant);
        var isCut = !wasSent && _current.Client is ("reset" or "cut");
        foreach (var line in head)
        {
            if (lines.Count == 0)
            {
                lines.Add(wasSent ? line[..line.LastIndexOf(' ')] : line.Split(' ').ElementAtOrDefault(1) ?? line);
                continue;
            }

            var colon = line.IndexOf(':', StringComparison.Ordinal);
            var (name, value) = (line[..colon], line[(colon + 1)..].Trim());
            if (name.Equals("Content-Length", StringComparison.OrdinalIgnoreCase) && _current.Method != "HEAD" && !isCut)
            {
                Assert.Equal(body.Length, int.Parse(value, CultureInfo.InvariantCulture));
            }

            coding = name.Equals("Content-Encoding", StringComparison.OrdinalIgnoreCase) ? value : coding;
            var isFraming = name.Equals("Content-Length", StringComparison.OrdinalIgnoreCase) || name.Equals("Transfer-Encoding", StringComparison.OrdinalIgnoreCase);
            if ((isFraming && _variant != WireVariant.Http1Sized) || line == "server: Kestrel" || name.Equals("Date", StringComparison.OrdinalIgnoreCase))
            {
                continue;
            }

            value = value.Replace($":{_plain.Port}", "", StringComparison.Ordinal).Replace($":{_secure.Port}", "", StringComparison.Ordinal);
            lines.Add($"{(isHttp2 ? name.ToLowerInvariant() : name)}: {value}");
        }

        if (body.Length > 0)
        {
            Assert.True(ContentCodings.Instance.TryDecode(body, coding, 1 << 20, out var content, out var problem) || isCut, problem);
            lines.AddRange(content.IsEmpty ? [] : Encoding.UTF8.GetString(content.Span).Split('\n').Select(x => "| " + x));
        }

        return lines;
    }
}

using System.Text;
using BenchmarkDotNet.Attributes;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http2;
using RelayCore.Protocols.Http2.Hpack;

namespace RelayCore.Microbenchmarks.Http2;

/// <summary>
/// Header blocks as a connection has them after its first messages (mostly indices), as the first message has them (mostly strings), and the head
/// made of them. Budget: 0 B allocated.
/// </summary>
[MemoryDiagnoser]
[BenchmarkCategory("Http2", "Hpack")]
public class HpackBenchmarks
{
    private static readonly string[] s_request =
    [
        ":method: GET", ":scheme: https", ":authority: www.example.com", ":path: /articles/2024/index.html?page=2&sort=date",
        "user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "accept-language: en-US,en;q=0.5",
        "accept-encoding: gzip, deflate, br, zstd", "referer: https://www.example.com/articles/",
        "cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=1", "upgrade-insecure-requests: 1",
        "if-modified-since: Wed, 01 May 2024 10:00:00 GMT", "priority: u=0, i", "te: trailers",
    ];

    private readonly byte[] _destination = new byte[4096];
    private readonly Http2HeadReader _reader = new();
    private readonly HpackDecoder _decoder = new();
    private readonly FieldSection _fields = new();
    private readonly FieldSection _loaded = new();
    private readonly Http2HeadWriter _writer = new(new());
    private readonly HpackEncoder _noTable = new(0);
    private readonly (byte[] Name, byte[] Value)[] _list = [.. s_request.Select(x => (Octets(x[..x.IndexOf(": ", 1, StringComparison.Ordinal)]), Octets(x[(x.IndexOf(": ", 1, StringComparison.Ordinal) + 2)..])))];
    private byte[] _repeated = [];
    private byte[] _first = [];

    [GlobalSetup]
    public void Setup()
    {
        var encoder = new HpackEncoder();
        _noTable.Begin(_destination);
        for (var i = 0; i < 4; i++)
        {
            _repeated = Encode(encoder);
            if (_reader.ReadRequest(_repeated, _loaded, out _).IsError)
            {
                throw new InvalidOperationException("The block is malformed.");
            }

            WriteRequest();
            var sink = default(Counter);
            _decoder.Decode(_repeated, ref sink);
        }

        _first = Encode(new HpackEncoder(0))[1..];
    }

    /// <summary>Indices only.</summary>
    [Benchmark]
    public int DecodeRepeated() => Decode(_repeated);

    /// <summary>Strings in Huffman code, none of them for the table.</summary>
    [Benchmark]
    public int DecodeStrings() => Decode(_first);

    /// <summary>Decoding, checking and putting together.</summary>
    [Benchmark]
    public bool ReadRequest() => _reader.ReadRequest(_repeated, _fields, out _).IsError;

    [Benchmark]
    public int WriteRequest()
    {
        var parts = new Http2RequestParts { Method = "GET"u8, IsSecure = true, Authority = "www.example.com"u8, Path = "/articles/2024/index.html?page=2&sort=date"u8, Order = "m,s,a,p" };
        return Http2HeadWriter.Bound(parts, _loaded) + _writer.WriteRequest(_destination, parts, _loaded, default);
    }

    [Benchmark]
    public int EncodeStrings()
    {
        var at = 0;
        foreach (var (name, value) in _list)
        {
            at += _noTable.Encode(_destination.AsSpan(at), name, value, false);
        }

        return at;
    }

    private int Decode(byte[] block)
    {
        var sink = default(Counter);
        _decoder.Decode(block, ref sink);
        return sink.Octets;
    }

    private byte[] Encode(HpackEncoder encoder)
    {
        var at = encoder.Begin(_destination);
        foreach (var (name, value) in _list)
        {
            at += encoder.Encode(_destination.AsSpan(at), name, value, false);
        }

        return _destination[..at];
    }

    private static byte[] Octets(string text) => Encoding.ASCII.GetBytes(text);

    private struct Counter : IHpackSink
    {
        public int Octets;

        public void Field(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value, bool neverIndexed, ref byte note) => Octets += name.Length + value.Length;
    }
}

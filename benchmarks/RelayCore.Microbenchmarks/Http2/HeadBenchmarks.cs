using BenchmarkDotNet.Attributes;
using RelayCore.Microbenchmarks.Http1;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http1;
using RelayCore.Protocols.Http2;
using RelayCore.Protocols.Http2.Hpack;

namespace RelayCore.Microbenchmarks.Http2;

/// <summary>
/// Reading and writing heads of 12 fields as header blocks: with a table that knows the fields from the message before, and without a
/// table, where every field is a Huffman-coded literal. Budget: 0 B allocated.
/// </summary>
[MemoryDiagnoser]
[BenchmarkCategory("Http2", "Hpack")]
public class HeadBenchmarks
{
    private readonly FieldSection _requestFields = new();
    private readonly FieldSection _responseFields = new();
    private readonly FieldSection _fields = new();
    private readonly byte[] _destination = new byte[8192];
    private Http2HeadReader _requestReader = null!;
    private Http2HeadReader _responseReader = null!;
    private Http2HeadWriter _requestWriter = null!;
    private Http2HeadWriter _responseWriter = null!;
    private byte[] _requestBlock = null!;
    private byte[] _responseBlock = null!;

    /// <summary>Octets of the dynamic table; 0 is none.</summary>
    [Params(0, HpackDecoder.DefaultTableOctets)]
    public int TableOctets { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        Http1HeadReader.ReadRequest(Http1Samples.Request, Http1Limits.Default, Http1Repairs.None, _requestFields, out _, out _);
        Http1HeadReader.ReadResponse(Http1Samples.Response, Http1Limits.Default, Http1Repairs.Response, _responseFields, out _, out _);
        (_requestReader, _responseReader) = (new(), new());
        (_requestWriter, _responseWriter) = (new(new(TableOctets)), new(new(TableOctets)));

        // The first block of each fills the tables, the second is what every later one looks like.
        for (var i = 0; i < 2; i++)
        {
            _requestBlock = _destination[..WriteRequest()];
            Expect(_requestReader.ReadRequest(_requestBlock, _fields, out var line).IsError || line.PathLength == 0);
            _responseBlock = _destination[..WriteResponse()];
            Expect(_responseReader.ReadResponse(_responseBlock, _fields, out var status).IsError || status.Status != 200);
        }
    }

    [Benchmark]
    public bool ReadRequest() => _requestReader.ReadRequest(_requestBlock, _fields, out _).IsError;

    [Benchmark]
    public bool ReadResponse() => _responseReader.ReadResponse(_responseBlock, _fields, out _).IsError;

    [Benchmark]
    public int WriteRequest()
    {
        var parts = new Http2RequestParts
        {
            Method = "GET"u8,
            IsSecure = true,
            Authority = "www.example.com"u8,
            Path = "/articles/2024/index.html?page=2&sort=date"u8,
        };
        return _requestWriter.WriteRequest(_destination, parts, _requestFields, HopByHop.Read(_requestFields));
    }

    [Benchmark]
    public int WriteResponse() => _responseWriter.WriteResponse(_destination, 200, _responseFields, HopByHop.Read(_responseFields));

    private static void Expect(bool isWrong)
    {
        if (isWrong)
        {
            throw new InvalidOperationException("The samples cannot be read back.");
        }
    }
}

using BenchmarkDotNet.Attributes;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http1;

namespace RelayCore.Microbenchmarks.Http1;

/// <summary>Finding the end of a head, reading it with target, Host and framing, and writing what is forwarded. Budget: 0 B allocated.</summary>
[MemoryDiagnoser]
[BenchmarkCategory("Http1", "Head")]
public class HeadBenchmarks
{
    private readonly byte[] _request = Http1Samples.Request;
    private readonly byte[] _response = Http1Samples.Response;
    private readonly byte[] _destination = new byte[4096];
    private readonly FieldSection _fields = new();
    private readonly FieldSection _loaded = new();

    [GlobalSetup]
    public void Setup() => Http1HeadReader.ReadRequest(_request, Http1Limits.Default, Http1Repairs.None, _loaded, out _, out _);

    [Benchmark]
    public int FindEnd()
    {
        var scanned = 0;
        return Http1HeadReader.FindEnd(_request, ref scanned, Http1Limits.Default, Http1Repairs.None, out _);
    }

    [Benchmark]
    public int FindEndInSegmentsOf64()
    {
        var (scanned, end) = (0, 0);
        for (var length = 64; end == 0; length = Math.Min(length + 64, _request.Length))
        {
            end = Http1HeadReader.FindEnd(_request.AsSpan(0, length), ref scanned, Http1Limits.Default, Http1Repairs.None, out _);
        }

        return end;
    }

    [Benchmark]
    public bool ReadRequest()
    {
        var error = Http1HeadReader.ReadRequest(_request, Http1Limits.Default, Http1Repairs.None, _fields, out var line, out var repairs);
        var isTarget = RequestTarget.TryRead(_request.AsSpan(line.TargetStart, line.TargetLength), _request.AsSpan(0, line.MethodLength), out var target);
        var host = HostField.Check(_fields, line.MinorVersion, target.Form, out _, out _);
        var fault = Http1Framing.OfRequest(_fields, line.MinorVersion, Http1Repairs.None, out _, ref repairs);
        return isTarget && !error.IsError && host == fault;
    }

    [Benchmark]
    public bool ReadResponse()
    {
        var error = Http1HeadReader.ReadResponse(_response, Http1Limits.Default, Http1Repairs.Response, _fields, out var line, out var repairs);
        var fault = Http1Framing.OfResponse(_fields, line.Status, line.MinorVersion, "GET"u8, Http1Repairs.Response, out _, ref repairs);
        return !error.IsError && fault == Http1Fault.None;
    }

    [Benchmark]
    public int WriteRequest()
    {
        var at = Http1HeadWriter.WriteRequestLine(_destination, "GET"u8, "/articles/2024/index.html?page=2&sort=date"u8, 1);
        return at + Http1HeadWriter.WriteFields(_destination.AsSpan(at), _loaded, HopByHop.Read(_loaded), ConnectionOptions.None);
    }
}

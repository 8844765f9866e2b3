using BenchmarkDotNet.Attributes;
using RelayCore.Protocols.Http1;

namespace RelayCore.Microbenchmarks.Http1;

/// <summary>Reading a chunked body of 1 MiB, whole and in received pieces. Budget: 0 B allocated.</summary>
[MemoryDiagnoser]
[BenchmarkCategory("Http1", "Chunked")]
public class ChunkedBenchmarks
{
    private byte[] _body = [];

    /// <summary>Octets of data in each chunk.</summary>
    [Params(64, 8192)]
    public int ChunkOctets { get; set; }

    [GlobalSetup]
    public void Setup() => _body = Http1Samples.Chunked(1024 * 1024 / ChunkOctets, ChunkOctets);

    [Benchmark]
    public long Read() => Read(_body.Length);

    // 1460 octets: what one Ethernet segment carries, and it cuts size lines in two now and then.
    [Benchmark]
    public long ReadInSegmentsOf1460() => Read(1460);

    private long Read(int segment)
    {
        var reader = new ChunkedReader(Http1Limits.Default, lenient: false);
        var (at, received, data) = (0, 0, 0L);
        while (true)
        {
            var step = reader.Read(_body.AsSpan(at, received - at));
            at += step.Consumed;
            switch (step.Status)
            {
                case ChunkedStatus.Data:
                    data += step.Length;
                    break;
                case ChunkedStatus.NeedMore:
                    received = Math.Min(_body.Length, received + segment);
                    break;
                default:
                    return data;
            }
        }
    }
}

using RelayCore.Fuzz;
using Xunit;

namespace RelayCore.Protocols.Tests.Fuzz;

/// <summary>Runs every file of the fuzzing corpora, findings of the past among them, once.</summary>
public sealed class CorpusTests
{
    public static TheoryData<string> Corpus(string target)
    {
        var data = new TheoryData<string>();
        foreach (var file in Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "corpora", target)).Order(StringComparer.Ordinal))
        {
            data.Add(Path.GetFileName(file));
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Corpus), "http1-head")]
    public void Read_CorpusOfTheFuzzTarget_AgreesWithTheOracle(string file) =>
        new Http1HeadTarget().Run(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "corpora", "http1-head", file)));

    [Theory]
    [MemberData(nameof(Corpus), "chunked")]
    public void ReadChunked_CorpusOfTheFuzzTarget_AgreesWithTheOracle(string file) =>
        new ChunkedTarget().Run(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "corpora", "chunked", file)));

    [Theory]
    [MemberData(nameof(Corpus), "websocket-frames")]
    public void ReadFrames_CorpusOfTheFuzzTarget_AgreesWithTheOracle(string file) =>
        new WebSocketFramesTarget().Run(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "corpora", "websocket-frames", file)));

    [Theory]
    [MemberData(nameof(Corpus), "websocket-deflate")]
    public void Inflate_CorpusOfTheFuzzTarget_AgreesWithTheLibrary(string file) =>
        new WebSocketDeflateTarget().Run(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "corpora", "websocket-deflate", file)));

    [Theory]
    [MemberData(nameof(Corpus), "client-hello")]
    public void ReadClientHello_CorpusOfTheFuzzTarget_AgreesWithTheOracle(string file) =>
        new ClientHelloTarget().Run(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "corpora", "client-hello", file)));

    [Theory]
    [MemberData(nameof(Corpus), "http2-frames")]
    public void ReadHttp2Frames_CorpusOfTheFuzzTarget_AgreesWithTheOracle(string file) =>
        new Http2FramesTarget().Run(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "corpora", "http2-frames", file)));

    [Theory]
    [MemberData(nameof(Corpus), "hpack")]
    public void Decode_CorpusOfTheFuzzTarget_AgreesWithTheOracle(string file) =>
        new HpackTarget().Run(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "corpora", "hpack", file)));

    [Theory]
    [MemberData(nameof(Corpus), "sse")]
    public void ReadEvents_CorpusOfTheFuzzTarget_AgreesWithTheOracle(string file) =>
        new SseTarget().Run(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "corpora", "sse", file)));

    [Theory]
    [MemberData(nameof(Corpus), "grpc")]
    public void ReadGrpc_CorpusOfTheFuzzTarget_AgreesWithTheOracle(string file) =>
        new GrpcTarget().Run(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "corpora", "grpc", file)));
}

using RelayCore.Core.Connections;
using RelayCore.Core.Flows;
using RelayCore.Engine.Capture;
using RelayCore.Protocols;
using RelayCore.Protocols.Http1;
using Xunit;
using static RelayCore.Engine.Tests.Capture.CaptureDriver;

namespace RelayCore.Engine.Tests.Capture;

/// <summary>Heads of HTTP/2 as they are recorded: put together in the shape of HTTP/1.</summary>
public sealed class Http2CaptureTests : IDisposable
{
    private readonly FlowStore _store = Store();

    public void Dispose() => _store.Dispose();

    [Theory]
    [InlineData("GET https://a.example/b?c=d HTTP/2.0", "GET", "https://a.example/b?c=d", "/b")]
    [InlineData("GET /b HTTP/2.0", "GET", "https://a.example/b", "/b")]
    [InlineData("OPTIONS * HTTP/2.0", "OPTIONS", "https://a.example", "*")]
    [InlineData("CONNECT a.example:443 HTTP/2.0", "CONNECT", "a.example:443", "")]
    [InlineData("CONNECT https://a.example/chat HTTP/2.0", "CONNECT", "https://a.example/chat", "/chat")]
    public void Request_AnyForm_IsShownAsHttp2(string line, string method, string url, string path)
    {
        var flow = Record($"{line}\r\naccept: */*\r\n:late: x\r\n\r\n", "HTTP/2.0 200 \r\nserver: s\r\n\r\n", out var summary);
        var http = ((FlowLayer.Http)flow.Layer).Data;
        Assert.Equal((method, url, "HTTP/2"), (http.Request!.Method, http.Request.Url, http.Request.Version));
        Assert.Equal([["accept", "*/*"], [":late", "x"]], http.Request.Headers);
        Assert.Equal((200, "200 OK", "HTTP/2"), (http.Response!.Status, http.Response.StatusText, http.Response.Version));
        Assert.Equal([["server", "s"]], http.Response.Headers);
        Assert.Equal(["tcp", "http/2"], flow.ProtocolStack);
        Assert.Equal((method, url, path, (int?)200), (summary.Method, summary.Url, summary.Path, summary.Status));
    }

    [Fact]
    public void Response_StatusWithoutAName_IsTheNumber()
    {
        var flow = Record("GET https://a.example/ HTTP/2.0\r\n\r\n", "HTTP/2.0 599 \r\n\r\n", out _);
        Assert.Equal("599", ((FlowLayer.Http)flow.Layer).Data.Response!.StatusText);
    }

    [Fact]
    public void Streams_BothSides_AreShown()
    {
        Assert.Equal((5, 1), Streams(5, 1));
        Assert.Equal((null, 7), Streams(0, 7));
        Assert.Equal((int.MaxValue, null), Streams(int.MaxValue, 0));
        Assert.Equal((null, null), Streams(0, 0));

        (long?, long?) Streams(int client, int server)
        {
            var flow = Record("GET https://a.example/ HTTP/2.0\r\n\r\n", "HTTP/2.0 204 \r\n\r\n", out _, client, server);
            return (flow.StreamId, flow.ServerStreamId);
        }
    }

    [Fact]
    public void Http2_FactsOfBothConnections_AreShown()
    {
        var recorder = _store.Rent();
        var (client, server) = (Client(), Server());
        recorder.Begin(FlowKind.Http, NewId(), default, client, 1);
        recorder.End(CloseReason.Completed, null, null, 1); // stored once without them
        client.Http2 = new() { Settings = "1:65536;3:1000;4:6291456", WindowUpdate = 15_663_105, Priority = "3:0:0:201", PseudoFields = "m,a,s,p" };
        server.Http2 = new() { Settings = "4:65535" };
        var id = NewId();
        recorder.Begin(FlowKind.Http, id, default, client, 1);
        recorder.Server(server);
        recorder.End(CloseReason.Completed, null, null, 1);
        using var captured = _store.Find(id)!;
        var connection = captured.ToFlow(null).Connection;
        Assert.Equal(
            new FlowHttp2
            {
                Settings = "1:65536;3:1000;4:6291456",
                WindowUpdate = 15_663_105,
                Priority = "3:0:0:201",
                PseudoFields = "m,a,s,p",
                Fingerprint = "1:65536;3:1000;4:6291456|15663105|3:0:0:201|m,a,s,p",
            },
            connection.Client.Http2);
        Assert.Equal("4:65535|00|0|", connection.Server!.Http2!.Fingerprint);
    }

    private Flow Record(string request, string response, out FlowSummary summary, int clientStream = 0, int serverStream = 0)
    {
        var (recorder, id) = (_store.Rent(), NewId());
        recorder.Begin(FlowKind.Http, id, default, Client(), 1);
        recorder.Streams(clientStream, serverStream);
        recorder.Request(new Origin(true, "a.example", 443), System.Text.Encoding.Latin1.GetBytes(request), Http1Repairs.None);
        recorder.Response(System.Text.Encoding.Latin1.GetBytes(response), Http1Repairs.None);
        recorder.End(CloseReason.Completed, null, null, 1);
        _store.Return(recorder);
        using var captured = _store.Find(id)!;
        summary = captured.ToSummary();
        Assert.Equal(0, captured.BodyLength(PeerRole.Server, false));
        return captured.ToFlow(null);
    }
}

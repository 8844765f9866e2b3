using System.Net;
using System.Text;
using RelayCore.Core.Connections;
using RelayCore.Core.Faults;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Core.Limits;
using RelayCore.Engine.Capture;
using RelayCore.Protocols;
using RelayCore.Protocols.Http1;

namespace RelayCore.Engine.Tests.Capture;

/// <summary>Drives a recorder the way a session does.</summary>
internal static class CaptureDriver
{
    public static readonly Origin Shop = new(false, "shop.example", 80);

    public static readonly byte[] RequestHead = Encoding.ASCII.GetBytes(
        "GET http://shop.example/cart?x=1 HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\nProxy-Connection: Keep-Alive\r\n\r\n");

    public static readonly byte[] ResponseHead = Encoding.ASCII.GetBytes(
        "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Mon, 23 Nov 2026 18:00:00 GMT\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\nConnection: keep-alive\r\n\r\n");

    public static readonly byte[] Kilobyte = [.. Enumerable.Range(0, 1024).Select(x => (byte)('a' + (x % 26)))];

    private static long s_connection;

    public static ClientConnection Client() => new()
    {
        Id = Interlocked.Increment(ref s_connection),
        RemoteEndPoint = new IPEndPoint(IPAddress.Loopback, 50122),
        LocalEndPoint = new IPEndPoint(IPAddress.Loopback, 8080),
        Listener = new IPEndPoint(IPAddress.Loopback, 8080),
    };

    public static ServerConnection Server(string host = "shop.example") => new()
    {
        Id = Interlocked.Increment(ref s_connection),
        RemoteEndPoint = new IPEndPoint(IPAddress.Parse("127.0.0.9"), 80),
        LocalEndPoint = new IPEndPoint(IPAddress.Loopback, 40000),
        Host = host,
        Port = 80,
        ConnectMicroseconds = 250,
    };

    public static FlowStore Store(long memory = 16 * 1024 * 1024, int maxFlows = 1_000_000, long maxBody = 10 * 1024 * 1024, TimeProvider? time = null) =>
        new(new EngineLimits { CaptureMemory = memory, MaxFlows = maxFlows, MaxBodyCapture = maxBody }, time ?? TimeProvider.System);

    public static FlowId NewId() => FlowId.Create(TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds());

    /// <summary>One GET of a kilobyte.</summary>
    public static void Get(FlowRecorder recorder, FlowId id, ClientConnection client, ServerConnection server, ReadOnlySpan<byte> body, FlowContext? context = null)
    {
        var now = TimeProvider.System.GetTimestamp();
        recorder.Begin(FlowKind.Http, id, default, client, now);
        recorder.Request(Shop, RequestHead, Http1Repairs.None);
        recorder.Stamp(TimingPoint.RequestHead, now + 1000);
        recorder.Stamp(TimingPoint.RequestEnd, now + 1000);
        recorder.Server(server);
        recorder.Stamp(TimingPoint.RequestSent, now + 20_000);
        recorder.Stamp(TimingPoint.ResponseHead, now + 500_000);
        recorder.Response(ResponseHead, Http1Repairs.None);
        recorder.Body(PeerRole.Server, body);
        recorder.Stamp(TimingPoint.ResponseEnd, now + 600_000);
        recorder.Mark(FlowMarks.ServerReused);
        recorder.End(CloseReason.Completed, null, context, now + 700_000);
    }

    public static FlowFault Fault => new("RC-CONN-001", FaultStage.Connect, FaultKind.Transport, PeerRole.Server, "nothing listens at 127.0.0.9:80");
}

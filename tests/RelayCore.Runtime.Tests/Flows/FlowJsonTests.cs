using System.Net;
using System.Text.Json;
using Microsoft.Extensions.Time.Testing;
using RelayCore.Core.Connections;
using RelayCore.Core.Faults;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Core.Limits;
using RelayCore.Engine.Capture;
using RelayCore.Formats;
using RelayCore.Protocols;
using RelayCore.Protocols.Http1;
using RelayCore.Runtime.Flows;
using Xunit;

namespace RelayCore.Runtime.Tests.Flows;

/// <summary>The JSON others rely on, word for word (model §1, §5).</summary>
public sealed class FlowJsonTests : IDisposable
{
    private static readonly FlowId s_id = new(new("0199a1b2-c3d4-7000-8000-000000000001"));
    private static readonly FlowId s_parent = new(new("0199a1b2-c3d4-7000-8000-000000000000"));
    private readonly FakeTimeProvider _time = new(new(2026, 9, 24, 8, 0, 0, TimeSpan.Zero));
    private readonly FlowStore _store;
    private readonly FlowService _flows;

    public FlowJsonTests()
    {
        _store = new(EngineLimits.Default, _time);
        _flows = new(_store, ContentCodings.Instance);
    }

    public void Dispose() => _store.Dispose();

    [Fact]
    public void Get_Exchange_IsTheContract()
    {
        Record();
        AssertJson(
            """
            {"id":"0199a1b2-c3d4-7000-8000-000000000001","start_time":"2026-09-24T08:00:00.000000Z","end_time":"2026-09-24T08:00:00.030000Z",
             "network":{"client_ip":"127.0.0.1","client_port":50122,"server_ip":"192.0.2.7","server_port":443,"server_host":"shop.example:443",
                        "protocol":"TCP","tls":true,"tls_version":"TLSv1.3","sni":"shop.example"},
             "layer":{"type":"Http","data":{
               "request":{"method":"GET","url":"https://shop.example/cart?x=1&y=a%20b","version":"HTTP/1.1",
                 "headers":[["Host","shop.example"],["Cookie","a=1; b=2"]],
                 "cookies":[{"name":"a","value":"1","path":null,"domain":null,"expires":null,"http_only":null,"secure":null},
                            {"name":"b","value":"2","path":null,"domain":null,"expires":null,"http_only":null,"secure":null}],
                 "query":[["x","1"],["y","a b"]],"body":null},
               "response":{"status":200,"status_text":"200 OK","version":"HTTP/1.1",
                 "headers":[["Content-Encoding","gzip"],["Set-Cookie","s=9; Path=/; HttpOnly; Expires=Thu, 24 Sep 2026 09:00:00 GMT"]],
                 "cookies":[{"name":"s","value":"9","path":"/","domain":null,"expires":"Thu, 24 Sep 2026 09:00:00 GMT","http_only":true,"secure":false}],
                 "body":{"encoding":"utf-8","content":"hello","size":SIZE,"captured":SIZE,"truncated":false,"content_encoding":"gzip"},
                 "timing":{"time_to_first_byte":10,"time_to_last_byte":20,"connect_time_ms":null,"ssl_time_ms":null}},
               "error":null}},
             "tags":["mitm"],
             "rule_variables":{"n":"1"},"matched_rules":["r1"],
             "close_reason":{"reason":"completed"},
             "kind":"http","parent_id":"0199a1b2-c3d4-7000-8000-000000000000","protocol_stack":["tcp","tls","http/1.1"],
             "connection":{
               "client":{"id":3,"remote":"127.0.0.1:50122","local":"127.0.0.1:8080","listener":"127.0.0.1:8080","tunnel_authority":"shop.example:443",
                 "tls":{"version":"TLSv1.3","cipher":"TLS_AES_128_GCM_SHA256","alpn":"http/1.1","sni":"shop.example","offered_alpn":["http/1.1"],
                        "offered_ciphers":[4865],"ja3":"ja3","ja4":"ja4"}},
               "server":{"id":4,"host":"shop.example","port":443,"remote":"192.0.2.7:443","reuse":2,"connect_us":900,"tls_us":2500,"unverified":false,
                 "tls":{"version":"TLSv1.3","peer_certificates":["CN=shop.example"]}}},
             "timings":{"response_head":10000,"response_end":20000,"end":30000},
             "octets":{"request_head":OCTETS,"request_body":0,"response_head":RESPONSE,"response_body":SIZE},
             "truncated":false,"marks":["server_reused","intercepted"],
             "mutations":[{"actor":"rule:r1","stage":"response_head","target":"response.headers.X-Old","before":"1","after":null,"at_us":12000}]}
            """,
            JsonSerializer.SerializeToUtf8Bytes(_flows.Get(s_id), FlowJson.Default.Flow));
        AssertJson(
            """
            {"items":[{"id":"0199a1b2-c3d4-7000-8000-000000000001","method":"GET","url":"https://shop.example/cart?x=1&y=a%20b","host":"shop.example",
               "path":"/cart","status":200,"duration_ms":30,"tags":["mitm"],"start_time_ms":1790236800000,"has_error":false,"is_websocket":false,
               "kind":"http","state":"completed","request_size":0,"size":SIZE,"server_reused":true,"truncated":false,"client_connection":3,
               "parent_id":"0199a1b2-c3d4-7000-8000-000000000000"}],
             "returned":1,"limit":50,"offset":0,"next_cursor":null,"stored":1,"evicted":0,"dropped":0}
            """,
            JsonSerializer.SerializeToUtf8Bytes(_flows.Query(new()), FlowJson.Default.FlowPage));
    }

    [Fact]
    public void Get_FailedConnection_IsTheContract()
    {
        var recorder = _store.Rent();
        recorder.Begin(FlowKind.Connection, s_id, default, new() { Id = 1, RemoteEndPoint = new IPEndPoint(IPAddress.IPv6Loopback, 4000), TunnelAuthority = "a.example:443" }, _time.GetTimestamp());
        var fault = new FlowFault("RC-TLS-106", FaultStage.ClientTls, FaultKind.Tls, PeerRole.Client, "alert 48") { Octets = new byte[] { 0x15, 3 }, OctetsOffset = 1 };
        recorder.End(CloseReason.TlsError, fault, null, _time.GetTimestamp());
        var steps = FaultCatalog.Find("RC-TLS-106")!;
        AssertJson(
            """
            {"id":"0199a1b2-c3d4-7000-8000-000000000001","start_time":"2026-09-24T08:00:00.000000Z","end_time":"2026-09-24T08:00:00.000000Z",
             "network":{"client_ip":"::1","client_port":4000,"server_ip":"0.0.0.0","server_port":0,"server_host":"a.example:443","protocol":"TCP",
                        "tls":false,"tls_version":null,"sni":null},
             "layer":{"type":"Tcp","data":{"bytes_up":0,"bytes_down":0,"target":"a.example:443",
               "error":{"code":"RC-TLS-106","stage":"client_tls","kind":"tls","blame":"client","title":TITLE,"detail":"alert 48","retryable":false,
                        "octets":"1503","octets_offset":1,"clause":CLAUSE,"next_steps":STEPS}}},
             "tags":[],"close_reason":{"reason":"tls_error","detail":"alert 48"},"kind":"connection","protocol_stack":["tcp"],
             "connection":{"client":{"id":1,"remote":"[::1]:4000","tunnel_authority":"a.example:443"},"server":null},
             "timings":{"end":0},"octets":{"request_body":0,"response_body":0},"truncated":false,"marks":[]}
            """.Replace("TITLE", JsonSerializer.Serialize(steps.Title), StringComparison.Ordinal)
                .Replace("CLAUSE", JsonSerializer.Serialize(steps.Clause), StringComparison.Ordinal)
                .Replace("STEPS", JsonSerializer.Serialize(steps.NextSteps), StringComparison.Ordinal),
            JsonSerializer.SerializeToUtf8Bytes(_flows.Get(s_id), FlowJson.Default.Flow));
    }

    [Fact]
    public void Get_RunningTunnel_HasNoEndAndItsFirstOctets()
    {
        var recorder = _store.Rent();
        recorder.Begin(FlowKind.Tunnel, s_id, default, new() { Id = 1 }, _time.GetTimestamp());
        recorder.Tunnel("mail.example", 25);
        recorder.Body(PeerRole.Server, "220 ready\r\n"u8);
        recorder.Body(PeerRole.Client, [0xFF, 0xFE]);
        var json = JsonDocument.Parse(JsonSerializer.SerializeToUtf8Bytes(_flows.Get(s_id), FlowJson.Default.Flow)).RootElement;
        Assert.Equal(JsonValueKind.Null, json.GetProperty("end_time").ValueKind);
        Assert.False(json.TryGetProperty("close_reason", out _));
        AssertJson(
            """
            {"type":"Tcp","data":{"bytes_up":2,"bytes_down":11,"target":"mail.example:25",
              "up":{"encoding":"base64","content":"//4=","size":2,"captured":2,"truncated":false},
              "down":{"encoding":"utf-8","content":"220 ready\r\n","size":11,"captured":11,"truncated":false},"error":null}}
            """,
            JsonSerializer.SerializeToUtf8Bytes(json.GetProperty("layer")));
        Assert.Equal(("mail.example:25", "running", ""), _flows.Query(new() { Host = "MAIL" }).Items.Select(x => (x.Url, x.State, x.Method)).Single());
    }

    [Fact]
    public void Get_WebSocket_HasItsHandshake()
    {
        var recorder = _store.Rent();
        recorder.Begin(FlowKind.WebSocket, s_id, s_parent, new() { Id = 1 }, _time.GetTimestamp());
        recorder.Request(new(false, "ws.example", 80), "GET /chat HTTP/1.1\r\nHost: ws.example\r\n\r\n"u8, Http1Repairs.None);
        var layer = Assert.IsType<FlowLayer.WebSocket>(_flows.Get(s_id)!.Layer).Data;
        Assert.Equal(("http://ws.example/chat", 0, false), (layer.HandshakeRequest!.Url, layer.HandshakeResponse!.Status, layer.Closed));
        recorder.Response("HTTP/1.1 101 Switching Protocols\r\n\r\n"u8, Http1Repairs.None);
        recorder.Body(PeerRole.Client, "frames"u8);
        recorder.End(CloseReason.ClientClosed, null, null, _time.GetTimestamp());
        layer = Assert.IsType<FlowLayer.WebSocket>(_flows.Get(s_id)!.Layer).Data;
        Assert.Equal((101, true, 6), (layer.HandshakeResponse!.Status, layer.Closed, layer.BytesUp));
        Assert.Null(layer.HandshakeRequest!.Body);
        Assert.Equal(s_id.ToString(), Assert.Single(_flows.Query(new() { IsWebsocket = true }).Items).Id);
    }

    [Fact]
    public void Get_ChangedRequest_ShowsBoth()
    {
        var recorder = _store.Rent();
        recorder.Begin(FlowKind.Http, s_id, default, new() { Id = 1 }, _time.GetTimestamp());
        recorder.Request(new(false, "a.example", 80), "GET /one HTTP/1.1\r\nHost: a.example\r\n\r\n"u8, Http1Repairs.None);
        recorder.RequestSent(new(true, "b.example", 444), "GET /two HTTP/1.1\r\nHost: b.example\r\nX: y\r\n\r\n"u8);
        recorder.End(CloseReason.ClientClosed, null, null, _time.GetTimestamp());
        var request = ((FlowLayer.Http)_flows.Get(s_id)!.Layer).Data.Request!;
        Assert.Equal(("https://b.example:444/two", "http://a.example/one"), (request.Url, request.Received!.Url));
        Assert.Equal(("b.example", "/two"), _flows.Query(new()).Items.Select(x => (x.Host, x.Path)).Single());
    }

    [Fact]
    public void Query_Pages_AreClampedAndContinueByCursor()
    {
        var recorder = _store.Rent();
        var ids = Enumerable.Range(0, 450).Select(x => FlowId.Create(1_000_000 + x)).ToArray();
        foreach (var id in ids)
        {
            recorder.Begin(FlowKind.Http, id, default, new() { Id = 1 }, _time.GetTimestamp());
            recorder.End(CloseReason.Completed, null, null, _time.GetTimestamp());
        }

        var seen = new List<string>();
        FlowPage page;
        FlowId? cursor = null;
        do
        {
            page = _flows.Query(new() { Limit = 1000, Cursor = cursor });
            seen.AddRange(page.Items.Select(x => x.Id));
            cursor = FlowId.TryParse(page.NextCursor, out var next) ? next : null;
        }
        while (cursor is not null);
        Assert.Equal(ids.Reverse().Select(x => x.ToString()), seen);
        Assert.Equal((1, 200), (_flows.Query(new() { Limit = 0 }).Limit, _flows.Query(new() { Limit = 1000 }).Returned));
        Assert.Equal(ids[449 - 3].ToString(), _flows.Query(new() { Offset = 3, Limit = 1 }).Items[0].Id);
        Assert.Null(_flows.Get(FlowId.Create(5)));
    }

    [Fact]
    public async Task OpenBody_LargeGzip_StreamsTheOctetsAndDecodes()
    {
        var content = new byte[3_000_000];
        new Random(5).NextBytes(content.AsSpan(0, 400_000));
        var octets = ContentCodings.Instance.Encode(content, "gzip");
        var recorder = _store.Rent();
        recorder.Begin(FlowKind.Http, s_id, default, new() { Id = 1 }, _time.GetTimestamp());
        recorder.Response("HTTP/1.1 200 OK\r\nContent-Type: image/x\r\nContent-Encoding: gzip\r\n\r\n"u8, Http1Repairs.None);
        recorder.Body(PeerRole.Server, octets.Span);
        recorder.End(CloseReason.Completed, null, null, _time.GetTimestamp());

        await using var body = _flows.OpenBody(s_id, PeerRole.Server)!;
        using var copy = new MemoryStream();
        await body.CopyToAsync(copy, TestContext.Current.CancellationToken);
        Assert.Equal(octets.ToArray(), copy.ToArray());
        Assert.Equal((octets.Length, false, "image/x", "gzip"), (body.Body.Size, body.Body.IsTruncated, body.Body.ContentType, body.Body.ContentEncoding));
        Assert.Equal(content, _flows.DecodeBody(s_id, PeerRole.Server, null, out var problem)!.Value.ToArray());
        Assert.Null(problem);
        Assert.Null(_flows.OpenBody(s_id, PeerRole.Server, sent: true));
        var shown = ((FlowLayer.Http)_flows.Get(s_id, 1000)!.Layer).Data.Response!.Body!;
        Assert.True(shown.ContentTruncated);
        Assert.False(shown.Truncated);
    }

    private void Record()
    {
        var client = new ClientConnection
        {
            Id = 3,
            RemoteEndPoint = new IPEndPoint(IPAddress.Loopback.MapToIPv6(), 50122),
            LocalEndPoint = new IPEndPoint(IPAddress.Loopback, 8080),
            Listener = new IPEndPoint(IPAddress.Loopback, 8080),
            TunnelAuthority = "shop.example:443",
            Tls = new()
            {
                Version = "TLSv1.3",
                CipherSuite = "TLS_AES_128_GCM_SHA256",
                ApplicationProtocol = "http/1.1",
                ServerName = "shop.example",
                OfferedProtocols = ["http/1.1"],
                OfferedCipherSuites = [0x1301],
                Ja3 = "ja3",
                Ja4 = "ja4",
            },
        };
        var server = new ServerConnection
        {
            Id = 4,
            Host = "shop.example",
            Port = 443,
            RemoteEndPoint = new IPEndPoint(IPAddress.Parse("192.0.2.7"), 443),
            ConnectMicroseconds = 900,
            TlsMicroseconds = 2500,
            Exchanges = 2,
            Tls = new() { Version = "TLSv1.3", PeerCertificates = ["CN=shop.example"] },
        };
        var context = new Exchange();
        context.Begin(s_id, client);
        context.SetTag("mitm");
        context.SetVariable("n", "1");
        context.MatchedRules.Add("r1");
        var recorder = _store.Rent();
        recorder.Begin(FlowKind.Http, s_id, s_parent, client, _time.GetTimestamp());
        recorder.Request(new(true, "shop.example", 443), "GET /cart?x=1&y=a%20b HTTP/1.1\r\nHost: shop.example\r\nCookie: a=1; b=2\r\n\r\n"u8, Http1Repairs.None);
        recorder.Server(server);
        _time.Advance(TimeSpan.FromMilliseconds(10));
        recorder.Stamp(TimingPoint.ResponseHead, _time.GetTimestamp());
        recorder.Response("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nSet-Cookie: s=9; Path=/; HttpOnly; Expires=Thu, 24 Sep 2026 09:00:00 GMT\r\n\r\n"u8, Http1Repairs.None);
        recorder.Mutate(new("rule:r1", Stage.ResponseHead, "response.headers.X-Old", "1", null, 12_000));
        recorder.Body(PeerRole.Server, ContentCodings.Instance.Encode("hello"u8.ToArray(), "gzip").Span);
        _time.Advance(TimeSpan.FromMilliseconds(10));
        recorder.Stamp(TimingPoint.ResponseEnd, _time.GetTimestamp());
        recorder.Mark(FlowMarks.ServerReused | FlowMarks.Intercepted);
        _time.Advance(TimeSpan.FromMilliseconds(10));
        recorder.End(CloseReason.Completed, null, context, _time.GetTimestamp());
    }

    private static void AssertJson(string expected, byte[] actual)
    {
        var size = ContentCodings.Instance.Encode("hello"u8.ToArray(), "gzip").Length;
        expected = expected.Replace("SIZE", size.ToString(System.Globalization.CultureInfo.InvariantCulture), StringComparison.Ordinal)
            .Replace("OCTETS", "72", StringComparison.Ordinal).Replace("RESPONSE", "117", StringComparison.Ordinal);
        var (wanted, got) = (JsonSerializer.Serialize(JsonDocument.Parse(expected).RootElement), JsonSerializer.Serialize(JsonDocument.Parse(actual).RootElement));
        Assert.Equal(wanted, got);
    }
}

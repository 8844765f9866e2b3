using System.Globalization;
using System.Text;
using CsCheck;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Protocols;
using RelayCore.Protocols.Http1;
using Xunit;
using static RelayCore.Engine.Tests.Capture.CaptureDriver;

namespace RelayCore.Engine.Tests.Capture;

public sealed class FlowRoundTripTests
{
    private static readonly Gen<string> s_token = Gen.String[Gen.Char['a', 'z'], 1, 12];

    private static readonly Gen<(string Name, string Value)[]> s_fields =
        Gen.Select(s_token, Gen.String[Gen.Char[(char)0x21, (char)0xFF].Where(x => x is < (char)0x7F or > (char)0xA0), 0, 60], (x, y) => (Name: "X-" + x, Value: y.Trim())).Array[0, 30];

    private static readonly Gen<int[]> s_pieces = Gen.Int[0, 30_000].Array[0, 8];

    private static readonly Gen<string?> s_text = Gen.Select(Gen.Int[0, 4], Gen.String[0, 400], (x, y) => x == 0 ? null : Valid(y));

    private static readonly Gen<Mutation[]> s_mutations =
        Gen.Select(s_token, s_token, s_text, s_text, Gen.Long[0, 1L << 40], (a, t, b, c, at) => new Mutation("rule:" + a, Stage.ResponseHead, "request.headers." + t, b, c, at)).Array[0, 5];

    [Fact]
    public void Find_AnyFlow_GivesBackWhatWasRecorded() =>
        Gen.Select(s_token, s_fields, s_fields, s_pieces, s_pieces, s_mutations, Gen.Int[100, 999], Gen.Long[0, 200_000]).Sample(
            (host, requestFields, responseFields, up, down, mutations, status, maxBody) =>
            {
                using var store = Store(8 * 1024 * 1024, maxBody: maxBody);
                var recorder = store.Rent();
                var (id, parent) = (NewId(), NewId());
                var (upOctets, downOctets) = (FlowStoreTests.Pattern(up.Sum(), 1), FlowStoreTests.Pattern(down.Sum(), 2));
                var start = TimeProvider.System.GetTimestamp();
                var context = new Exchange();
                context.Begin(id, Client());
                context.SetTag("proxy");
                context.SetVariable("v", host);
                context.MatchedRules.Add("r1");

                recorder.Begin(FlowKind.Http, id, parent, context.Client, start);
                recorder.Request(new(true, host, 8443), Head($"PUT /{host}?a=b%20c HTTP/1.1", requestFields), Http1Repairs.BareLineFeed);
                var (upAt, downAt) = (0, 0);
                for (var i = 0; i < Math.Max(up.Length, down.Length); i++)
                {
                    if (i < up.Length)
                    {
                        recorder.Body(PeerRole.Client, upOctets.AsSpan(upAt, up[i]));
                        upAt += up[i];
                    }

                    if (i < down.Length)
                    {
                        recorder.Body(PeerRole.Server, downOctets.AsSpan(downAt, down[i]));
                        downAt += down[i];
                    }
                }

                foreach (var mutation in mutations)
                {
                    recorder.Mutate(mutation);
                }

                recorder.Response(Head(string.Create(CultureInfo.InvariantCulture, $"HTTP/1.1 {status} Fine"), responseFields), Http1Repairs.None);
                recorder.Trailers(PeerRole.Server, "X-Sum: 1\r\n\r\n"u8);
                recorder.Stamp(TimingPoint.RequestHead, start + (TimeProvider.System.TimestampFrequency / 1000));
                recorder.End(CloseReason.UpstreamClosed, Fault, context, start + TimeProvider.System.TimestampFrequency);

                using var captured = store.Find(id)!;
                var flow = captured.ToFlow(null, int.MaxValue);
                var http = ((FlowLayer.Http)flow.Layer).Data;
                Assert.Equal(requestFields.Select(x => (x.Name, x.Value)), http.Request!.Headers.Select(x => (x[0], x[1])));
                Assert.Equal(responseFields.Select(x => (x.Name, x.Value)), http.Response!.Headers.Select(x => (x[0], x[1])));
                Assert.Equal(upOctets.Take((int)maxBody), captured.ReadBody(PeerRole.Client, false, int.MaxValue));
                Assert.Equal(downOctets.Take((int)maxBody), captured.ReadBody(PeerRole.Server, false, int.MaxValue));
                Assert.Equal((upOctets.Length, downOctets.Length), (flow.Octets.RequestBody, flow.Octets.ResponseBody));
                Assert.Equal(upOctets.Length > maxBody || downOctets.Length > maxBody, flow.Truncated);
                Assert.Equal(mutations.Select(x => (x.Actor, x.Target, x.Before, x.After, x.AtMicroseconds)), (flow.Mutations ?? []).Select(x => (x.Actor, x.Target, x.Before, x.After, x.AtUs)));
                Assert.Equal((status, $"https://{host}:8443/{host}?a=b%20c", parent.ToString()), (http.Response.Status, http.Request.Url, flow.ParentId));
                Assert.Equal(["a", "b c"], Assert.Single(http.Request.Query));
                Assert.Equal(["X-Sum", "1"], Assert.Single(http.Response.Trailers!));
                Assert.Equal(["bare_line_feed"], flow.Repairs!.Request);
                Assert.Equal((1000, 1_000_000), (flow.Timings["request_head"], flow.Timings["end"]));
                Assert.False(flow.Timings.ContainsKey("response_head"));
                Assert.Equal(("proxy", host, "r1"), (flow.Tags.Single(), flow.RuleVariables!["v"], flow.MatchedRules!.Single()));
                Assert.Equal(("RC-CONN-001", "server", "transport"), (http.Error!.Code, http.Error.Blame, http.Error.Kind));

                // And through JSON.
                var json = System.Text.Json.JsonSerializer.Serialize(flow, FlowJson.Default.Flow);
                var again = System.Text.Json.JsonSerializer.Deserialize(json, FlowJson.Default.Flow);
                Assert.Equal(json, System.Text.Json.JsonSerializer.Serialize(again, FlowJson.Default.Flow));
            },
            iter: 300);

    [Fact]
    public void Find_ConnectionFacts_ComeBackFromEverySlab()
    {
        using var store = Store(32 * 1024 * 1024);
        var recorder = store.Rent();
        var (client, server) = (Client(), Server());
        client.Tls = new() { Version = "TLSv1.3", ServerName = "shop.example", ApplicationProtocol = "http/1.1", Ja3 = new('a', 32), Ja4 = "t13d", OfferedCipherSuites = [0x1301, 0x0A0A], OfferedProtocols = ["h2", "http/1.1"] };
        var ids = new List<FlowId>();
        for (var i = 0; i < 3000; i++)
        {
            if (i == 1500)
            {
                server.Tls = new() { Version = "TLSv1.2", PeerCertificates = ["CN=shop.example"], IsResumed = true };
            }

            ids.Add(NewId());
            Get(recorder, ids[^1], client, server, Kilobyte);
        }

        for (var i = 0; i < ids.Count; i += 101)
        {
            using var captured = store.Find(ids[i]);
            var connection = captured!.ToFlow(null).Connection;
            Assert.Equal((client.Id, "TLSv1.3", 32, "t13d"), (connection.Client.Id, connection.Client.Tls!.Version, connection.Client.Tls.Ja3!.Length, connection.Client.Tls.Ja4));
            Assert.Equal([0x1301, 0x0A0A], connection.Client.Tls.OfferedCiphers!);
            Assert.Equal(i < 1500 ? null : "TLSv1.2", connection.Server!.Tls?.Version);
            Assert.Equal((250L, (long?)null), (connection.Server.ConnectUs, connection.Server.ResolveUs));
        }
    }

    [Fact]
    public void Request_HeadLargerThanASlab_IsStored()
    {
        using var store = Store(64 * 1024 * 1024);
        var recorder = store.Rent();
        var id = NewId();
        recorder.Begin(FlowKind.Http, id, default, Client(), TimeProvider.System.GetTimestamp());
        recorder.Request(Shop, Head("GET / HTTP/1.1", [("X-Big", new('x', 1_500_000))]), Http1Repairs.None);
        recorder.End(CloseReason.Completed, null, null, TimeProvider.System.GetTimestamp());
        Assert.Equal(1_500_000, ((FlowLayer.Http)store.Find(id)!.ToFlow(null).Layer).Data.Request!.Headers[0][1].Length);
    }

    [Fact]
    public void Request_HeadLargerThanAnyRecord_IsMarked()
    {
        using var store = Store(4 * 1024 * 1024);
        var recorder = store.Rent();
        var id = NewId();
        recorder.Begin(FlowKind.Http, id, default, Client(), TimeProvider.System.GetTimestamp());
        recorder.Request(Shop, Head("GET / HTTP/1.1", [("X-Big", new('x', 1_500_000))]), Http1Repairs.None);
        recorder.End(CloseReason.Completed, null, null, TimeProvider.System.GetTimestamp());
        var flow = store.Find(id)!.ToFlow(null);
        Assert.True(flow.Truncated);
        Assert.Null(((FlowLayer.Http)flow.Layer).Data.Request);
    }

    private static byte[] Head(string start, (string Name, string Value)[] fields) =>
        Encoding.Latin1.GetBytes(start + "\r\n" + string.Concat(fields.Select(x => $"{x.Name}: {x.Value}\r\n")) + "\r\n");

    // Lone surrogates cannot be stored as UTF-8.
    private static string Valid(string text) => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));
}

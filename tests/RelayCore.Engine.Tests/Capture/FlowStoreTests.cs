using RelayCore.Core.Flows;
using RelayCore.Protocols;
using RelayCore.Protocols.Http1;
using Xunit;
using static RelayCore.Engine.Tests.Capture.CaptureDriver;

namespace RelayCore.Engine.Tests.Capture;

public sealed class FlowStoreTests
{
    [Fact]
    public void Find_FinishedFlow_HasEverything()
    {
        using var store = Store();
        var recorder = store.Rent();
        var id = NewId();
        Get(recorder, id, Client(), Server(), Kilobyte);

        using var captured = store.Find(id);
        Assert.NotNull(captured);
        var flow = captured.ToFlow(null);
        var http = Assert.IsType<FlowLayer.Http>(flow.Layer).Data;
        Assert.Equal("http://shop.example/cart?x=1", http.Request!.Url);
        Assert.Equal("GET", http.Request.Method);
        Assert.Equal("200 OK", http.Response!.StatusText);
        Assert.Equal(Kilobyte, captured.ReadBody(PeerRole.Server, false, int.MaxValue));
        Assert.Equal("completed", flow.CloseReason!.Reason);
        Assert.NotNull(flow.EndTime);
        Assert.Equal(1024, http.Response.Body!.Size);
        Assert.False(flow.Truncated);
        Assert.Equal("127.0.0.1", flow.Network.ClientIp);
        Assert.Equal("127.0.0.9", flow.Network.ServerIp);
    }

    [Fact]
    public void Find_RunningFlow_IsSeenAsFarAsItGot()
    {
        using var store = Store();
        var recorder = store.Rent();
        var id = NewId();
        recorder.Begin(FlowKind.Http, id, default, Client(), TimeProvider.System.GetTimestamp());
        recorder.Request(Shop, RequestHead, Http1Repairs.None);
        recorder.Body(PeerRole.Client, "abc"u8);

        using var captured = store.Find(id);
        var flow = captured!.ToFlow(null);
        Assert.True(captured.IsRunning);
        Assert.Null(flow.EndTime);
        Assert.Null(flow.CloseReason);
        Assert.Equal("abc", ((FlowLayer.Http)flow.Layer).Data.Request!.Body!.Content);
        Assert.Equal("running", Assert.Single(store.List(new())).State);
        Assert.Equal(1, store.Statistics.Running);
    }

    [Fact]
    public void List_AcrossSlabs_IsNewestFirstAndComplete()
    {
        using var store = Store(64 * 1024 * 1024);
        var recorder = store.Rent();
        var (client, server) = (Client(), Server());
        var ids = new List<FlowId>();
        for (var i = 0; i < 3000; i++)
        {
            ids.Add(NewId());
            Get(recorder, ids[^1], client, server, Kilobyte);
        }

        ids.Sort((x, y) => y.CompareTo(x));
        Assert.Equal(ids.Select(x => x.ToString()), store.List(new()).Select(x => x.Id));
        Assert.Equal(ids.Skip(2001).Select(x => x.ToString()), store.List(new() { Cursor = ids[2000] }).Select(x => x.Id));
        Assert.Equal(3000, store.Statistics.Stored);
    }

    [Fact]
    public void List_Filters_AreApplied()
    {
        using var store = Store();
        var recorder = store.Rent();
        var id = NewId();
        Get(recorder, id, Client(), Server(), Kilobyte);
        var failed = NewId();
        recorder.Begin(FlowKind.Http, failed, default, Client(), TimeProvider.System.GetTimestamp());
        recorder.Request(new(true, "other.example", 8443), "POST /Login HTTP/1.1\r\nHost: other.example:8443\r\n\r\n"u8, Http1Repairs.None);
        recorder.End(CloseReason.UpstreamClosed, Fault, null, TimeProvider.System.GetTimestamp());

        string[] Ids(FlowQuery query) => [.. store.List(query).Select(x => x.Id)];
        Assert.Equal([id.ToString()], Ids(new() { Host = "SHOP" }));
        Assert.Equal([failed.ToString()], Ids(new() { PathContains = "login" }));
        Assert.Equal([failed.ToString()], Ids(new() { Method = "post" }));
        Assert.Equal([id.ToString()], Ids(new() { StatusMin = 200, StatusMax = 299 }));
        Assert.Equal([failed.ToString()], Ids(new() { HasError = true }));
        Assert.Equal([id.ToString()], Ids(new() { HasError = false }));
        Assert.Empty(Ids(new() { IsWebsocket = true }));
        Assert.Equal("https://other.example:8443/Login", store.List(new() { HasError = true }).Single().Url);
        Assert.Equal("RC-CONN-001", store.List(new() { HasError = true }).Single().ErrorCode);
    }

    [Fact]
    public void Commit_MoreThanMaxFlows_EvictsExactlyTheOldest()
    {
        using var store = Store(maxFlows: 10);
        var recorder = store.Rent();
        var (client, server) = (Client(), Server());
        var ids = Enumerable.Range(0, 25).Select(_ => NewId()).ToList();
        foreach (var id in ids)
        {
            Get(recorder, id, client, server, Kilobyte);
        }

        Assert.Equal(ids.TakeLast(10).Order(), store.List(new()).Select(x => FlowId.TryParse(x.Id, out var id) ? id : default).Order());
        Assert.Null(store.Find(ids[0]));
        Assert.Equal((25, 15, 10), (store.Statistics.Stored, store.Statistics.Evicted, store.Statistics.Live));
    }

    [Fact]
    public void Commit_BodiesBeyondTheBudget_KeepsHeadsAndSaysSo()
    {
        using var store = Store(4 * 1024 * 1024);
        var (recorder, other) = (store.Rent(), store.Rent());
        var (id, second) = (NewId(), NewId());
        var now = TimeProvider.System.GetTimestamp();
        recorder.Begin(FlowKind.Http, id, default, Client(), now);
        recorder.Request(Shop, RequestHead, Http1Repairs.None);
        recorder.Response(ResponseHead, Http1Repairs.None);
        var piece = new byte[64 * 1024];
        for (var i = 0; i < 100; i++)
        {
            recorder.Body(PeerRole.Server, piece);
        }

        Get(other, second, Client(), Server(), Kilobyte);
        recorder.End(CloseReason.Completed, null, null, now + 1);
        Assert.InRange(store.Statistics.MemoryUsed, 0, 4 * 1024 * 1024);
        using var captured = store.Find(id);
        var flow = captured!.ToFlow(null);
        Assert.True(flow.Truncated);
        Assert.Contains("capture_budget_exceeded", flow.Marks);
        Assert.Equal(100 * 64 * 1024, flow.Octets.ResponseBody);
        var body = ((FlowLayer.Http)flow.Layer).Data.Response!.Body!;
        Assert.True(body.Truncated);
        Assert.True(body.Captured < body.Size);
        Assert.True(store.Statistics.Truncated >= 1);
        Assert.Equal(0, store.Statistics.Running);
    }

    [Fact]
    public void Body_OverMaxBodyCapture_IsCountedButCut()
    {
        using var store = Store(maxBody: 100_000);
        var recorder = store.Rent();
        var id = NewId();
        var body = Pattern(300_000);
        recorder.Begin(FlowKind.Http, id, default, Client(), TimeProvider.System.GetTimestamp());
        recorder.Request(Shop, RequestHead, Http1Repairs.None);
        for (var i = 0; i < body.Length; i += 7_000)
        {
            recorder.Body(PeerRole.Client, body.AsSpan(i, Math.Min(7_000, body.Length - i)));
        }

        recorder.End(CloseReason.ClientClosed, null, null, TimeProvider.System.GetTimestamp());
        using var captured = store.Find(id);
        Assert.Equal(body.AsSpan(0, 100_000).ToArray(), captured!.ReadBody(PeerRole.Client, false, int.MaxValue));
        var shown = ((FlowLayer.Http)captured.ToFlow(null).Layer).Data.Request!.Body!;
        Assert.Equal((300_000L, 100_000L, true), (shown.Size, shown.Captured, shown.Truncated));
        Assert.Contains("request_body_truncated", captured.ToFlow(null).Marks);
    }

    [Fact]
    public void ReadBody_SentAfterAPrefix_ContinuesWhatWasReceived()
    {
        using var store = Store();
        var recorder = store.Rent();
        var id = NewId();
        recorder.Begin(FlowKind.Http, id, default, Client(), TimeProvider.System.GetTimestamp());
        recorder.Request(Shop, RequestHead, Http1Repairs.None);
        recorder.Response(ResponseHead, Http1Repairs.None);
        recorder.Body(PeerRole.Server, "one "u8);
        recorder.SentSoFar(PeerRole.Server);
        recorder.Body(PeerRole.Server, "two"u8);
        recorder.BodySent(PeerRole.Server, "2"u8);
        recorder.End(CloseReason.Completed, null, null, TimeProvider.System.GetTimestamp());

        using var captured = store.Find(id);
        Assert.Equal("one two"u8.ToArray(), captured!.ReadBody(PeerRole.Server, false, int.MaxValue));
        Assert.Equal("one 2"u8.ToArray(), captured.ReadBody(PeerRole.Server, true, int.MaxValue));
        Assert.Equal(-1, captured.BodyLength(PeerRole.Client, true));
        var response = ((FlowLayer.Http)captured.ToFlow(null).Layer).Data.Response!;
        Assert.Equal(("one 2", "one two"), (response.Body!.Content, response.Received!.Body!.Content));
    }

    [Fact]
    public void Find_LargeBodyEvictedMeanwhile_StillReads()
    {
        using var store = Store(8 * 1024 * 1024, maxFlows: 1);
        var recorder = store.Rent();
        var id = NewId();
        var body = Pattern(1_000_000);
        Get(recorder, id, Client(), Server(), body);
        using var captured = store.Find(id);
        for (var i = 0; i < 20; i++)
        {
            Get(recorder, NewId(), Client(), Server(), Pattern(1_000_000, seed: 77));
        }

        Assert.Null(store.Find(id));
        Assert.Equal(body, captured!.ReadBody(PeerRole.Server, false, int.MaxValue));
    }

    [Fact]
    public void Return_RunningFlow_IsStoredAsReset()
    {
        using var store = Store();
        var recorder = store.Rent();
        var id = NewId();
        recorder.Begin(FlowKind.Http, id, default, Client(), TimeProvider.System.GetTimestamp());
        store.Return(recorder);
        Assert.Equal("reset", store.Find(id)!.ToFlow(null).CloseReason!.Reason);
    }

    [Fact]
    public async Task List_WhileCommittingAndEvicting_ShowsEachOnceAndNeverWrongData()
    {
        using var store = Store(4 * 1024 * 1024, maxFlows: 1500);
        using var stop = new CancellationTokenSource();
        var writers = Enumerable.Range(0, 2).Select(_ => Task.Run(() =>
        {
            var recorder = store.Rent();
            var (client, server) = (Client(), Server());
            for (var i = 0; i < 20_000; i++)
            {
                var id = NewId();
                // The body says which flow it belongs to, all through; every 16th has native blocks.
                Get(recorder, id, client, server, Signed(id, i % 16 == 0 ? 40_000 : 512));
            }

            store.Return(recorder);
        })).ToArray();
        var readers = Enumerable.Range(0, 2).Select(_ => Task.Run(() =>
        {
            var seen = 0;
            while (!stop.IsCancellationRequested || seen == 0)
            {
                var ids = new HashSet<string>();
                string? last = null;
                foreach (var summary in store.List(new()).Take(300))
                {
                    Assert.True(ids.Add(summary.Id), "a flow was listed twice");
                    Assert.True(last is null || string.CompareOrdinal(summary.Id, last) < 0, "not newest first");
                    last = summary.Id;
                    if (ids.Count % 10 != 0 || !FlowId.TryParse(summary.Id, out var id))
                    {
                        continue;
                    }

                    using var flow = store.Find(id);
                    if (flow is { IsRunning: false })
                    {
                        var body = flow.ReadBody(PeerRole.Server, false, int.MaxValue);
                        var shown = flow.ToSummary();
                        var wanted = Signed(id, (int)shown.Size);
                        Assert.Equal(shown.Truncated ? wanted[..body.Length] : wanted, body);
                        seen++;
                    }
                }
            }

            return seen;
        })).ToArray();
        await Task.WhenAll(writers);
        await stop.CancelAsync();
        var read = await Task.WhenAll(readers);
        Assert.All(read, x => Assert.True(x > 0));
        var statistics = store.Statistics;
        Assert.Equal(40_000, statistics.Stored + statistics.Dropped);
        Assert.Equal(statistics.Live, store.List(new()).Count());
        Assert.InRange(statistics.MemoryUsed, 1, 4 * 1024 * 1024);
    }

    internal static byte[] Pattern(int length, int seed = 1)
    {
        var octets = new byte[length];
        new Random(seed).NextBytes(octets);
        return octets;
    }

    private static byte[] Signed(FlowId id, int length)
    {
        var octets = new byte[length];
        var sign = new byte[16];
        id.Value.TryWriteBytes(sign);
        for (var i = 0; i < length; i++)
        {
            octets[i] = (byte)(sign[i % 16] ^ (i >> 8));
        }

        return octets;
    }
}

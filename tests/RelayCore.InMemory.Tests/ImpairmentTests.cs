using System.Text;
using RelayCore.Core.Interception;
using RelayCore.InMemory.Tests.Http2;
using RelayCore.Protocols.Http2;
using RelayCore.Testing;
using Xunit;

namespace RelayCore.InMemory.Tests;

/// <summary>Messages delayed, damaged or cut short on purpose: the octets a peer gets, and when.</summary>
public sealed class ImpairmentTests
{
    private const string Get = "GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\n\r\n";
    private const string OkHead = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n";
    private const string ChunkedHead = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

    private static readonly string s_body = string.Concat(Enumerable.Range(0, 100).Select(static x => (char)('0' + (x % 10))));
    private static readonly string s_chunks = $"{ChunkedHead}32;x=1\r\n{s_body[..50]}\r\n32\r\n{s_body[50..]}\r\n0\r\nT: v\r\n\r\n";

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Pace_Response_TakesItsTimeAndStaysOctetExact(bool isChunked)
    {
        await using var scene = await Scene.StartAsync(response: time => new() { Paces = [new(1000, 0, time)] });
        var answer = isChunked ? s_chunks : OkHead + s_body;
        await scene.AnswerAsync(answer);
        Assert.Equal(isChunked ? ChunkedHead : OkHead, await scene.Client.ReadHeadAsync());
        var rest = answer[answer.IndexOf("\r\n\r\n", StringComparison.Ordinal)..][4..];
        var (octets, time) = await scene.ReadOverTimeAsync(rest.Length);
        Assert.Equal(rest, octets);
        Assert.InRange(time.TotalMilliseconds, 90, 1500);
        await scene.AssertFlowAsync("completed");
        await scene.AssertServesAsync();
    }

    [Fact]
    public async Task Pace_Shared_GivesEachTheSame()
    {
        TokenBucket? shared = null;
        var impairer = new Impairer(null, time => new() { Paces = [shared ??= new(1000, 0, time)] });
        await using var proxy = await TestProxy.StartAsync(x => x with { Interceptors = [impairer] });
        impairer.Time = proxy.Time;
        var origin = proxy.Origin();
        var clients = new[] { proxy.Connect(), proxy.Connect() };
        foreach (var client in clients)
        {
            await client.SendAsync(Get);
            var server = await origin.AcceptAsync();
            await server.ReadHeadAsync();
            await server.SendAsync(OkHead + s_body);
            await client.ReadHeadAsync();
        }

        var both = Task.WhenAll(clients.Select(x => x.ReadAsync(100)));
        var before = proxy.Time.GetUtcNow();
        await Scene.PassTimeAsync(proxy, both);
        Assert.All(await both, x => Assert.Equal(s_body, x));
        Assert.InRange((proxy.Time.GetUtcNow() - before).TotalMilliseconds, 100, 1500);
    }

    [Fact]
    public async Task Pace_Request_TakesItsTimeAndKeepsTimeOutsQuiet()
    {
        await using var scene = await Scene.StartAsync(
            request: time => new() { Paces = [new(10, 0, time)] },
            limits: x => x with { BodyTimeout = TimeSpan.FromSeconds(2), FirstByteTimeout = TimeSpan.FromSeconds(2), TotalTimeout = TimeSpan.FromSeconds(4) });
        await scene.Client.SendAsync($"POST http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nContent-Length: 100\r\n\r\n{s_body}");
        var server = await scene.Origin.AcceptAsync();
        Assert.Equal("POST / HTTP/1.1\r\nHost: origin.test\r\nContent-Length: 100\r\n\r\n", await server.ReadHeadAsync());
        var reading = server.ReadAsync(100);
        var before = scene.Proxy.Time.GetUtcNow();
        await Scene.PassTimeAsync(scene.Proxy, reading);
        Assert.Equal(s_body, await reading);
        Assert.InRange((scene.Proxy.Time.GetUtcNow() - before).TotalSeconds, 9.5, 12);
        await server.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        Assert.EndsWith("ok", await scene.Client.ReadMessageAsync(), StringComparison.Ordinal);
        await scene.AssertFlowAsync("completed");
    }

    [Fact]
    public async Task Head_ByPieces_ComesSlowly()
    {
        await using var scene = await Scene.StartAsync(response: _ => new() { HeadDelay = TimeSpan.FromMilliseconds(100), HeadPieceOctets = 10, HeadInterval = TimeSpan.FromMilliseconds(50) });
        await scene.AnswerAsync(OkHead + s_body);
        var (octets, time) = await scene.ReadOverTimeAsync(OkHead.Length + 100);
        Assert.Equal(OkHead + s_body, octets);
        Assert.InRange(time.TotalMilliseconds, 100 + ((OkHead.Length - 1) / 10 * 50) - 5, 2000);
    }

    [Fact]
    public async Task Body_DelayedAndByPieces_ComesSlowly()
    {
        await using var scene = await Scene.StartAsync(response: _ => new() { BodyDelay = TimeSpan.FromMilliseconds(200), BodyPieceOctets = 20, BodyInterval = TimeSpan.FromMilliseconds(100) });
        await scene.AnswerAsync(OkHead + s_body);
        Assert.Equal(OkHead, await scene.Client.ReadHeadAsync());
        var (octets, time) = await scene.ReadOverTimeAsync(100);
        Assert.Equal(s_body, octets);
        Assert.InRange(time.TotalMilliseconds, 590, 2000);
    }

    [Fact]
    public async Task Stall_ForAWhile_GoesOn()
    {
        await using var scene = await Scene.StartAsync(response: _ => new() { StallAfter = 30, StallFor = TimeSpan.FromSeconds(3) });
        await scene.AnswerAsync(s_chunks);
        await scene.Client.ReadHeadAsync();
        Assert.EndsWith(s_body[..30], await scene.Client.ReadAsync("32;x=1\r\n".Length + 30), StringComparison.Ordinal);
        var (octets, time) = await scene.ReadOverTimeAsync(s_chunks.Length - ChunkedHead.Length - 38);
        Assert.EndsWith("0\r\nT: v\r\n\r\n", octets, StringComparison.Ordinal);
        Assert.InRange(time.TotalSeconds, 2.9, 5);
    }

    [Fact]
    public async Task Stall_ForEver_EndsWhenTheClientLeaves()
    {
        await using var scene = await Scene.StartAsync(response: _ => new() { StallAfter = 30 });
        await scene.AnswerAsync(OkHead + s_body);
        await scene.Client.ReadAsync(OkHead.Length + 30);
        scene.Proxy.Advance(TimeSpan.FromMinutes(20)); // far beyond every time-out
        Assert.DoesNotContain(scene.Proxy.Flows(), static x => x.CloseReason is not null);
        scene.Client.Reset();
        await scene.Proxy.PassTimeAsync(scene.Proxy.FlowAsync(), TimeSpan.FromSeconds(10));
        await scene.AssertFlowAsync("client_closed", "RC-HTTP-315");
    }

    [Fact]
    public async Task Stall_ForEver_IsBounded()
    {
        await using var scene = await Scene.StartAsync(response: _ => new() { StallAfter = 0 });
        await scene.AnswerAsync(OkHead + s_body);
        await scene.Client.ReadHeadAsync();
        var end = scene.Client.DrainAsync();
        for (var i = 0; i < 62 * 60 && !end.IsCompleted; i++)
        {
            scene.Proxy.Time.Advance(TimeSpan.FromSeconds(1));
            await Task.Yield();
        }

        Assert.Equal(("", true), await end);
        await scene.AssertFlowAsync("reset", "RC-POL-012");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Truncate_Response_EndsInOrder(bool isChunked)
    {
        await using var scene = await Scene.StartAsync(response: _ => new() { TruncateAfter = 60 });
        await scene.AnswerAsync(isChunked ? s_chunks : OkHead + s_body);
        var expected = isChunked ? s_chunks[..(s_chunks.IndexOf("\r\n32\r\n", StringComparison.Ordinal) + 6 + 10)] : OkHead + s_body[..60];
        Assert.Equal((expected, false), await scene.Client.DrainAsync());
        var flow = await scene.AssertFlowAsync("policy_drop", "RC-POL-010");
        Assert.Equal(s_body[..60], flow.Http().Response!.Body!.Content);
        Assert.Equal(s_body, flow.Http().Response!.Received!.Body!.Content);
    }

    [Fact]
    public async Task Truncate_BehindTheEnd_DoesNothing()
    {
        await using var scene = await Scene.StartAsync(response: _ => new() { TruncateAfter = 100, ResetAfter = 100 });
        await scene.AnswerAsync(OkHead + s_body);
        Assert.Equal(OkHead + s_body, await scene.Client.ReadMessageAsync());
        await scene.AssertFlowAsync("completed");
        await scene.AssertServesAsync();
    }

    [Fact]
    public async Task Reset_Response_ResetsTheConnectionBehindThoseOctets()
    {
        await using var scene = await Scene.StartAsync(response: _ => new() { ResetAfter = 40 });
        await scene.AnswerAsync(OkHead + s_body);
        Assert.Equal(OkHead + s_body[..40], await scene.Client.ReadAsync(OkHead.Length + 40));
        var end = scene.Client.DrainAsync();
        await scene.Proxy.PassTimeAsync(end, TimeSpan.FromSeconds(5));
        Assert.Equal(("", true), await end);
        await scene.AssertFlowAsync("reset", "RC-POL-011");
    }

    [Theory]
    [InlineData(true, 0)]
    [InlineData(false, 0)]
    [InlineData(true, 7)]
    public async Task TruncateOrReset_Request_TheServerSeesThatAndTheClientIsTold(bool isCut, int after)
    {
        await using var scene = await Scene.StartAsync(request: _ => isCut ? new() { TruncateAfter = after } : new() { ResetAfter = after });
        await scene.Client.SendAsync($"POST http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nContent-Length: 100\r\n\r\n{s_body}");
        var server = await scene.Origin.AcceptAsync();
        await server.ReadHeadAsync();
        var end = server.DrainAsync();
        await scene.Proxy.PassTimeAsync(end, TimeSpan.FromSeconds(5));
        Assert.Equal((s_body[..after], !isCut), await end);
        server.Close();
        FlowViews.AssertGenerated(await scene.Client.ReadMessageAsync(), 502, isCut ? "RC-POL-010" : "RC-POL-011");
        await scene.AssertFlowAsync(isCut ? "policy_drop" : "reset", isCut ? "RC-POL-010" : "RC-POL-011");
    }

    [Fact]
    public async Task Truncate_Request_AnswerOfTheServerGoesOn()
    {
        await using var scene = await Scene.StartAsync(request: _ => new() { TruncateAfter = 5 });
        await scene.Client.SendAsync($"POST http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nContent-Length: 100\r\n\r\n{s_body}");
        var server = await scene.Origin.AcceptAsync();
        await server.ReadHeadAsync();
        Assert.Equal(s_body[..5], await server.ReadToEndAsync());
        await server.SendAsync("HTTP/1.1 400 Bad Request\r\nContent-Length: 5\r\n\r\nshort");
        Assert.EndsWith("short", await scene.Client.ReadMessageAsync(), StringComparison.Ordinal);
        await scene.AssertFlowAsync("completed");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Corrupt_SameSeed_SameBitsHoweverTheyCome(bool isChunked)
    {
        var seen = new List<string>();
        for (var i = 0; i < 2; i++)
        {
            await using var scene = await Scene.StartAsync(response: _ => new() { CorruptRate = 0.2, Seed = 7 });
            await scene.AnswerAsync(isChunked ? s_chunks : OkHead + s_body, slowly: i == 1);
            var answer = await scene.Client.ReadMessageAsync();
            var original = isChunked ? s_chunks : OkHead + s_body;
            Assert.Equal(original.Length, answer.Length);
            var differing = original.Zip(answer).Count(static x => x.First != x.Second);
            Assert.InRange(differing, 8, 35);
            Assert.All(original.Zip(answer), static x => Assert.InRange(System.Numerics.BitOperations.PopCount((uint)(x.First ^ x.Second)), 0, 1));
            seen.Add(answer);
            var flow = await scene.AssertFlowAsync("completed");
            Assert.NotEqual(s_body, flow.Http().Response!.Body!.Content);
            Assert.Equal(s_body, flow.Http().Response!.Received!.Body!.Content);
        }

        Assert.Equal(seen[0], seen[1]);
    }

    [Fact]
    public async Task Loss_Sized_OctetsAreMissingAndTheConnectionEnds()
    {
        await using var scene = await Scene.StartAsync(response: _ => new() { LossRate = 0.5, LossPieceOctets = 10, Seed = 3 });
        await scene.AnswerAsync(OkHead + s_body);
        var (octets, wasReset) = await scene.Client.DrainAsync();
        Assert.False(wasReset);
        Assert.StartsWith(OkHead, octets, StringComparison.Ordinal);
        Assert.InRange(octets.Length - OkHead.Length, 10, 90);
        Assert.Equal(0, (octets.Length - OkHead.Length) % 10);
        var flow = await scene.AssertFlowAsync("completed");
        Assert.Equal(octets[OkHead.Length..], flow.Http().Response!.Body!.Content);
    }

    [Fact]
    public async Task Loss_Chunked_FramingStaysWhole()
    {
        await using var scene = await Scene.StartAsync(response: _ => new() { LossRate = 0.5, LossPieceOctets = 10, Seed = 3 });
        await scene.AnswerAsync(s_chunks);
        var answer = await scene.Client.ReadMessageAsync(); // by its chunks
        Assert.EndsWith("0\r\nT: v\r\n\r\n", answer, StringComparison.Ordinal);
        var data = (await scene.AssertFlowAsync("completed")).Http().Response!.Body!.Content!;
        Assert.InRange(data.Length, 10, 90);
        Assert.Equal(data.Length / 10, answer.Split("\r\na\r\n").Length - 1);
    }

    [Theory]
    [InlineData(MalformedFraming.ContentLengthLong, "HTTP/1.1 200 OK\r\nContent-Length: 1100\r\n\r\n{0}")]
    [InlineData(MalformedFraming.ContentLengthShort, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{0}")]
    [InlineData(MalformedFraming.DoubleContentLength, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\nContent-Length: 101\r\n\r\n{0}")]
    [InlineData(MalformedFraming.BadStatusLine, "H?TP/x.y -- malformed\r\nContent-Length: 100\r\n\r\n{0}")]
    [InlineData(MalformedFraming.BadChunkSize, OkHead + "{0}")]
    public async Task Malformed_Sized_IsWrongAsSaid(MalformedFraming kind, string expected)
    {
        await using var scene = await Scene.StartAsync(response: _ => new() { Malformed = kind });
        await scene.AnswerAsync(OkHead + s_body);
        Assert.Equal((expected.Replace("{0}", s_body, StringComparison.Ordinal), false), await scene.Client.DrainAsync());
        await scene.AssertFlowAsync("completed");
    }

    [Theory]
    [InlineData(MalformedFraming.BadChunkSize)]
    [InlineData(MalformedFraming.MissingLastChunk)]
    public async Task Malformed_Chunked_IsWrongAsSaid(MalformedFraming kind)
    {
        await using var scene = await Scene.StartAsync(response: _ => new() { Malformed = kind });
        await scene.AnswerAsync(s_chunks);
        var expected = kind == MalformedFraming.BadChunkSize ? s_chunks.Replace("32;x=1", "size?", StringComparison.Ordinal)
            : s_chunks.Replace("0\r\nT: v\r\n\r\n", "", StringComparison.Ordinal);
        Assert.Equal((expected, false), await scene.Client.DrainAsync());
    }

    [Fact]
    public async Task Respond_IsImpairedAsAnyResponse_ErrorPagesAreNot()
    {
        await using var scene = await Scene.StartAsync(
            verdict: new Verdict.Respond(200, [], Encoding.Latin1.GetBytes(s_body)), response: _ => new() { TruncateAfter = 10 }, isAtRequest: true);
        await scene.Client.SendAsync(Get);
        var (octets, _) = await scene.Client.DrainAsync();
        Assert.EndsWith("\r\n\r\n" + s_body[..10], octets, StringComparison.Ordinal);
        await using var drop = await Scene.StartAsync(verdict: new Verdict.Drop("no"), response: _ => new() { TruncateAfter = 0 }, isAtRequest: true);
        await drop.Client.SendAsync(Get);
        FlowViews.AssertGenerated(await drop.Client.ReadMessageAsync(), 403, "RC-POL-001");
    }

    [Fact]
    public async Task Edited_Body_IsImpairedBehindTheEdit()
    {
        await using var scene = await Scene.StartAsync(response: _ => new() { TruncateAfter = 3 }, replacement: "replaced");
        await scene.AnswerAsync(OkHead + s_body);
        var (octets, _) = await scene.Client.DrainAsync();
        Assert.Equal("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nrep", octets);
    }

    [Fact]
    public async Task Http2_Reset_IsOfTheStreamAlone()
    {
        await using var proxy = await Http2Scene.StartAsync(null, new Impairer(null, _ => new() { ResetAfter = 4 }));
        var (client, server) = await Http2AnswerAsync(proxy);
        await client.ReadAsync(Http2FrameType.Headers);
        Assert.Equal("0123", (await client.ReadAsync(Http2FrameType.Data)).Text);
        var reset = client.ReadAsync(Http2FrameType.RstStream);
        await proxy.PassTimeAsync(reset, TimeSpan.FromSeconds(5));
        Assert.Equal(Http2ErrorCode.Cancel, (await reset).Code);
        Assert.Equal(("reset", "RC-POL-011"), await EndOf(proxy));
        await Http2Scene.AssertServesAsync(client, server, 3);
        client.Peer.Close();
    }

    [Fact]
    public async Task Http2_Truncate_EndsTheStreamEarly()
    {
        await using var proxy = await Http2Scene.StartAsync(null, new Impairer(null, _ => new() { TruncateAfter = 4 }));
        var (client, server) = await Http2AnswerAsync(proxy);
        Assert.Equal("100", (await client.ReadAsync(Http2FrameType.Headers))["content-length"]);
        Assert.Equal("0123", (await client.ReadAsync(Http2FrameType.Data)).Text);
        var end = await client.ReadAsync(Http2FrameType.Data);
        Assert.Equal(("", true), (end.Text, end.Ends));
        Assert.Equal(("policy_drop", "RC-POL-010"), await EndOf(proxy));
        await Http2Scene.AssertServesAsync(client, server, 3);
        client.Peer.Close();
    }

    [Fact]
    public async Task Http2_PaceDelayLossAndCorruption_WorkOnData()
    {
        var impairer = new Impairer(null, time => new()
        {
            HeadDelay = TimeSpan.FromMilliseconds(300),
            Paces = [new(1000, 0, time)],
            LossRate = 0.3,
            LossPieceOctets = 10,
            CorruptRate = 0.1,
            Seed = 5,
        });
        await using var proxy = await Http2Scene.StartAsync(null, impairer);
        impairer.Time = proxy.Time;
        var before = proxy.Time.GetUtcNow();
        var (client, _) = await Http2AnswerAsync(proxy);
        var head = client.ReadAsync(Http2FrameType.Headers);
        await Scene.PassTimeAsync(proxy, head);
        Assert.InRange((proxy.Time.GetUtcNow() - before).TotalMilliseconds, 295, 2000);
        var text = new StringBuilder();
        var reading = ReadAllAsync();
        await Scene.PassTimeAsync(proxy, reading);
        Assert.InRange((proxy.Time.GetUtcNow() - before).TotalMilliseconds, 390, 3500);
        Assert.InRange(text.Length, 20, 90);
        var flow = await proxy.FlowAsync();
        Assert.Contains("impaired", flow.Marks);
        Assert.Equal(text.ToString(), flow.Http().Response!.Body!.Content);
        client.Peer.Close();

        async Task ReadAllAsync()
        {
            Http2TestFrame frame;
            do
            {
                frame = await client.ReadAsync(Http2FrameType.Data);
                text.Append(frame.Text);
            }
            while (!frame.Ends);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Http2_Request_CutOrReset_TheServerSeesThat(bool isCut)
    {
        await using var proxy = await Http2Scene.StartAsync(null, new Impairer(_ => isCut ? new() { TruncateAfter = 3 } : new() { ResetAfter = 3 }, null));
        var origin = proxy.Origin();
        var (client, server, request) = await Http2Scene.PostAsync(proxy, origin);
        await client.DataAsync(1, "abcdef", ends: true);
        Assert.Equal("abc", (await server.ReadAsync(Http2FrameType.Data)).Text);
        if (isCut)
        {
            Assert.True((await server.ReadAsync(Http2FrameType.Data)).Ends);
            await server.HeadersAsync(request.StreamId, true, (":status", "400"));
            Assert.Equal("400", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        }
        else
        {
            var reset = server.ReadAsync(Http2FrameType.RstStream);
            await proxy.PassTimeAsync(reset, TimeSpan.FromSeconds(5));
            var answer = await client.ReadAsync(Http2FrameType.Headers);
            Assert.Equal(("502", "RC-POL-011"), (answer[":status"], answer["x-relay-core-error"]));
        }

        Assert.Contains("impaired", (await proxy.FlowAsync()).Marks);
        client.Peer.Close();
    }

    [Fact]
    public async Task Http2ToHttp1_RequestFramingIsWrongAsSaid()
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { Interceptors = [new Impairer(_ => new() { Malformed = MalformedFraming.ContentLengthLong }, null)] });
        var origin = proxy.Origin();
        var client = new Http2Peer(proxy.Connect());
        await client.OpenAsClientAsync();
        await client.HeadersAsync(1, false, (":method", "POST"), (":scheme", "http"), (":authority", "origin.test"), (":path", "/"), ("content-length", "3"));
        await client.DataAsync(1, "abc", ends: true);
        var server = await origin.AcceptAsync();
        Assert.Equal("1003", TestPeer.Field(await server.ReadHeadAsync(), "Content-Length"));
        Assert.Equal("abc", await server.ReadToEndAsync());
        await server.SendAsync("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        Assert.Equal("400", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        client.Peer.Close();
    }

    [Theory]
    [InlineData("pace")]
    [InlineData("cut")]
    [InlineData("reset")]
    [InlineData("loss")]
    [InlineData("bad_status_line")]
    [InlineData("bad_chunk_size")]
    [InlineData("missing_last_chunk")]
    public async Task Http1ClientToHttp2Server_ResponseIsImpairedAsWithHttp1(string what)
    {
        var impairer = new Impairer(null, time => what switch
        {
            "pace" => new() { Paces = [new(1000, 0, time)], HeadPieceOctets = 10, HeadInterval = TimeSpan.FromMilliseconds(20) },
            "cut" => new() { TruncateAfter = 30 },
            "reset" => new() { ResetAfter = 30 },
            "loss" => new() { LossRate = 0.5, LossPieceOctets = 10, Seed = 3 },
            "bad_status_line" => new() { Malformed = MalformedFraming.BadStatusLine },
            "bad_chunk_size" => new() { Malformed = MalformedFraming.BadChunkSize },
            _ => new() { Malformed = MalformedFraming.MissingLastChunk },
        });
        await using var proxy = await TestProxy.StartAsync(x => x with { Interceptors = [impairer], Http2PriorKnowledge = [Http2Scene.Pattern("origin.test")] });
        impairer.Time = proxy.Time;
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync(Get);
        var server = await Http2Scene.ServerAsync(origin);
        var request = await server.ReadAsync(Http2FrameType.Headers);
        var isChunked = what.EndsWith("chunk", StringComparison.Ordinal) || what == "bad_chunk_size";
        await server.HeadersAsync(request.StreamId, false, isChunked ? Http2Scene.Ok() : Http2Scene.Ok(("content-length", "100")));
        await server.DataAsync(request.StreamId, s_body, ends: true);
        if (what == "pace")
        {
            var before = proxy.Time.GetUtcNow();
            var reading = client.ReadMessageAsync();
            await Scene.PassTimeAsync(proxy, reading);
            Assert.EndsWith("\r\n\r\n" + s_body, await reading, StringComparison.Ordinal);
            Assert.InRange((proxy.Time.GetUtcNow() - before).TotalMilliseconds, 150, 3000);
            Assert.Equal("completed", (await proxy.FlowAsync()).CloseReason!.Reason);
            return;
        }

        var end = client.DrainAsync();
        await proxy.PassTimeAsync(end, TimeSpan.FromSeconds(5));
        var (octets, wasReset) = await end;
        Assert.Equal(what == "reset", wasReset);
        var (head, body) = (octets.Split("\r\n\r\n")[0], octets[Math.Min(octets.Length, octets.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4)..]);
        switch (what)
        {
            case "cut":
                Assert.Equal(s_body[..30], body);
                Assert.Equal(("policy_drop", "RC-POL-010"), await EndOf(proxy));
                break;
            case "reset":
                Assert.Equal(("reset", "RC-POL-011"), await EndOf(proxy));
                break;
            case "loss":
                Assert.InRange(body.Length, 10, 90);
                break;
            case "bad_status_line":
                Assert.StartsWith("H?TP/x.y -- malformed\r\n", head, StringComparison.Ordinal);
                Assert.Equal(s_body, body);
                break;
            case "bad_chunk_size":
                Assert.StartsWith("size?\r\n" + s_body, body, StringComparison.Ordinal);
                break;
            default:
                Assert.Equal($"64\r\n{s_body}\r\n", body);
                break;
        }
    }

    [Fact]
    public async Task Pace_EditedChunks_IsAppliedToWhatIsSent()
    {
        await using var scene = await Scene.StartAsync(response: time => new() { Paces = [new(1000, 0, time)], TruncateAfter = 80 }, chunkReplacement: true);
        await scene.AnswerAsync(s_chunks);
        Assert.Equal(ChunkedHead, await scene.Client.ReadHeadAsync());
        var end = scene.Client.DrainAsync();
        await Scene.PassTimeAsync(scene.Proxy, end);
        var (octets, wasReset) = await end;
        Assert.False(wasReset);
        Assert.Equal($"32\r\n{new string('y', 50)}\r\n32\r\n{new string('y', 30)}", octets);
    }

    private static async Task<(string Reason, string Code)> EndOf(TestProxy proxy)
    {
        var flow = await proxy.FlowAsync();
        Assert.Contains("impaired", flow.Marks);
        return (flow.CloseReason!.Reason, flow.Error()!.Code);
    }

    private static async Task<(Http2Peer Client, Http2Peer Server)> Http2AnswerAsync(TestProxy proxy)
    {
        var (client, server, request) = await Http2Scene.GetAsync(proxy, proxy.Origin());
        await server.HeadersAsync(request.StreamId, false, Http2Scene.Ok(("content-length", "100")));
        await server.DataAsync(request.StreamId, s_body, ends: true);
        return (client, server);
    }
}

using System.Text;
using RelayCore.Formats;
using RelayCore.Protocols;
using RelayCore.Protocols.Http2;
using RelayCore.Rules;
using Xunit;
using static RelayCore.InMemory.Tests.Http2.Http2Scene;
using static RelayCore.InMemory.Tests.Rules.HandmadeRules;

namespace RelayCore.InMemory.Tests.Rules;

/// <summary>Rules in a whole proxy, by the frames both sides receive over HTTP/2.</summary>
public sealed class RuleHttp2Tests
{
    [Fact]
    public async Task Heads_EditsOfRules_GoOnTheWireAndAreRecordedUnderTheirNames()
    {
        await using var proxy = await StartAsync(null, Of(
            ("a", RuleStage.RequestHeaders, x => Done(() => x.Exchange!.Request.Fields.Add("X-1", "a"))),
            ("c", RuleStage.ResponseHeaders, x => Done(() => x.Exchange!.Response.Fields.Set("X-A", "2")))));
        var (client, server, request) = await GetAsync(proxy, proxy.Origin());
        Assert.Equal("a", request["x-1"]);
        await server.HeadersAsync(request.StreamId, true, Ok(("x-a", "1"), ("content-length", "0")));
        Assert.Equal([(":status", "200"), ("x-a", "2"), ("content-length", "0")], (await client.ReadAsync(Http2FrameType.Headers)).Fields.Select(x => (x.Name, x.Value)));
        Assert.Equal(["rule:a", "rule:c"], (await proxy.FlowAsync()).Mutations!.Select(x => x.Actor));
        client.Peer.Close();
    }

    [Theory]
    [InlineData(null)]
    [InlineData("gzip")]
    public async Task ResponseBody_EditedOnItsWay_IsFramedAndCodedAnew(string? coding)
    {
        await using var proxy = await StartAsync(null, Of(("up", RuleStage.ResponseHeaders, x => Done(() => x.State.Transform(PeerRole.Server, new Upper())))));
        var (client, server, request) = await GetAsync(proxy, proxy.Origin());
        var octets = new ContentCodings().Encode("hello hello hello"u8.ToArray(), coding);
        (string, string)[] fields = coding is null ? [] : [("content-encoding", coding)];
        await server.HeadersAsync(request.StreamId, false, Ok([("content-length", octets.Length.ToString(System.Globalization.CultureInfo.InvariantCulture)), .. fields]));
        await server.DataAsync(request.StreamId, octets[..5].ToArray(), ends: false);
        await server.DataAsync(request.StreamId, octets[5..].ToArray(), ends: true);
        var head = await client.ReadAsync(Http2FrameType.Headers);
        Assert.Equal([(":status", "200"), .. fields], head.Fields.Select(x => (x.Name, x.Value)));
        using var body = new MemoryStream();
        for (var ends = false; !ends;)
        {
            var data = await client.ReadAsync(Http2FrameType.Data);
            body.Write(data.Payload);
            ends = data.Ends;
        }

        Assert.True(new ContentCodings().TryDecode(body.ToArray(), coding, 1000, out var content, out var problem), problem);
        Assert.Equal("HELLO HELLO HELLO!", Encoding.ASCII.GetString(content.Span));
        client.Peer.Close();
    }

    [Fact]
    public async Task ResponseHeaders_BodySetForLater_IsSentWithItsLength()
    {
        await using var proxy = await StartAsync(null, Of(("set", RuleStage.ResponseHeaders, x => Done(() => x.State.Later(RuleStage.ResponseBody, new SetBody("other"))))));
        var (client, server, request) = await GetAsync(proxy, proxy.Origin());
        await server.HeadersAsync(request.StreamId, false, Ok(("content-length", "3")));
        await server.DataAsync(request.StreamId, "abc"u8.ToArray(), ends: true);
        Assert.Equal("5", (await client.ReadAsync(Http2FrameType.Headers))["content-length"]);
        var data = await client.ReadAsync(Http2FrameType.Data);
        Assert.Equal(("other", true), (data.Text, data.Ends));
        client.Peer.Close();
    }
}

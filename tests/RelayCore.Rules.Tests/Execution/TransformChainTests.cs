using System.Text;
using RelayCore.Core.Interception;
using RelayCore.Core.Messages;
using RelayCore.Formats;
using RelayCore.Protocols;
using RelayCore.Rules.Execution;
using Xunit;

namespace RelayCore.Rules.Tests.Execution;

/// <summary>Bodies that are edited on their way.</summary>
public sealed class TransformChainTests
{
    private static readonly ContentCodings s_codings = new();
    private readonly RuleKit _kit = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(null)]
    [InlineData("identity")]
    [InlineData("gzip")]
    [InlineData("br")]
    [InlineData("deflate")]
    public async Task Chunks_OfACoding_AreEditedAndCodedAnewWhereverTheyAreCut(string? coding)
    {
        var text = string.Concat(Enumerable.Repeat("the quick brown fox ", 300));
        var octets = s_codings.Encode(Encoding.ASCII.GetBytes(text), coding);
        foreach (var size in new[] { 1, 7, octets.Length })
        {
            var upper = new Upper();
            var (rules, exchange) = await Begin(coding, upper);
            Assert.NotEqual(Stage.None, exchange.Wanted & Stage.ResponseChunk);
            using var output = new MemoryStream();
            for (var at = 0; at < octets.Length; at += size)
            {
                var piece = octets.Slice(at, Math.Min(size, octets.Length - at));
                await Feed(rules, exchange, piece, at + size >= octets.Length, output);
            }

            Assert.True(s_codings.TryDecode(output.ToArray(), coding, 1 << 20, out var content, out var problem), problem);
            Assert.Equal(text.ToUpperInvariant() + "!", Encoding.ASCII.GetString(content.Span));
            Assert.Equal(coding, exchange.Response.Fields.Get("Content-Encoding"));
            await rules.OnCompletedAsync(exchange, Ct);
            Assert.True(upper.IsDisposed);
        }
    }

    [Fact]
    public async Task Chunks_ThatCannotBeDecoded_GoOnAsTheyCame()
    {
        var (rules, exchange) = await Begin("gzip", new Upper());
        using var output = new MemoryStream();
        await Feed(rules, exchange, "this is "u8.ToArray(), false, output);
        await Feed(rules, exchange, "no gzip"u8.ToArray(), true, output);
        Assert.Equal("this is no gzip", Encoding.ASCII.GetString(output.ToArray()));
        Assert.Contains("rule_failed:t", exchange.Tags);
        Assert.Contains(RuleKit.Trace(exchange).Events, x => x is { Outcome: "Skipped", Detail: "the content coding is broken" });
    }

    [Fact]
    public async Task Begin_ACodingThatCannotBeRemovedInPieces_LeavesTheBodyAndSaysSo()
    {
        var (rules, exchange) = await Begin("gzip, br", new Upper());
        using var output = new MemoryStream();
        await Feed(rules, exchange, "abc"u8.ToArray(), true, output);
        Assert.Equal("abc", Encoding.ASCII.GetString(output.ToArray()));
        Assert.Contains("cannot be removed", RuleKit.Trace(exchange).Events[^1].Detail!, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GET", 204)]
    [InlineData("GET", 304)]
    [InlineData("HEAD", 200)]
    public async Task Begin_AnAnswerWithoutBody_KeepsItsCodingAndLetsGo(string method, int status)
    {
        var upper = new Upper();
        var (_, exchange) = await Begin("gzip", upper, method, status);
        Assert.True(upper.IsDisposed);
        Assert.Equal("gzip", exchange.Response.Fields.Get("Content-Encoding"));
    }

    [Fact]
    public async Task Body_HeldWholeForAnotherRule_IsEditedAllTheSame()
    {
        _kit.On("edit", x =>
        {
            x.State.Transform(PeerRole.Server, new Upper());
            return default;
        });
        var rules = _kit.Rules(("t", RuleStage.ResponseHeaders, """{"type":"All"}""", "edit"), ("b", RuleStage.ResponseBody, """{"type":"Body","config":"ABC!"}""", "seen"));
        var exchange = RuleKit.Exchange();
        await rules.OnResponseHeadAsync(exchange, Ct);
        var body = new MessageBody("abc"u8.ToArray(), null, s_codings, 100);
        await rules.OnResponseBodyAsync(exchange, body, Ct);
        Assert.Equal("ABC!"u8, body.Octets.Span);
        Assert.Equal(["edit", "seen"], _kit.Ran);
    }

    private async Task<(RuleInterceptor, Exchange)> Begin(string? coding, Upper upper, string method = "GET", int status = 200)
    {
        _kit.On("edit", x =>
        {
            x.State.Transform(PeerRole.Server, upper);
            return default;
        });
        var rules = _kit.Rules(("t", RuleStage.ResponseHeaders, """{"type":"All"}""", "edit"));
        var exchange = RuleKit.Exchange(method: method);
        exchange.Response.Load(status, null, 1);
        if (coding is not null)
        {
            exchange.Response.Fields.AddUnlogged("Content-Encoding"u8, Encoding.ASCII.GetBytes(coding));
        }

        await rules.OnRequestHeadAsync(exchange, Ct);
        await rules.OnResponseHeadAsync(exchange, Ct);
        return (rules, exchange);
    }

    private static async Task Feed(RuleInterceptor rules, Exchange exchange, ReadOnlyMemory<byte> piece, bool isLast, MemoryStream output)
    {
        var chunk = new BodyChunk();
        chunk.Load(piece, isLast);
        await rules.OnResponseChunkAsync(exchange, chunk, Ct);
        foreach (var part in chunk.Output)
        {
            output.Write(part.Span);
        }
    }
}

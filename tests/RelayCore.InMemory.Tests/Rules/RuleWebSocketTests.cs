using System.Text;
using RelayCore.Protocols;
using RelayCore.Rules;
using RelayCore.Rules.Filters;
using Xunit;
using static RelayCore.InMemory.Tests.Rules.HandmadeRules;
using static RelayCore.InMemory.Tests.WebSocketPair;

namespace RelayCore.InMemory.Tests.Rules;

/// <summary>Rules on the messages of a WebSocket, by what its peers receive.</summary>
public sealed class RuleWebSocketTests
{
    [Theory]
    [InlineData(PeerRole.Client)]
    [InlineData(PeerRole.Server)]
    public async Task Messages_ChangedAndDropped_GoSoAndAreRecordedUnderTheRulesName(PeerRole sender)
    {
        await using var pair = await WebSocketPair.StartAsync(Of(
            ("edit", RuleStage.WebSocketMessage, x => Done(() => x.Message!.Replace(Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(x.Message.Content.Span) + "!")))),
            ("drop", RuleStage.WebSocketMessage, x => Done(() =>
            {
                if (x.Message!.Content.Span.SequenceEqual("drop me!"u8))
                {
                    x.Message.Drop();
                }
            })),
            ("seen", RuleStage.Message, x => Done(() => x.Flow.SetTag("seen:" + Encoding.UTF8.GetString(x.Message!.Content.Span))))));
        byte[] sent = [.. Text(sender, "drop me"), .. Text(sender, "hello")];
        await pair.Peer(sender).SendAsync(sent);
        Assert.Equal("hello!", await pair.ReadTextAsync(sender == PeerRole.Client ? PeerRole.Server : PeerRole.Client));
        await pair.CloseAsync();
        var (flow, _) = await pair.EndedAsync();
        Assert.Equal(["seen:hello!"], flow.Tags);
        Assert.Equal(
            [("rule:edit", "drop me", "drop me!"), ("rule:drop", "drop me!", null), ("rule:edit", "hello", "hello!")],
            flow.Mutations!.Where(x => x.Target == "websocket.message").Select(x => (x.Actor, x.Before!, x.After)));
        Assert.Equal(["edit", "drop", "seen"], flow.MatchedRules);
    }

    [Fact]
    public async Task Messages_NoRuleCanMatch_PassUnseen()
    {
        await using var pair = await WebSocketPair.StartAsync(Of(
            new NotCondition(AllCondition.Instance), ("never", RuleStage.WebSocketMessage, x => Done(() => x.Message!.Drop()))));
        await pair.PassAsync(PeerRole.Client, Text(PeerRole.Client, "hello"));
    }
}

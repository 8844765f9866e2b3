using System.Text.Json;
using RelayCore.Core.Interception;
using RelayCore.Interop.Tests.Harness;
using RelayCore.Protocols;

namespace RelayCore.Interop.Tests;

/// <summary>EventSource of Chromium against Node, in the middle: what is shown, changed and injected, and that a reconnect finds its place.</summary>
public sealed partial class ChromiumTests
{
    private const string Listen =
        """
        () => {
            window.seen = [];
            const note = kind => e => window.seen.push([kind, e.lastEventId, e.data]);
            window.source = new EventSource('/events');
            window.source.onopen = () => window.seen.push(['open']);
            window.source.onmessage = note('message');
            window.source.addEventListener('price', note('price'));
        }
        """;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task EventSource_WatchedOrEdited_SeesEachEventAtOnceAndReconnects(bool isEdited)
    {
        using var pki = new TestPki();
        using var directory = new TemporaryDirectory();
        await using var origin = await EventOrigin.StartAsync(directory, pki);
        await using var proxy = await RunningProxy.StartAsync(pki, x => isEdited ? x with { Interceptors = [new PriceEditor()] } : x);
        await using var browser = await Browser.StartAsync(proxy, trusts: true);
        await browser.Page.GotoAsync($"https://shop.test:{origin.Port}/");
        await browser.Page.EvaluateAsync(Listen);
        await origin.WaitForAsync("stream none");

        // Each is written when the one before was seen, so none was held back.
        await origin.WriteAsync("retry: 50\nid: 1\ndata: one\ndata: more\n\n");
        await SeenAsync(browser, 2);
        await origin.WriteAsync("event: price\r\nid: 2\r\ndata: 10\r\n\r\n");
        await SeenAsync(browser, 3);
        var running = await proxy.FlowAsync(x => IsForShop(x) && x.Http().Request!.Url.EndsWith("/events", StringComparison.Ordinal));
        Assert.True(proxy.Session(running).TryInject(PeerRole.Server, new(MessageType.Event, "from outside"u8.ToArray()) { EventId = "7" }));
        await SeenAsync(browser, 4);
        await origin.SayAsync("end\n");
        await origin.WaitForAsync("stream 7");
        await SeenAsync(browser, 5);
        await origin.WriteAsync(": nothing\n\ndata: again\n\n");
        await SeenAsync(browser, 6);

        var seen = await browser.Page.EvaluateAsync<JsonElement>("window.seen");
        Assert.Equal(
            $$"""[["open"],["message","1","one\nmore"],["price","2","{{(isEdited ? "20" : "10")}}"],["message","7","from outside"],["open"],["message","7","again"]]""",
            JsonSerializer.Serialize(seen));
        var http = (await proxy.FinishedAsync(x => x.Id == running.Id)).Http();
        Assert.Equal(
            [("one\nmore", "1", null, false), (isEdited ? "20" : "10", "2", "price", false), ("from outside", "7", null, true)],
            http.Messages!.Select(x => (x.Content.Content, x.Event?.Id, x.Event?.Event, x.Injected)));
        Assert.Equal(50, http.Messages![0].Event!.Retry);
        Assert.Equal(isEdited ? "10" : null, http.Messages[1].Received?.Content.Content);
    }

    private static async Task SeenAsync(Browser browser, int count) => await browser.Page.WaitForFunctionAsync("n => window.seen.length >= n", count);

    private sealed class PriceEditor : IInterceptor
    {
        public string Name => "price";

        public InterceptorNeeds Needs => new() { Stages = Stage.Message };

        public ValueTask OnMessageAsync(MessageContext context, Message message, CancellationToken cancellationToken)
        {
            if (message.EventName == "price")
            {
                message.Replace("20"u8.ToArray());
            }

            return default;
        }
    }
}

using System.Globalization;
using System.Net.ServerSentEvents;
using System.Text.Json;
using Xunit;

namespace RelayCore.Api.Tests;

public sealed class EventEndpointTests(ApiFixture fixture) : IClassFixture<ApiFixture>, IDisposable
{
    private readonly CancellationTokenSource _patience = new(TimeSpan.FromSeconds(30));

    [Fact]
    public async Task Events_Followed_BeginWithTheStatusAndShowFlows()
    {
        await using var events = await OpenAsync("");
        Assert.Equal("lifecycle", (await events.NextAsync()).Name);
        var id = await fixture.BrowseAsync("/events");
        var seen = new List<string>();
        while (!seen.Contains("completed") || !seen.Contains("flow that has ended"))
        {
            var (name, data, number) = await events.NextAsync();
            Assert.NotNull(number);
            if (name == "flow-event" && data.GetProperty("flow_id").GetString() == id)
            {
                seen.Add(data.GetProperty("event").GetString()!);
            }
            else if (name == "flow" && data.GetProperty("id").GetString() == id)
            {
                seen.Add(data.GetProperty("end_time").ValueKind == JsonValueKind.String ? "flow that has ended" : "flow");
            }
        }

        Assert.Equal("started", seen[0]);
        Assert.Contains("headers_received", seen);
    }

    [Fact]
    public async Task Events_LastEventId_ContinuesBehindIt()
    {
        await fixture.BrowseAsync("/resume");
        await using var events = await OpenAsync("?since=0");
        await events.NextAsync();
        var first = (await events.NextAsync()).Number;
        var second = (await events.NextAsync()).Number;
        Assert.Equal(1, first);
        await using var resumed = await OpenAsync("", ("Last-Event-ID", $"{first}"));
        await resumed.NextAsync();
        Assert.Equal(second, (await resumed.NextAsync()).Number);
    }

    [Fact]
    public async Task Events_NumberOfAnotherRun_IsToldAsLagged()
    {
        await fixture.BrowseAsync("/lagged");
        await using var events = await OpenAsync("?since=999999999");
        await events.NextAsync();
        Assert.Equal("lagged", (await events.NextAsync()).Name);
    }

    [Fact]
    public async Task Events_Summaries_AreLinesOfTheList()
    {
        await using var events = await OpenAsync("?flow=summary");
        await events.NextAsync();
        var id = await fixture.BrowseAsync("/summary");
        while (true)
        {
            var (name, data, _) = await events.NextAsync();
            Assert.NotEqual("flow", name);
            if (name == "flow-summary" && data.GetProperty("id").GetString() == id)
            {
                Assert.Equal("/summary", data.GetProperty("path").GetString());
                break;
            }
        }
    }

    [Fact]
    public async Task Events_NothingHappens_SendsComments()
    {
        using var response = await fixture.Client.GetAsync("/api/v1/events", HttpCompletionOption.ResponseHeadersRead, _patience.Token);
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType?.ToString());
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(_patience.Token));
        for (var comments = 0; comments < 2;)
        {
            comments += (await reader.ReadLineAsync(_patience.Token))!.StartsWith(':') ? 1 : 0;
        }
    }

    [Theory]
    [InlineData("?since=x")]
    [InlineData("?flow=little")]
    public async Task Events_ParameterWithoutSense_IsRefused(string query)
    {
        using var response = await fixture.Client.GetAsync("/api/v1/events" + query, _patience.Token);
        Assert.Equal(System.Net.HttpStatusCode.BadRequest, response.StatusCode);
    }

    public void Dispose() => _patience.Dispose();

    private async Task<EventReader> OpenAsync(string query, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/events" + query);
        foreach (var (name, value) in headers)
        {
            request.Headers.Add(name, value);
        }

        var response = await fixture.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, _patience.Token);
        response.EnsureSuccessStatusCode();
        return new(response, await response.Content.ReadAsStreamAsync(_patience.Token), _patience.Token);
    }

    private sealed class EventReader(HttpResponseMessage response, Stream stream, CancellationToken patience) : IAsyncDisposable
    {
        private readonly IAsyncEnumerator<SseItem<string>> _items = SseParser.Create(stream).EnumerateAsync(patience).GetAsyncEnumerator(patience);

        public async Task<(string Name, JsonElement Data, long? Number)> NextAsync()
        {
            Assert.True(await _items.MoveNextAsync());
            var item = _items.Current;
            using var data = JsonDocument.Parse(item.Data);
            return (item.EventType, data.RootElement.Clone(), item.EventId is { } id ? long.Parse(id, CultureInfo.InvariantCulture) : null);
        }

        public async ValueTask DisposeAsync()
        {
            await _items.DisposeAsync();
            response.Dispose();
        }
    }
}

using System.Globalization;
using System.Net;
using System.Net.ServerSentEvents;
using System.Text;
using System.Text.Json;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Engine.Capture;
using RelayCore.Protocols;
using RelayCore.Testing;
using Xunit;

namespace RelayCore.Api.Tests;

public sealed class MessageEndpointTests : IClassFixture<ApiFixture>, IDisposable
{
    private readonly ApiFixture _fixture;
    private readonly FlowRecorder _recorder;
    private readonly FlowId _id = FlowId.Create(TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds());
    private readonly FakeMessageSession _session;
    private readonly CancellationTokenSource _patience = new(TimeSpan.FromSeconds(30));

    public MessageEndpointTests(ApiFixture fixture)
    {
        _fixture = fixture;
        _recorder = fixture.Host.Store.Rent();
        _recorder.Begin(FlowKind.WebSocket, _id, default, new() { Id = 1 }, TimeProvider.System.GetTimestamp());
        _session = new(_id);
        fixture.Host.MessageSessions.Add(_session);
    }

    private string Path => $"/api/v1/flows/{_id}";

    [Fact]
    public async Task Messages_Pages_AreArraysInOrder()
    {
        Say(1, 250);
        using var response = await _fixture.Client.GetAsync(Path + "/messages", _patience.Token);
        Assert.Equal("250", response.Headers.GetValues("X-Relay-Core-Message-Count").Single());
        Assert.Equal(Enumerable.Range(1, 100), Numbers(JsonDocument.Parse(await response.Content.ReadAsByteArrayAsync(_patience.Token)).RootElement));
        Assert.Equal(Enumerable.Range(201, 50), Numbers(await _fixture.GetJsonAsync($"/flows/{_id}/messages?after=200&limit=1000")));
        Assert.Empty(Numbers(await _fixture.GetJsonAsync($"/flows/{_id}/messages?after=250")));
    }

    [Theory]
    [InlineData("/messages?after=x", HttpStatusCode.BadRequest, "invalid_parameter")]
    [InlineData("/messages?limit=-1", HttpStatusCode.BadRequest, "invalid_parameter")]
    public async Task Messages_ParameterWithoutSense_IsRefused(string path, HttpStatusCode status, string code)
    {
        using var response = await _fixture.Client.GetAsync(Path + path, _patience.Token);
        await AssertProblemAsync(response, status, code);
    }

    [Fact]
    public async Task Messages_UnknownFlow_IsNotFound()
    {
        using var response = await _fixture.Client.GetAsync($"/api/v1/flows/{FlowId.Create(1)}/messages", _patience.Token);
        await AssertProblemAsync(response, HttpStatusCode.NotFound, "flow_not_found");
    }

    [Fact]
    public async Task Inject_Session_GetsWhatWasSaid()
    {
        using var text = await PostAsync("/messages", """{"direction":"ClientToServer","opcode":"Text","content":"grüß","encoding":"utf-8"}""");
        Assert.Equal(HttpStatusCode.Accepted, text.StatusCode);
        using var binary = await PostAsync("/messages", """{"direction":"ServerToClient","opcode":"Binary","content":"/wA=","encoding":"base64"}""");
        Assert.Equal($$"""{"flow_id":"{{_id}}","accepted":true}""", await binary.Content.ReadAsStringAsync(_patience.Token));
        using var named = await PostAsync("/messages", """{"direction":"ServerToClient","opcode":"Event","content":"x","event":{"id":"1","event":"e","retry":5}}""");
        Assert.Equal(HttpStatusCode.Accepted, named.StatusCode);
        var injected = _session.Injected.ToArray();
        Assert.Equal([PeerRole.Client, PeerRole.Server, PeerRole.Server], injected.Select(x => x.Sender));
        Assert.Equal([MessageType.Text, MessageType.Binary, MessageType.Event], injected.Select(x => x.Message.Type));
        Assert.Equal("grüß", Encoding.UTF8.GetString(injected[0].Message.Content.Span));
        Assert.Equal([0xFF, 0], injected[1].Message.Content.ToArray());
        Assert.Equal(("1", "e", 5), (injected[2].Message.EventId, injected[2].Message.EventName, injected[2].Message.RetryMilliseconds));
    }

    [Fact]
    public async Task Inject_OneMebibyteOfControlCharacters_Fits()
    {
        // Each takes six octets as JSON.
        var content = new string('\u0001', MessageQueueLimits.MaxOctets);
        using var response = await PostAsync("/messages", $$"""{"direction":"ClientToServer","content":{{JsonSerializer.Serialize(content)}}}""");
        Assert.Equal(HttpStatusCode.Accepted, response.StatusCode);
        using var more = await PostAsync("/messages", $$"""{"direction":"ClientToServer","content":"{{content.Replace('\u0001', 'x')}}x"}""");
        await AssertProblemAsync(more, HttpStatusCode.BadRequest, "invalid_message");
        using var request = new HttpRequestMessage(HttpMethod.Post, Path + "/messages") { Content = new ByteArrayContent(new byte[9 * 1024 * 1024]) };
        request.Headers.ExpectContinue = true; // or the connection is closed while this is still being sent
        using var tooMuch = await _fixture.Client.SendAsync(request, _patience.Token);
        await AssertProblemAsync(tooMuch, HttpStatusCode.RequestEntityTooLarge, "message_too_large");
    }

    [Theory]
    [InlineData("", "JSON")]
    [InlineData("null", "object")]
    [InlineData("[]", "JSON")]
    [InlineData("""{"direction":5}""", "$.direction")]
    [InlineData("""{"direction":"ClientToServer","content":null}""", "$.content")]
    [InlineData("""{"content":"x"}""", "direction")]
    [InlineData("""{"direction":"up","content":"x"}""", "direction")]
    [InlineData("""{"direction":"ClientToServer","opcode":"0","content":"x"}""", "opcode")]
    [InlineData("""{"direction":"ClientToServer","opcode":"Close"}""", "close the session")]
    [InlineData("""{"direction":"ClientToServer","encoding":"hex","content":"00"}""", "encoding")]
    [InlineData("""{"direction":"ClientToServer","encoding":"base64","content":"*"}""", "base64")]
    [InlineData("""{"direction":"ClientToServer","opcode":"Event","content":"x","event":{"id":"a\nb"}}""", "event")]
    [InlineData("""{"direction":"ClientToServer","opcode":"Event","content":"x","event":{"retry":-1}}""", "retry")]
    [InlineData("""{"direction":"ClientToServer","opcode":"Text","encoding":"base64","content":"/w=="}""", "UTF-8")]
    public async Task Inject_WithoutSense_IsRefusedWithAReason(string json, string reason)
    {
        using var response = await PostAsync("/messages", json);
        Assert.Contains(reason, await AssertProblemAsync(response, HttpStatusCode.BadRequest, "invalid_message"), StringComparison.Ordinal);
        Assert.Empty(_session.Injected);
    }

    [Fact]
    public async Task Close_Session_IsClosedWithCodeAndReason()
    {
        using var response = await PostAsync("/close", """{"code":1001,"reason":"bye"}""");
        Assert.Equal(HttpStatusCode.Accepted, response.StatusCode);
        using var plain = await PostAsync("/close", "{}");
        Assert.Equal([(1001, "bye"), (1000, "")], _session.Closes);
        using var reserved = await PostAsync("/close", """{"code":1006}""");
        await AssertProblemAsync(reserved, HttpStatusCode.BadRequest, "invalid_message");
    }

    [Fact]
    public async Task Post_NobodyToTellIt_SaysWhy()
    {
        const string Text = """{"direction":"ClientToServer","content":"x"}""";
        _session.IsOver = true;
        foreach (var path in (string[])["/messages", "/close"])
        {
            using var refused = await PostAsync(path, Text);
            await AssertProblemAsync(refused, HttpStatusCode.Conflict, "message_refused");
        }

        _fixture.Host.MessageSessions.Remove(_session);
        using var without = await PostAsync("/messages", Text);
        await AssertProblemAsync(without, HttpStatusCode.Conflict, "no_message_session");
        _recorder.End(CloseReason.Completed, null, null, TimeProvider.System.GetTimestamp());
        using var over = await PostAsync("/close", "{}");
        await AssertProblemAsync(over, HttpStatusCode.Conflict, "flow_over");
        using var unknown = await _fixture.Client.PostAsync($"/api/v1/flows/{FlowId.Create(1)}/messages", new StringContent(Text), _patience.Token);
        await AssertProblemAsync(unknown, HttpStatusCode.NotFound, "flow_not_found");
        using var nobody = await _fixture.Stranger.PostAsync(Path + "/messages", new StringContent(Text), _patience.Token);
        Assert.Equal(HttpStatusCode.Unauthorized, nobody.StatusCode);
    }

    [Fact]
    public async Task Events_MessagesAppended_AreShownUnlessNotWanted()
    {
        Say(1, 3);
        using var without = await OpenAsync("?messages=false");
        using var with = await OpenAsync("");
        await using var events = Read(with);
        await using var others = Read(without);
        Assert.Equal("lifecycle", (await NextAsync(events)).EventType);
        Say(4, 4);
        var item = await NextAsync(events);
        while (item.EventType != "ws-message")
        {
            item = await NextAsync(events);
        }

        using var data = JsonDocument.Parse(item.Data);
        Assert.Equal(_id.ToString(), data.RootElement.GetProperty("flow_id").GetString());
        Assert.Equal(4, data.RootElement.GetProperty("message").GetProperty("number").GetInt32());
        _recorder.End(CloseReason.Completed, null, null, TimeProvider.System.GetTimestamp());
        for (item = await NextAsync(others); item.EventType != "flow"; item = await NextAsync(others))
        {
            Assert.NotEqual("ws-message", item.EventType);
        }
    }

    public void Dispose()
    {
        _fixture.Host.MessageSessions.Remove(_session);
        _fixture.Host.Store.Return(_recorder);
        _patience.Dispose();
    }

    private void Say(int first, int last)
    {
        for (var i = first; i <= last; i++)
        {
            _recorder.Message(
                PeerRole.Client, MessageType.Text, MessageMarks.Final, Encoding.ASCII.GetBytes(i.ToString(CultureInfo.InvariantCulture)), 8, TimeProvider.System.GetTimestamp());
        }
    }

    private async Task<HttpResponseMessage> PostAsync(string path, string json)
    {
        using var content = new StringContent(json, Encoding.UTF8, "application/json");
        return await _fixture.Client.PostAsync(Path + path, content, _patience.Token);
    }

    private async Task<string> AssertProblemAsync(HttpResponseMessage response, HttpStatusCode status, string code)
    {
        using var problem = JsonDocument.Parse(await response.Content.ReadAsByteArrayAsync(_patience.Token));
        Assert.Equal((status, code), (response.StatusCode, problem.RootElement.GetProperty("code").GetString()));
        return problem.RootElement.GetProperty("detail").GetString()!;
    }

    private async Task<HttpResponseMessage> OpenAsync(string query)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/events" + query);
        return await _fixture.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, _patience.Token);
    }

    private IAsyncEnumerator<SseItem<string>> Read(HttpResponseMessage response) =>
        SseParser.Create(response.Content.ReadAsStream(_patience.Token)).EnumerateAsync(_patience.Token).GetAsyncEnumerator(_patience.Token);

    private static async Task<SseItem<string>> NextAsync(IAsyncEnumerator<SseItem<string>> events)
    {
        Assert.True(await events.MoveNextAsync());
        return events.Current;
    }

    private static IEnumerable<int> Numbers(JsonElement page) => page.EnumerateArray().Select(x => x.GetProperty("number").GetInt32());
}

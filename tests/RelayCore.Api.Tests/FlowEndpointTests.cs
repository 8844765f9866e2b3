using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using RelayCore.Core.Flows;
using Xunit;

namespace RelayCore.Api.Tests;

public sealed class FlowEndpointTests(ApiFixture fixture) : IClassFixture<ApiFixture>
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Version_Always_NamesVersionsAndCapabilities()
    {
        var version = await fixture.GetJsonAsync("/version");
        Assert.Equal(("1.2.3", "1"), (version.GetProperty("engine_version").GetString(), version.GetProperty("api_version").GetString()));
        Assert.Equal(["flows", "rules", "intercepts", "mock", "status", "events", "messages"], version.GetProperty("capabilities").EnumerateArray().Select(x => x.GetString()!));
    }

    [Fact]
    public async Task Status_Running_CountsWhatHappened()
    {
        await fixture.BrowseAsync("/status-test");
        var status = await fixture.GetJsonAsync("/status");
        Assert.Equal(
            ("running", true, fixture.Host.EndPoints[0].Port),
            (status.GetProperty("phase").GetString(), status.GetProperty("running").GetBoolean(), status.GetProperty("port").GetInt32()));
        Assert.Equal(JsonValueKind.Null, status.GetProperty("last_error").ValueKind);
        Assert.True(status.GetProperty("capture").GetProperty("stored").GetInt64() >= 1);
        Assert.True(status.GetProperty("connections").GetProperty("accepted").GetInt64() >= 1);
        Assert.Equal(0, status.GetProperty("connections").GetProperty("internal_failures").GetInt64());
        Assert.True(status.GetProperty("last_event").GetInt64() >= 1);
    }

    [Fact]
    public async Task Flows_Filtered_AreNewestFirstWithACursor()
    {
        var ids = new List<string>();
        for (var i = 0; i < 5; i++)
        {
            ids.Add(await fixture.BrowseAsync($"/list-test/{i}"));
        }

        ids.Sort((x, y) => string.CompareOrdinal(y, x)); // by time; within a millisecond by chance

        var first = await fixture.GetJsonAsync("/flows?path=list-test&limit=3");
        var second = await fixture.GetJsonAsync($"/flows?path_contains=LIST-TEST&limit=3&cursor={first.GetProperty("next_cursor").GetString()}");
        Assert.Equal(ids, Ids(first).Concat(Ids(second)));
        Assert.Equal(JsonValueKind.Null, second.GetProperty("next_cursor").ValueKind);
        Assert.Equal((3, 3, 0), (first.GetProperty("returned").GetInt32(), first.GetProperty("limit").GetInt32(), first.GetProperty("offset").GetInt32()));
        Assert.Equal(ids.Skip(3), Ids(await fixture.GetJsonAsync("/flows?path=list-test&offset=3")));
    }

    [Theory]
    [InlineData("status_min=400&status_max=499", 1)]
    [InlineData("status_min=411", 0)]
    [InlineData("method=get", 1)]
    [InlineData("method=POST", 0)]
    [InlineData("has_error=true", 0)]
    [InlineData("has_error=0", 1)]
    [InlineData("is_websocket=true", 0)]
    [InlineData("host=127.0.0", 1)]
    [InlineData("host=example", 0)]
    public async Task Flows_Condition_Holds(string query, int count)
    {
        if (Ids(await fixture.GetJsonAsync("/flows?path=gone")).Length == 0)
        {
            await fixture.BrowseAsync("/gone");
        }

        Assert.Equal(count, Ids(await fixture.GetJsonAsync("/flows?path=gone&" + query)).Length);
    }

    [Theory]
    [InlineData("limit=many", "limit")]
    [InlineData("limit=-1", "limit")]
    [InlineData("offset=9999999999999", "offset")]
    [InlineData("status_min=x", "status_min")]
    [InlineData("has_error=maybe", "has_error")]
    [InlineData("cursor=x", "cursor")]
    [InlineData("host=a&host=b", "host")]
    public async Task Flows_ParameterWithoutSense_IsRefusedByName(string query, string name)
    {
        using var response = await fixture.Client.GetAsync("/api/v1/flows?" + query, Cancel);
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        using var problem = JsonDocument.Parse(await response.Content.ReadAsByteArrayAsync(Cancel));
        Assert.Equal("invalid_parameter", problem.RootElement.GetProperty("code").GetString());
        Assert.StartsWith($"The parameter {name} ", problem.RootElement.GetProperty("detail").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Flow_ById_IsTheWholeFlow()
    {
        var id = await fixture.BrowseAsync("/get-test", new StringContent("question", Encoding.UTF8, "text/plain"));
        var flow = JsonSerializer.Deserialize(await fixture.Client.GetByteArrayAsync($"/api/v1/flows/{id}", Cancel), FlowJson.Default.Flow)!;
        var http = Assert.IsType<FlowLayer.Http>(flow.Layer).Data;
        Assert.Equal((id, "POST", "question"), (flow.Id, http.Request!.Method, http.Request.Body!.Content));
        Assert.Equal(("hello /get-test", 200), (http.Response!.Body!.Content, http.Response.Status));
        Assert.NotNull(flow.EndTime);
    }

    [Theory]
    [InlineData("/flows/01a209d8-0000-7fb7-a9b0-8b04af06ce70")]
    [InlineData("/flows/nonsense")]
    [InlineData("/flows/%1b%5b31m")]
    [InlineData("/flows/01a209d8-0000-7fb7-a9b0-8b04af06ce70/response/body")]
    [InlineData("/flows/nonsense/request/body")]
    public async Task Flow_Unknown_IsAProblem(string path)
    {
        using var response = await fixture.Client.GetAsync("/api/v1" + path, Cancel);
        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
        using var problem = JsonDocument.Parse(await response.Content.ReadAsByteArrayAsync(Cancel));
        Assert.Equal("flow_not_found", problem.RootElement.GetProperty("code").GetString());
    }

    [Fact]
    public async Task Body_Raw_IsAsCapturedAndHarmless()
    {
        var id = await fixture.BrowseAsync("/gzip");
        using var response = await fixture.Client.GetAsync($"/api/v1/flows/{id}/response/body", Cancel);
        var octets = await response.Content.ReadAsByteArrayAsync(Cancel);
        Assert.Equal([0x1F, 0x8B], octets[..2]);
        Assert.Equal("text/html; charset=utf-8", response.Content.Headers.ContentType?.ToString());
        Assert.Equal("attachment", response.Content.Headers.ContentDisposition?.DispositionType);
        Assert.Empty(response.Content.Headers.ContentEncoding);
        Assert.Equal("gzip", Header(response, "X-Relay-Core-Content-Encoding"));
        Assert.Equal("nosniff", Header(response, "X-Content-Type-Options"));
        Assert.StartsWith("sandbox", Header(response, "Content-Security-Policy"), StringComparison.Ordinal);
        Assert.Equal(octets.Length.ToString(CultureInfo.InvariantCulture), Header(response, "X-Relay-Core-Body-Size"));
        Assert.False(response.Headers.Contains("X-Relay-Core-Truncated"));
    }

    [Fact]
    public async Task Body_Decoded_HasItsCodingRemoved()
    {
        var id = await fixture.BrowseAsync("/gzip");
        Assert.Equal("<script>x</script>", await fixture.Client.GetStringAsync($"/api/v1/flows/{id}/response/body?view=decoded", Cancel));
    }

    [Fact]
    public async Task Body_OfTheRequest_IsTheOneSent()
    {
        var id = await fixture.BrowseAsync("/post", new ByteArrayContent([0, 1, 2, 255]));
        Assert.Equal([0, 1, 2, 255], await fixture.Client.GetByteArrayAsync($"/api/v1/flows/{id}/request/body", Cancel));
    }

    [Fact]
    public async Task Body_CapturedInPart_SaysHowMuchThereWas()
    {
        var id = await fixture.BrowseAsync("/big");
        using var response = await fixture.Client.GetAsync($"/api/v1/flows/{id}/response/body", Cancel);
        Assert.Equal(100_000, (await response.Content.ReadAsByteArrayAsync(Cancel)).Length);
        Assert.Equal("150000", Header(response, "X-Relay-Core-Truncated"));
    }

    [Fact]
    public async Task Body_ContentTypeThatIsNone_IsReplaced()
    {
        var id = await fixture.BrowseAsync("/odd");
        using var response = await fixture.Client.GetAsync($"/api/v1/flows/{id}/response/body", Cancel);
        Assert.Equal("application/octet-stream", response.Content.Headers.ContentType?.ToString());
    }

    [Theory]
    [InlineData("?view=hex")]
    [InlineData("?version=mine")]
    public async Task Body_ViewThatIsNone_IsRefused(string query)
    {
        var id = await fixture.BrowseAsync("/view");
        using var response = await fixture.Client.GetAsync($"/api/v1/flows/{id}/response/body{query}", Cancel);
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
    }

    [Fact]
    public async Task Head_OfABody_HasItsLengthOnly()
    {
        var id = await fixture.BrowseAsync("/head");
        using var response = await fixture.Client.SendAsync(new(HttpMethod.Head, $"/api/v1/flows/{id}/response/body"), Cancel);
        Assert.Equal("hello /head".Length, response.Content.Headers.ContentLength);
    }

    private static string[] Ids(JsonElement page) => [.. page.GetProperty("items").EnumerateArray().Select(x => x.GetProperty("id").GetString()!)];

    private static string Header(HttpResponseMessage response, string name) => string.Join(",", response.Headers.GetValues(name));
}

using System.Net;
using System.Text.Json;
using Xunit;

namespace RelayCore.Api.Tests;

public sealed class AccessPolicyTests(ApiFixture fixture) : IClassFixture<ApiFixture>
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("/api/v1/version")]
    [InlineData("/api/v1/status")]
    [InlineData("/api/v1/flows")]
    [InlineData("/api/v1/flows/01a209d8-9237-7fb7-a9b0-8b04af06ce70")]
    [InlineData("/api/v1/flows/01a209d8-9237-7fb7-a9b0-8b04af06ce70/response/body")]
    [InlineData("/api/v1/events")]
    [InlineData("/api/v1/nothing")]
    [InlineData("/")]
    public async Task Request_WithoutToken_IsRefusedEverywhere(string path)
    {
        using var response = await fixture.Stranger.GetAsync(path, Cancel);
        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
        Assert.Equal("Bearer", response.Headers.WwwAuthenticate.ToString());
        Assert.Equal("{\"error\":\"missing_or_invalid_bearer_token\"}", await response.Content.ReadAsStringAsync(Cancel));
    }

    [Theory]
    [InlineData("Bearer token-of-these-test", null, HttpStatusCode.Unauthorized)]
    [InlineData("Bearer token-of-these-testsx", null, HttpStatusCode.Unauthorized)]
    [InlineData("Bearer ", null, HttpStatusCode.Unauthorized)]
    [InlineData("Basic token-of-these-tests", null, HttpStatusCode.Unauthorized)]
    [InlineData(null, "relay_core_token=wrong", HttpStatusCode.Unauthorized)]
    [InlineData("Bearer wrong", "relay_core_token=token-of-these-tests", HttpStatusCode.Unauthorized)]
    [InlineData("bearer token-of-these-tests", null, HttpStatusCode.OK)]
    [InlineData(null, "relay_core_token=token-of-these-tests", HttpStatusCode.OK)]
    public async Task Request_WithCredentials_IsJudgedByThem(string? authorization, string? cookie, HttpStatusCode expected)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/version");
        Add(request, "Authorization", authorization);
        Add(request, "Cookie", cookie);
        using var response = await fixture.Stranger.SendAsync(request, Cancel);
        Assert.Equal(expected, response.StatusCode);
    }

    [Theory]
    [InlineData("evil.example", HttpStatusCode.MisdirectedRequest)]
    [InlineData("127.0.0.1.evil.example", HttpStatusCode.MisdirectedRequest)]
    [InlineData("localhost.evil.example:80", HttpStatusCode.MisdirectedRequest)]
    [InlineData("10.1.2.3", HttpStatusCode.MisdirectedRequest)]
    [InlineData("localhost", HttpStatusCode.OK)]
    [InlineData("LOCALHOST:1234", HttpStatusCode.OK)]
    [InlineData("[::1]", HttpStatusCode.OK)]
    [InlineData("127.0.0.1:99", HttpStatusCode.OK)]
    public async Task Request_ByName_IsServedOnlyUnderOurs(string host, HttpStatusCode expected)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/version");
        request.Headers.Host = host;
        using var response = await fixture.Client.SendAsync(request, Cancel);
        await AssertAsync(response, expected, "host_not_allowed");
    }

    [Theory]
    [InlineData("http://evil.example", HttpStatusCode.Forbidden)]
    [InlineData("null", HttpStatusCode.Forbidden)]
    [InlineData("self", HttpStatusCode.OK)]
    public async Task Request_FromAPage_IsServedOnlyToOurs(string origin, HttpStatusCode expected)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/version");
        Add(request, "Origin", origin == "self" ? fixture.Api.Url : origin);
        using var response = await fixture.Client.SendAsync(request, Cancel);
        await AssertAsync(response, expected, "origin_not_allowed");
    }

    [Theory]
    [InlineData("GET", "/api/v1/nothing", HttpStatusCode.NotFound, "not_found")]
    [InlineData("GET", "/", HttpStatusCode.NotFound, "not_found")]
    [InlineData("POST", "/api/v1/version", HttpStatusCode.MethodNotAllowed, "method_not_allowed")]
    [InlineData("DELETE", "/api/v1/flows", HttpStatusCode.MethodNotAllowed, "method_not_allowed")]
    public async Task Request_ForNothing_IsAProblem(string method, string path, HttpStatusCode status, string code)
    {
        using var response = await fixture.Client.SendAsync(new(new(method), path), Cancel);
        await AssertAsync(response, status, code);
    }

    [Fact]
    public void Bind_PortTaken_SaysSo()
    {
        var error = Assert.Throws<Engine.ListenException>(() => ApiServer.Bind(new() { Listen = fixture.Api.EndPoint, Token = "x" }));
        Assert.Equal((fixture.Api.EndPoint, true), (error.EndPoint, error.IsInUse));
    }

    private static void Add(HttpRequestMessage request, string name, string? value)
    {
        if (value is not null)
        {
            Assert.True(request.Headers.TryAddWithoutValidation(name, value));
        }
    }

    private static async Task AssertAsync(HttpResponseMessage response, HttpStatusCode status, string code)
    {
        Assert.Equal(status, response.StatusCode);
        if (!response.IsSuccessStatusCode)
        {
            Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.ToString());
            using var problem = JsonDocument.Parse(await response.Content.ReadAsByteArrayAsync(Cancel));
            Assert.Equal(((int)status, code), (problem.RootElement.GetProperty("status").GetInt32(), problem.RootElement.GetProperty("code").GetString()));
            Assert.NotEmpty(problem.RootElement.GetProperty("detail").GetString()!);
        }
    }
}

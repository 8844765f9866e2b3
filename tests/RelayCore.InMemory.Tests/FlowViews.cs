using RelayCore.Core.Flows;
using RelayCore.Testing;
using Xunit;

namespace RelayCore.InMemory.Tests;

/// <summary>Short ways to what tests look at.</summary>
internal static class FlowViews
{
    public static HttpLayer Http(this Flow flow) => Assert.IsType<FlowLayer.Http>(flow.Layer).Data;

    public static TcpLayer Tcp(this Flow flow) => Assert.IsType<FlowLayer.Tcp>(flow.Layer).Data;

    public static FlowError? Error(this Flow flow) => flow.Layer switch
    {
        FlowLayer.Http http => http.Data.Error,
        FlowLayer.Tcp tcp => tcp.Data.Error,
        _ => null,
    };

    /// <summary>An exchange with one origin; what both sides received.</summary>
    public static async Task<(string AtServer, string AtClient)> ExchangeAsync(
        this TestProxy proxy, TestPeer client, TestOrigin origin, string request, string response, bool requestHasNoBody = false, bool responseHasNoBody = false)
    {
        await client.SendAsync(request);
        var server = await origin.AcceptAsync();
        return await ExchangeAsync(proxy, client, server, null, response, requestHasNoBody, responseHasNoBody);
    }

    public static async Task<(string AtServer, string AtClient)> ExchangeAsync(
        this TestProxy proxy, TestPeer client, TestPeer server, string? request, string response, bool requestHasNoBody = false, bool responseHasNoBody = false)
    {
        Assert.NotNull(proxy);
        if (request is not null)
        {
            await client.SendAsync(request);
        }

        var atServer = await server.ReadMessageAsync(requestHasNoBody);
        await server.SendAsync(response);
        return (atServer, await client.ReadMessageAsync(responseHasNoBody));
    }

    /// <summary>Asserts an answer of the proxy itself.</summary>
    public static void AssertGenerated(string response, int status, string code)
    {
        Assert.StartsWith($"HTTP/1.1 {status} ", response, StringComparison.Ordinal);
        Assert.Equal(code, TestPeer.Field(response, "X-Relay-Core-Error"));
    }
}

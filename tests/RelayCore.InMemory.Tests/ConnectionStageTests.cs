using System.Text;
using RelayCore.Core.Faults;
using RelayCore.Core.Interception;
using RelayCore.Core.Messages;
using RelayCore.Testing;
using Xunit;

namespace RelayCore.InMemory.Tests;

/// <summary>Interceptors at the stages around an exchange: ClientHello, interim responses, raw tunnels; and bodies that have no end.</summary>
public sealed class ConnectionStageTests
{
    private const string Connect = "CONNECT origin.test:9000 HTTP/1.1\r\nHost: origin.test:9000\r\n\r\n";
    private const string Get = "GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\n\r\n";

    [Fact]
    public async Task ClientHello_PassThrough_TheOriginGetsTheOctetsOfTheClient()
    {
        var actor = new Actor(Stage.ClientHello) { Decision = InterceptDecision.PassThrough };
        await using var proxy = await TestProxy.StartAsync(x => x with { Interceptors = [actor] });
        var origin = proxy.Origin(port: 9000);
        var client = proxy.Connect();
        await client.SendAsync(Connect);
        await client.ReadHeadAsync();
        var hello = Hello("inner.test");
        await client.SendAsync(hello);
        var server = await origin.AcceptAsync();
        Assert.Equal(Encoding.Latin1.GetString(hello), await server.ReadAsync(hello.Length));
        Assert.Equal("inner.test", actor.ServerName);
        server.Close();
        await client.ReadToEndAsync();
        client.Close(); // a tunnel ends with its second half
        Assert.Contains("passed_through", (await proxy.FlowAsync()).Marks);
    }

    [Fact]
    public async Task ClientHello_Drop_ClosesWithoutTheOriginAndSaysSo()
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { Interceptors = [new Actor(Stage.ClientHello) { Decision = InterceptDecision.Drop }] });
        var client = proxy.Connect();
        await client.SendAsync(Connect);
        await client.ReadHeadAsync();
        await client.SendAsync(Hello("inner.test"));
        Assert.Equal("", (await client.DrainAsync()).Octets);
        Assert.Empty(proxy.Network.Connects);
        Assert.Equal("RC-POL-001", (await proxy.FlowAsync()).Error()!.Code);
    }

    [Fact]
    public async Task Informational_Edit_GoesOnTheWireAndTheFinalResponseIsItsOwn()
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { Interceptors = [new Actor(Stage.Informational)] });
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync(Get);
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.SendAsync("HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        Assert.Equal("HTTP/1.1 103 Early Hints\r\nLink: edited\r\n\r\n", await client.ReadHeadAsync());
        Assert.Equal("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", await client.ReadMessageAsync());
        Assert.Contains((await proxy.FlowAsync()).Mutations!, x => x is { Target: "informational.headers.Link", Before: "a", After: "edited" });
    }

    [Fact]
    public async Task TunnelStart_Drop_TheOriginIsNotContacted()
    {
        var actor = new Actor(Stage.TunnelStart | Stage.TunnelEnd) { DropsTunnels = true };
        await using var proxy = await TestProxy.StartAsync(x => x with { Interceptors = [actor] });
        var client = proxy.Connect();
        await client.SendAsync(Connect);
        await client.ReadHeadAsync();
        await client.SendAsync("\x01\x02raw");
        Assert.True((await client.DrainAsync()).WasReset);
        Assert.Empty(proxy.Network.Connects);
        Assert.Equal("RC-POL-002", (await proxy.FlowAsync()).Error()!.Code);
        Assert.Equal("RC-POL-002", actor.TunnelFault);
    }

    [Fact]
    public async Task ResponseBody_EventStream_IsNotHeldForAnActorThatWantsItWhole()
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { Interceptors = [new Actor(Stage.ResponseBody)] });
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync(Get);
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.SendAsync("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n");
        await client.ReadHeadAsync();
        Assert.Equal("data: 1\n\n", await client.ReadAsync(9));
        server.Close();
        await client.ReadToEndAsync();
        Assert.Contains("body_actor_skipped", (await proxy.FlowAsync()).Marks);
    }

    /// <summary>The smallest ClientHello that names a server (RFC 8446 §4.1.2).</summary>
    internal static byte[] Hello(string serverName)
    {
        var name = Encoding.ASCII.GetBytes(serverName);
        byte[] extension = [0, 0, .. Two(name.Length + 5), .. Two(name.Length + 3), 0, .. Two(name.Length), .. name];
        byte[] body = [3, 3, .. new byte[32], 0, 0, 2, 0x13, 1, 1, 0, .. Two(extension.Length), .. extension];
        return [0x16, 3, 1, .. Two(body.Length + 4), 1, 0, .. Two(body.Length), .. body];

        static byte[] Two(int value) => [(byte)(value >> 8), (byte)value];
    }

    private sealed class Actor(Stage stages) : IInterceptor
    {
        public InterceptDecision Decision { get; init; }

        public bool DropsTunnels { get; init; }

        public string? ServerName { get; private set; }

        public string? TunnelFault { get; private set; }

        public string Name => "actor";

        public InterceptorNeeds Needs => new() { Stages = stages };

        public ValueTask<Verdict> OnClientHelloAsync(ClientHelloContext context, CancellationToken cancellationToken)
        {
            (context.Decision, ServerName) = (Decision, context.Hello.ServerName);
            return new(Verdict.Continue);
        }

        public ValueTask OnInformationalAsync(Exchange exchange, ResponseHead interim, CancellationToken cancellationToken)
        {
            interim.Fields.Set("Link", "edited");
            return default;
        }

        public ValueTask<Verdict> OnTunnelStartAsync(TunnelContext tunnel, CancellationToken cancellationToken) =>
            new(DropsTunnels ? new Verdict.Drop("no tunnels") : Verdict.Continue);

        public ValueTask OnTunnelEndAsync(TunnelContext tunnel, FlowFault? fault, CancellationToken cancellationToken)
        {
            TunnelFault = fault?.Code;
            return default;
        }
    }
}

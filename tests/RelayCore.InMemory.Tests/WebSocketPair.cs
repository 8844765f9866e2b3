using System.Buffers.Binary;
using System.Text;
using RelayCore.Core.Faults;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Engine;
using RelayCore.Protocols;
using RelayCore.Protocols.WebSockets;
using RelayCore.Testing;
using Xunit;

namespace RelayCore.InMemory.Tests;

/// <summary>A client and a server behind their handshake, with the proxy between.</summary>
internal sealed class WebSocketPair : IAsyncDisposable
{
    public const string Get = "GET http://origin.test/ws HTTP/1.1\r\nHost: origin.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

    public const string Switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

    private static readonly byte[] s_key = [0x37, 0xfa, 0x21, 0x3d];

    private WebSocketPair(TestProxy proxy, TestPeer client, TestPeer server) => (Proxy, Client, Server) = (proxy, client, server);

    public TestProxy Proxy { get; }

    public TestPeer Client { get; }

    public TestPeer Server { get; }

    /// <summary>The session, as somebody from outside finds it.</summary>
    public IMessageSession Session
    {
        get
        {
            var id = FlowId.TryParse(Assert.Single(Proxy.Flows()).Id, out var parsed) ? parsed : default;
            Assert.True(Proxy.Engine.MessageSessions.TryGet(id, out var session), "the session is not to be found by its flow");
            return session;
        }
    }

    /// <param name="actor">Interceptor.</param>
    /// <param name="extensions">Value of Sec-WebSocket-Extensions in both heads.</param>
    /// <param name="configure">Options.</param>
    public static async Task<WebSocketPair> StartAsync(IInterceptor? actor = null, string? extensions = null, Func<EngineOptions, EngineOptions>? configure = null)
    {
        var proxy = await TestProxy.StartAsync(x => (configure?.Invoke(x) ?? x) with { Interceptors = actor is null ? [] : [actor] });
        var origin = proxy.Origin();
        var client = proxy.Connect();
        var line = extensions is null ? "" : $"Sec-WebSocket-Extensions: {extensions}\r\n";
        await client.SendAsync(Get + line + "\r\n");
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.SendAsync(Switching + line + "\r\n");
        await client.ReadHeadAsync();
        await client.ProxyReceivesAsync();
        await server.ProxyReceivesAsync();
        return new(proxy, client, server);
    }

    public TestPeer Peer(PeerRole role) => role == PeerRole.Client ? Client : Server;

    public TestPeer Other(PeerRole role) => role == PeerRole.Client ? Server : Client;

    /// <summary>A frame as a peer sends it: a client's is masked.</summary>
    public static byte[] Frame(PeerRole sender, WebSocketOpcode opcode, byte[] payload, bool isFinal = true, bool isCompressed = false)
    {
        var isMasked = sender == PeerRole.Client;
        var length = payload.Length < 126 ? [(byte)payload.Length] : payload.Length < 65536
            ? [126, (byte)(payload.Length >> 8), (byte)payload.Length]
            : (byte[])[127, 0, 0, 0, 0, (byte)(payload.Length >> 24), (byte)(payload.Length >> 16), (byte)(payload.Length >> 8), (byte)payload.Length];
        length[0] |= isMasked ? (byte)0x80 : (byte)0;
        return
        [
            (byte)((isFinal ? 0x80 : 0) | (isCompressed ? 0x40 : 0) | (int)opcode), .. length, .. isMasked ? s_key : [],
            .. payload.Select((x, i) => isMasked ? (byte)(x ^ s_key[i % 4]) : x),
        ];
    }

    public static byte[] Text(PeerRole sender, string text) => Frame(sender, WebSocketOpcode.Text, Encoding.UTF8.GetBytes(text));

    public static byte[] Close(PeerRole sender, int code, string reason = "") => Frame(sender, WebSocketOpcode.Close, ClosePayload(code, reason));

    public static byte[] ClosePayload(int code, string reason = "") => [(byte)(code >> 8), (byte)code, .. Encoding.UTF8.GetBytes(reason)];

    /// <summary>Reads one frame by an own decoder; its first octet, whether it was masked, and its payload.</summary>
    public static async Task<(byte First, bool IsMasked, byte[] Payload)> ReadFrameAsync(TestPeer peer)
    {
        var head = Octets(await peer.ReadAsync(2));
        var length = (long)(head[1] & 0x7F);
        if (length == 126)
        {
            length = BinaryPrimitives.ReadUInt16BigEndian(Octets(await peer.ReadAsync(2)));
        }
        else if (length == 127)
        {
            length = BinaryPrimitives.ReadInt64BigEndian(Octets(await peer.ReadAsync(8)));
        }

        var key = (head[1] & 0x80) != 0 ? Octets(await peer.ReadAsync(4)) : null;
        var payload = Octets(await peer.ReadAsync((int)length));
        return (head[0], key is not null, key is null ? payload : [.. payload.Select((x, i) => (byte)(x ^ key[i % 4]))]);
    }

    /// <summary>Reads a frame that must be a whole text message, masked when the server gets it.</summary>
    public async Task<string> ReadTextAsync(PeerRole receiver)
    {
        var (first, isMasked, payload) = await ReadFrameAsync(Peer(receiver));
        Assert.Equal((0x81, receiver == PeerRole.Server), (first, isMasked));
        return Encoding.UTF8.GetString(payload);
    }

    /// <summary>Asserts that a peer receives exactly these octets next.</summary>
    public static async Task AssertReceivesAsync(TestPeer peer, byte[] expected) =>
        Assert.Equal(Convert.ToHexString(expected), Convert.ToHexString(Octets(await peer.ReadAsync(expected.Length))));

    /// <summary>Sends and asserts that the other end gets the same octets.</summary>
    public async Task PassAsync(PeerRole sender, byte[] octets)
    {
        await Peer(sender).SendAsync(octets);
        await AssertReceivesAsync(Other(sender), octets);
    }

    /// <summary>The closing handshake, from the client on.</summary>
    public async Task CloseAsync()
    {
        await PassAsync(PeerRole.Client, Close(PeerRole.Client, 1000));
        await PassAsync(PeerRole.Server, Close(PeerRole.Server, 1000));
        Server.Close();
        Assert.Equal("", await Client.ReadToEndAsync());
        Client.Close();
    }

    /// <summary>The flow when it ended.</summary>
    public async Task<(Flow Flow, WebSocketLayer Socket)> EndedAsync()
    {
        var flow = await Proxy.FlowAsync();
        return (flow, Assert.IsType<FlowLayer.WebSocket>(flow.Layer).Data);
    }

    /// <summary>Messages as <c>&gt;Text:hello</c>, with marks.</summary>
    public static IEnumerable<string> Lines(WebSocketLayer socket) => socket.Messages.Select(x =>
        $"{(x.Direction == "ClientToServer" ? '>' : '<')}{x.Opcode}:{(x.Opcode == "Close" ? $"{x.CloseCode} {x.CloseReason}".Trim() : x.Content.Content)}"
        + (x.Injected ? " injected" : "") + (x.Changed ? " changed" : "") + (x.Dropped ? " dropped" : "") + (x.Compressed ? " compressed" : "")
        + (x.Content.Truncated ? " truncated" : "") + (x.Incomplete ? " incomplete" : ""));

    public async ValueTask DisposeAsync()
    {
        Client.Reset();
        Server.Reset();
        await Proxy.DisposeAsync();
    }

    private static byte[] Octets(string latin1) => Encoding.Latin1.GetBytes(latin1);

    /// <summary>Does to each message what a test says.</summary>
    internal sealed class Actor(Stage stages) : IInterceptor
    {
        public Func<MessageContext, Message, ValueTask>? Message { get; init; }

        public Func<MessageContext, Verdict>? Start { get; init; }

        public Action<Exchange>? Response { get; init; }

        public Action<MessageContext, FlowFault?>? End { get; init; }

        public string Name => "actor";

        public InterceptorNeeds Needs { get; } = new() { Stages = stages };

        public ValueTask<Verdict> OnMessagesStartAsync(MessageContext context, CancellationToken cancellationToken) => new(Start?.Invoke(context) ?? Verdict.Continue);

        public ValueTask OnMessageAsync(MessageContext context, Message message, CancellationToken cancellationToken) => Message?.Invoke(context, message) ?? default;

        public ValueTask OnMessagesEndAsync(MessageContext context, FlowFault? fault, CancellationToken cancellationToken)
        {
            End?.Invoke(context, fault);
            return default;
        }

        public ValueTask<Verdict> OnResponseHeadAsync(Exchange exchange, CancellationToken cancellationToken)
        {
            Response?.Invoke(exchange);
            return new(Verdict.Continue);
        }
    }
}

using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using RelayCore.Core.Interception;
using RelayCore.Interop.Tests.Harness;

namespace RelayCore.Interop.Tests;

/// <summary>Resets and early ends on purpose, as real sockets see them.</summary>
public sealed class ResetTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);
    private static readonly string s_body = new('x', 100_000);

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, false)]
    [InlineData(true, true)]
    public async Task Abort_ResetsTheClientsConnection(bool isAtRequest, bool isSecure)
    {
        using var pki = isSecure ? new TestPki() : null;
        await using var server = Server();
        await using var proxy = await RunningProxy.StartAsync(pki, x => x with
        {
            Interceptors = [new Actor { Request = _ => isAtRequest ? new Verdict.Abort("on purpose") : Verdict.Continue, Response = _ => new Verdict.Abort("on purpose") }],
        });
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync("127.0.0.1", proxy.Port, TestContext.Current.CancellationToken);
        await using var network = new NetworkStream(socket);
        Stream stream = network;
        if (isSecure)
        {
            await network.WriteAsync("CONNECT shop.test:443 HTTP/1.1\r\nHost: shop.test:443\r\n\r\n"u8.ToArray(), TestContext.Current.CancellationToken);
            Assert.StartsWith("HTTP/1.1 200", Encoding.Latin1.GetString(await ReadAsync(network, 4)) + await ReadLineEndAsync(network), StringComparison.Ordinal);
            var tls = new SslStream(network, leaveInnerStreamOpen: true);
            using var root = X509CertificateLoader.LoadCertificateFromFile(proxy.CaFile);
            await tls.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions
                {
                    TargetHost = "shop.test",
                    CertificateChainPolicy = new() { TrustMode = X509ChainTrustMode.CustomRootTrust, CustomTrustStore = { root }, RevocationMode = X509RevocationMode.NoCheck },
                }, TestContext.Current.CancellationToken);
            stream = tls;
        }

        await stream.WriteAsync(Encoding.ASCII.GetBytes($"GET http://127.0.0.1:{server.Port}/ HTTP/1.1\r\nHost: 127.0.0.1:{server.Port}\r\n\r\n"), TestContext.Current.CancellationToken);
        Assert.Equal(("", SocketError.ConnectionReset), await DrainAsync(stream));
        var flow = (await proxy.FinishedAsync(1))[^1];
        Assert.Equal(("reset", "RC-POL-002"), (flow.CloseReason!.Reason, flow.Http().Error!.Code));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Response_EndedWithin_IsResetOrEndsInOrder(bool isReset)
    {
        await using var server = Server();
        await using var proxy = await RunningProxy.StartAsync(null, x => x with
        {
            Interceptors =
            [
                new Actor
                {
                    Response = exchange =>
                    {
                        exchange.ResponseImpairment = isReset ? new() { ResetAfter = 50_000 } : new() { TruncateAfter = 50_000 };
                        return Verdict.Continue;
                    },
                },
            ],
        });
        using var client = new TcpClient();
        await client.ConnectAsync("127.0.0.1", proxy.Port, TestContext.Current.CancellationToken);
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"GET http://127.0.0.1:{server.Port}/ HTTP/1.1\r\nHost: x\r\n\r\n"), TestContext.Current.CancellationToken);
        var (octets, error) = await DrainAsync(client.GetStream());
        Assert.Equal(isReset ? SocketError.ConnectionReset : SocketError.Success, error);
        Assert.Equal(50_000, octets.Length - octets.IndexOf("\r\n\r\n", StringComparison.Ordinal) - 4);
        var flow = (await proxy.FinishedAsync(1))[0];
        Assert.Contains("impaired", flow.Marks);
        Assert.Equal(isReset ? "RC-POL-011" : "RC-POL-010", flow.Http().Error!.Code);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Request_EndedWithin_TheServerIsResetOrSeesTheEnd(bool isReset)
    {
        var seen = new TaskCompletionSource<(string Octets, SocketError Error)>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = RawServer.Start(async stream => seen.TrySetResult(await DrainAsync(stream)));
        await using var proxy = await RunningProxy.StartAsync(null, x => x with
        {
            Interceptors =
            [
                new Actor
                {
                    Request = exchange =>
                    {
                        exchange.RequestImpairment = isReset ? new() { ResetAfter = 7 } : new() { TruncateAfter = 7 };
                        return Verdict.Continue;
                    },
                },
            ],
        });
        using var client = new TcpClient();
        await client.ConnectAsync("127.0.0.1", proxy.Port, TestContext.Current.CancellationToken);
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"POST http://127.0.0.1:{server.Port}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123456789"), TestContext.Current.CancellationToken);
        var (octets, error) = await seen.Task.WaitAsync(s_patience, TestContext.Current.CancellationToken);
        Assert.EndsWith("\r\n\r\n0123456", octets, StringComparison.Ordinal);
        Assert.Equal(isReset ? SocketError.ConnectionReset : SocketError.Success, error);
        Assert.StartsWith("HTTP/1.1 502", Encoding.Latin1.GetString(await ReadAsync(client.GetStream(), 12)), StringComparison.Ordinal);
    }

    private static RawServer Server() => RawServer.Start(static async stream =>
    {
        var buffer = new byte[4096];
        var received = await stream.ReadAsync(buffer, TestContext.Current.CancellationToken);
        if (received > 0)
        {
            await stream.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\nContent-Length: {s_body.Length}\r\n\r\n{s_body}"), TestContext.Current.CancellationToken);
            await DrainAsync(stream); // until the proxy is done
        }
    });

    private static async Task<(string Octets, SocketError Error)> DrainAsync(Stream stream)
    {
        using var patience = new CancellationTokenSource(s_patience);
        using var octets = new MemoryStream();
        var buffer = new byte[16 * 1024];
        try
        {
            int read;
            while ((read = await stream.ReadAsync(buffer, patience.Token)) > 0)
            {
                octets.Write(buffer, 0, read);
            }

            return (Encoding.Latin1.GetString(octets.ToArray()), SocketError.Success);
        }
        catch (IOException e) when (e.InnerException is SocketException failure)
        {
            return (Encoding.Latin1.GetString(octets.ToArray()), failure.SocketErrorCode);
        }
    }

    private static async Task<byte[]> ReadAsync(Stream stream, int octets)
    {
        using var patience = new CancellationTokenSource(s_patience);
        var buffer = new byte[octets];
        await stream.ReadExactlyAsync(buffer, patience.Token);
        return buffer;
    }

    private static async Task<string> ReadLineEndAsync(Stream stream)
    {
        var text = new StringBuilder();
        while (!text.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            text.Append((char)(await ReadAsync(stream, 1))[0]);
        }

        return text.ToString();
    }

    private sealed class Actor : IInterceptor
    {
        public Func<Exchange, Verdict> Request { get; init; } = static _ => Verdict.Continue;

        public Func<Exchange, Verdict> Response { get; init; } = static _ => Verdict.Continue;

        public string Name => "actor";

        public InterceptorNeeds Needs => new() { Stages = Stage.RequestHead | Stage.ResponseHead };

        public ValueTask<Verdict> OnRequestHeadAsync(Exchange exchange, CancellationToken cancellationToken) => new(Request(exchange));

        public ValueTask<Verdict> OnResponseHeadAsync(Exchange exchange, CancellationToken cancellationToken) => new(Response(exchange));
    }
}

using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using RelayCore.Engine.Transport;
using RelayCore.Testing;
using Xunit;

namespace RelayCore.InMemory.Tests;

public sealed class TlsTests
{
    internal const string Get = "GET /s HTTP/1.1\r\nHost: origin.test\r\n\r\n";
    internal const string Ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    [Fact]
    public async Task Intercepted_TwoExchanges_AreByteExactOnOneConnectionEach()
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { InsecureUpstream = true });
        var origin = proxy.Origin(port: 443);
        var client = await ConnectAsync(proxy);
        await client.SendAsync(Get);
        var server = await AcceptAsync(origin);
        for (var i = 0; i < 2; i++)
        {
            Assert.Equal(Get, await server.ReadHeadAsync());
            await server.SendAsync(Ok);
            Assert.Equal(Ok, await client.ReadMessageAsync());
            if (i == 0)
            {
                await client.SendAsync(Get);
            }
        }

        var flows = await proxy.FlowsAsync(2);
        Assert.All(flows, x => Assert.Equal("https://origin.test/s", x.Http().Request!.Url));
        Assert.All(flows, x => Assert.Equal("origin.test", x.Network.Sni));
        Assert.Single(proxy.Network.Connects);
    }

    [Fact]
    public async Task Intercepted_CloseNotifyBehindAResponse_IsNoErrorAndTheNextRequestConnectsAnew()
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { InsecureUpstream = true });
        var origin = proxy.Origin(port: 443);
        var client = await ConnectAsync(proxy);
        await client.SendAsync(Get);
        var server = await AcceptAsync(origin);
        await server.ReadHeadAsync();
        await server.SendAsync(Ok);
        Assert.Equal(Ok, await client.ReadMessageAsync());
        await proxy.FlowsAsync(1);
        await server.EndAsync();
        await client.SendAsync(Get);
        var second = await AcceptAsync(origin);
        Assert.Equal(Get, await second.ReadHeadAsync());
        await second.SendAsync(Ok);
        Assert.Equal(Ok, await client.ReadMessageAsync());
        Assert.All(await proxy.FlowsAsync(2), x => Assert.Null(x.Error()));
    }

    [Fact]
    public async Task Intercepted_UntrustedOrigin_Is502WithTheChain()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin(port: 443);
        var client = await ConnectAsync(proxy);
        await client.SendAsync(Get);
        var accepting = Record.ExceptionAsync(() => AcceptAsync(origin));
        FlowViews.AssertGenerated(await client.ReadMessageAsync(), 502, "RC-TLS-201");
        await accepting;
        var error = (await proxy.FlowAsync()).Error()!;
        Assert.Contains("CN=origin.test", Assert.Single(error.CertificateChain!), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Intercepted_ClientRejectsTheCertificate_IsDiagnosed()
    {
        await using var proxy = await TestProxy.StartAsync();
        proxy.Origin(port: 443);
        await Assert.ThrowsAnyAsync<Exception>(() => ConnectAsync(proxy, accepts: false));
        await TestProxy.UntilAsync(() => proxy.Store.Statistics.Stored == 1, () => "no flow");
        Assert.StartsWith("RC-TLS-10", (await proxy.FlowAsync()).Error()!.Code, StringComparison.Ordinal);
    }

    internal static async Task<TestPeer> ConnectAsync(TestProxy proxy, bool accepts = true)
    {
        var plain = proxy.Connect();
        await plain.SendAsync("CONNECT origin.test:443 HTTP/1.1\r\nHost: origin.test:443\r\n\r\n");
        await plain.ReadHeadAsync();
        var tls = new SslStream(new TransportStream(plain.Wire, default), leaveInnerStreamOpen: true);
        var handshake = tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = "origin.test",
            RemoteCertificateValidationCallback = (_, certificate, _, _) => accepts && certificate!.Issuer == proxy.Root.Certificate.Subject,
        });
        try
        {
            await handshake.WaitAsync(TestPeer.Patience);
        }
        catch
        {
            plain.Close();
            throw;
        }

        return new(new TlsTransport(plain.Wire, tls), plain.Wire);
    }

    internal static async Task<TestPeer> AcceptAsync(TestOrigin origin)
    {
        var plain = await origin.AcceptAsync();
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=origin.test", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("origin.test");
        request.CertificateExtensions.Add(names.Build());
        var certificate = request.CreateSelfSigned(new(2020, 1, 1, 0, 0, 0, TimeSpan.Zero), new(2040, 1, 1, 0, 0, 0, TimeSpan.Zero));
        var tls = new SslStream(new TransportStream(plain.Wire, default), leaveInnerStreamOpen: true);
        await tls.AuthenticateAsServerAsync(certificate).WaitAsync(TestPeer.Patience);
        return new(new TlsTransport(plain.Wire, tls), plain.Wire);
    }
}

using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Runtime.Versioning;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using CsCheck;
using Microsoft.Extensions.Time.Testing;
using RelayCore.Engine.Certificates;
using Xunit;

namespace RelayCore.Engine.Tests.Certificates;

public sealed class LeafCertificatesTests : IDisposable
{
    private static readonly DateTimeOffset s_now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
    private readonly TemporaryDirectory _directory = new();
    private readonly FakeTimeProvider _time = new(s_now);
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly RootAuthority _root;

    public LeafCertificatesTests() => _root = RootAuthority.GenerateAsync(_directory.Path, force: false, _time).GetAwaiter().GetResult();

    public void Dispose()
    {
        _root.Dispose();
        _key.Dispose();
        _directory.Dispose();
    }

    [Fact]
    public async Task GetAsync_Name_IssuesToSpecification()
    {
        var leaves = new LeafCertificates(_root, _key, _time);
        var context = await leaves.GetAsync("www.Example.com");
        var leaf = context.TargetCertificate;

        AssertVerifies(leaf, _root.Certificate, s_now);
        Assert.True(leaf.HasPrivateKey);
        Assert.Equal("CN=www.example.com", leaf.Subject);
        Assert.Equal(_root.Certificate.Subject, leaf.Issuer);
        Assert.Equal(s_now.AddDays(-2).UtcDateTime, leaf.NotBefore.ToUniversalTime());
        Assert.Equal(s_now.AddDays(195).UtcDateTime, leaf.NotAfter.ToUniversalTime());
        var serial = leaf.SerialNumberBytes.Span;
        Assert.True(serial.Length == 16 && serial[0] is > 0 and < 0x80, leaf.SerialNumber);
        Assert.True(leaf.Extensions.OfType<X509BasicConstraintsExtension>().Single() is { CertificateAuthority: false, Critical: true });
        Assert.Equal(X509KeyUsageFlags.DigitalSignature, leaf.Extensions.OfType<X509KeyUsageExtension>().Single().KeyUsages);
        Assert.Equal("1.3.6.1.5.5.7.3.1", leaf.Extensions.OfType<X509EnhancedKeyUsageExtension>().Single().EnhancedKeyUsages[0].Value);
        Assert.Equal(
            _root.Certificate.Extensions.OfType<X509SubjectKeyIdentifierExtension>().Single().SubjectKeyIdentifierBytes,
            leaf.Extensions.OfType<X509AuthorityKeyIdentifierExtension>().Single().KeyIdentifier!.Value);
        Assert.Single(leaf.Extensions.OfType<X509SubjectKeyIdentifierExtension>());
        var names = leaf.Extensions.OfType<X509SubjectAlternativeNameExtension>().Single();
        AssertNames(leaf, "www.example.com");
        Assert.False(names.Critical);
        Assert.Empty(context.IntermediateCertificates); // the client has the root
    }

    [Theory]
    [InlineData("b\u00FCcher.example", "xn--bcher-kva.example")]
    [InlineData("r3---sn-x.example", "r3---sn-x.example")]
    [InlineData("xn--zzz-not-punycode-.example", null)]
    [InlineData("xn--99999.example", "xn--99999.example")]
    [InlineData("_service.example", "_service.example")]
    [InlineData("Trailing.Example.", "trailing.example")]
    [InlineData("localhost", "localhost")]
    [InlineData("127.0.0.1", "127.0.0.1")]
    [InlineData("2001:DB8:0::1", "2001:db8::1")]
    [InlineData("[2001:db8::1]", "2001:db8::1")]
    [InlineData("fe80::1%1", "fe80::1")]
    [InlineData("[127.0.0.1]", null)]
    [InlineData("", null)]
    [InlineData(".", null)]
    [InlineData("a b", null)]
    [InlineData("*.example.com", null)]
    [InlineData("a..b", null)]
    [InlineData("\uD800.example", null)]
    [InlineData("a\0b", null)]
    public async Task GetAsync_AnySpelling_CertifiesTheOneOrRefuses(string host, string? expected)
    {
        var leaves = new LeafCertificates(_root, _key, _time);
        Assert.Equal(expected is not null, LeafCertificates.CanIssueFor(host));
        if (expected is null)
        {
            await Assert.ThrowsAsync<ArgumentException>(async () => await leaves.GetAsync(host));
            return;
        }

        var context = await leaves.GetAsync(host);
        AssertNames(context.TargetCertificate, expected);
        Assert.Same(context, await leaves.GetAsync(expected));
        Assert.Equal((1, 1L, 1L), (leaves.Count, leaves.Issued, leaves.Hits));
    }

    [Fact]
    public async Task GetAsync_NameTooLongForACommonName_HasOnlyACriticalAlternativeName()
    {
        var leaves = new LeafCertificates(_root, _key, _time);
        var (fits, tooLong) = (new string('a', 55) + ".example", new string('a', 56) + ".example");
        Assert.Equal((63, $"CN={fits}"), (fits.Length, (await leaves.GetAsync(fits)).TargetCertificate.Subject));
        var leaf = (await leaves.GetAsync(tooLong)).TargetCertificate;
        Assert.Equal("", leaf.Subject);
        Assert.True(leaf.Extensions.OfType<X509SubjectAlternativeNameExtension>().Single().Critical);
        AssertVerifies(leaf, _root.Certificate, s_now);
    }

    [Fact]
    public async Task GetAsync_AnyHostName_Verifies()
    {
        var label = Gen.Char["abcdefghijklmnopqrstuvwxyz0123456789_"].Array[1, 63].Select(c => new string(c));
        var leaves = new LeafCertificates(_root, _key, _time, capacity: 8);
        await label.Array[1, 3].Select(l => string.Join('.', l) + ".example").SampleAsync(
            async host =>
            {
                var leaf = (await leaves.GetAsync(host)).TargetCertificate;
                AssertNames(leaf, host);
                AssertVerifies(leaf, _root.Certificate, s_now);
            },
            iter: 100);
        Assert.Equal(8, leaves.Count);
    }

    [Fact]
    public async Task GetAsync_ManyAtOnce_IssuesOnce()
    {
        var leaves = new LeafCertificates(_root, _key, _time);
        using var start = new Barrier(8);
        var all = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Factory.StartNew(
            () =>
            {
                start.SignalAndWait();
                return leaves.GetAsync("same.example").AsTask();
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).Unwrap()));
        Assert.Single(all.Distinct());
        Assert.Equal((1L, 7L), (leaves.Issued, leaves.Hits));
    }

    [Fact]
    public async Task GetAsync_HotHost_CompletesAtOnceWithoutAllocation()
    {
        var leaves = new LeafCertificates(_root, _key, TimeProvider.System);
        await leaves.GetAsync("hot.example");
        Assert.True(Allocated() >= 0); // warm
        Assert.Equal(0, Allocated());

        long Allocated()
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var round = 0; round < 1000; round++)
            {
                var hit = leaves.GetAsync("HOT.example");
                Assert.True(hit.IsCompletedSuccessfully);
            }

            return GC.GetAllocatedBytesForCurrentThread() - before;
        }
    }

    [Fact]
    public async Task GetAsync_FullCache_KeepsTheHostsInUse()
    {
        var leaves = new LeafCertificates(_root, _key, _time, capacity: 4);
        var hot = await leaves.GetAsync("hot.example");
        for (var host = 0; host < 20; host++)
        {
            await leaves.GetAsync($"h{host}.example");
            Assert.Same(hot, await leaves.GetAsync("hot.example"));
            Assert.True(leaves.Count <= 4);
        }

        Assert.Equal(21, leaves.Issued);
        await leaves.GetAsync("h0.example");
        Assert.Equal(22, leaves.Issued); // long pushed out
    }

    [Fact]
    public async Task GetAsync_FromManyThreads_StaysWithinItsBound()
    {
        var leaves = new LeafCertificates(_root, _key, _time, capacity: 10);
        await Parallel.ForEachAsync(Enumerable.Range(0, 400), async (number, _) =>
        {
            var context = await leaves.GetAsync($"h{number % 37}.example");
            AssertNames(context.TargetCertificate, $"h{number % 37}.example");
        });
        Assert.InRange(leaves.Count, 1, 10);
        Assert.Equal(400, leaves.Issued + leaves.Hits);
    }

    [Fact]
    public async Task GetAsync_TimePasses_RenewsInTheLastTenth()
    {
        var leaves = new LeafCertificates(_root, _key, _time);
        var first = await leaves.GetAsync("old.example");
        _time.Advance(TimeSpan.FromDays(175));
        Assert.Same(first, await leaves.GetAsync("old.example"));
        _time.Advance(TimeSpan.FromDays(1)); // 176 of 195 days
        var second = await leaves.GetAsync("old.example");
        Assert.NotSame(first, second);
        Assert.Equal(s_now.AddDays(176 + 195).UtcDateTime, second.TargetCertificate.NotAfter.ToUniversalTime());
        Assert.Equal((1, 2L), (leaves.Count, leaves.Issued));
    }

    [Fact]
    public async Task GetAsync_AuthorityNearItsEnd_NeverOutlivesItAndThenFails()
    {
        var leaves = new LeafCertificates(_root, _key, _time);
        var end = _root.Certificate.NotAfter.ToUniversalTime();
        _time.SetUtcNow(new DateTimeOffset(end).AddHours(-10));
        var context = await leaves.GetAsync("last.example");
        Assert.Equal(end, context.TargetCertificate.NotAfter.ToUniversalTime());
        Assert.Same(context, await leaves.GetAsync("last.example")); // not issued anew at every request

        _time.SetUtcNow(new DateTimeOffset(end).AddSeconds(1));
        for (var attempt = 0; attempt < 2; attempt++)
        {
            var error = await Assert.ThrowsAsync<CertificateFileException>(async () => await leaves.GetAsync("last.example"));
            Assert.Contains("is valid from ", error.Message, StringComparison.Ordinal);
        }

        Assert.Equal(0, leaves.Count);
    }

    [Theory]
    [InlineData(SslProtocols.Tls12)]
    [InlineData(SslProtocols.Tls13)]
    public async Task GetAsync_Context_MakesAHandshakeThatClientsAccept(SslProtocols protocol)
    {
        using var root = await RootAuthority.GenerateAsync(_directory.File("now"), force: false, TimeProvider.System, TestContext.Current.CancellationToken);
        var leaves = new LeafCertificates(root, _key, TimeProvider.System);
        foreach (var host in (string[])["handshake.example", "127.0.0.1", "::1"])
        {
            var sent = await HandshakeAsync(await leaves.GetAsync(host), host, root.Certificate, protocol);
            Assert.Equal(0, sent);
        }
    }

    [Fact]
    public async Task GetAsync_AuthorityIsAnIntermediate_SendsItAndWhatLiesAbove()
    {
        using var top = TestAuthority.Create("RSA", DateTimeOffset.UtcNow);
        using var middleKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var now = DateTimeOffset.UtcNow;
        using var middle = TestAuthority.Request(middleKey, "CN=Middle").Create(
            top.Certificate.SubjectName, X509SignatureGenerator.CreateForRSA((RSA)top.Key, RSASignaturePadding.Pkcs1), now.AddDays(-1), now.AddDays(90), [1, 2]);
        using var lowKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var middleWithKey = middle.CopyWithPrivateKey(middleKey);
        using var low = TestAuthority.Request(lowKey, "CN=Low").Create(middleWithKey, now.AddDays(-1), now.AddDays(60), [3, 4]);

        // The user's file holds the issuer, the rest of its chain and, as people do, the root.
        foreach (var (pem, expected) in new[]
        {
            (low.ExportCertificatePem() + "\n" + middle.ExportCertificatePem() + "\n" + top.CertificatePem, 2),
            (low.ExportCertificatePem() + "\n" + middle.ExportCertificatePem(), 2),
        })
        {
            using var root = RootAuthority.Load(_directory.Write("c.pem", pem), _directory.Write("k.pem", lowKey.ExportPkcs8PrivateKeyPem()), TimeProvider.System);
            var leaves = new LeafCertificates(root, _key, TimeProvider.System);
            var context = await leaves.GetAsync("below.example");
            Assert.InRange(context.TargetCertificate.NotAfter.ToUniversalTime(), DateTime.UtcNow, low.NotAfter.ToUniversalTime());
            Assert.Equal(expected, await HandshakeAsync(context, "below.example", top.Certificate, SslProtocols.Tls13));
        }
    }

    [Fact]
    [UnsupportedOSPlatform("windows")]
    public async Task LeafKey_LoadOrCreate_IsOnePerDirectoryAndPrivate()
    {
        var cancellation = TestContext.Current.CancellationToken;
        var data = _directory.File("keys");
        var keys = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => LeafKey.LoadOrCreateAsync(data, TimeProvider.System, cancellation))));
        Assert.Single(keys.Select(k => Convert.ToHexString(k.ExportSubjectPublicKeyInfo())).Distinct());
        Assert.Equal("600", Convert.ToString((int)File.GetUnixFileMode(Path.Combine(data, "leaf_key.pem")), 8));

        using var p384 = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        foreach (var (content, reason) in new[] { ("nothing", "has no readable private key"), (p384.ExportPkcs8PrivateKeyPem(), "is not a P-256 key") })
        {
            await File.WriteAllTextAsync(Path.Combine(data, "leaf_key.pem"), content, cancellation);
            var error = await Assert.ThrowsAsync<CertificateFileException>(() => LeafKey.LoadOrCreateAsync(data, TimeProvider.System, cancellation));
            Assert.Contains(reason, error.Message, StringComparison.Ordinal);
        }
    }

    /// <summary>As a client that trusts only this root, at this moment.</summary>
    internal static void AssertVerifies(X509Certificate2 leaf, X509Certificate2 root, DateTimeOffset now)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.Add(root);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.VerificationTime = now.UtcDateTime;
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid("1.3.6.1.5.5.7.3.1"));
        Assert.True(chain.Build(leaf), string.Join("; ", chain.ChainStatus.Select(s => s.StatusInformation)));
        Assert.Equal(2, chain.ChainElements.Count);
    }

    private static void AssertNames(X509Certificate2 leaf, string expected)
    {
        var names = leaf.Extensions.OfType<X509SubjectAlternativeNameExtension>().Single();
        Assert.Equal(
            IPAddress.TryParse(expected, out var address) ? $"IP:{address}" : $"DNS:{expected}",
            string.Join(',', names.EnumerateDnsNames().Select(n => $"DNS:{n}").Concat(names.EnumerateIPAddresses().Select(a => $"IP:{a}"))));
    }

    /// <summary>A handshake over loopback with a client that trusts only <paramref name="root"/>.</summary>
    /// <returns>How many certificates the server sent after its own.</returns>
    private static async Task<int> HandshakeAsync(SslStreamCertificateContext context, string host, X509Certificate2 root, SslProtocols protocol)
    {
        var cancellation = TestContext.Current.CancellationToken;
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var client = new TcpClient();
        await client.ConnectAsync((IPEndPoint)listener.LocalEndpoint, cancellation);
        using var server = await listener.AcceptTcpClientAsync(cancellation);
        using var serverTls = new SslStream(server.GetStream());
        using var clientTls = new SslStream(client.GetStream());
        var sent = -1;
        var serving = serverTls.AuthenticateAsServerAsync(
            new SslServerAuthenticationOptions { ServerCertificateContext = context, EnabledSslProtocols = protocol }, cancellation);
        await clientTls.AuthenticateAsClientAsync(
            new SslClientAuthenticationOptions
            {
                TargetHost = host,
                CertificateChainPolicy = new X509ChainPolicy
                {
                    TrustMode = X509ChainTrustMode.CustomRootTrust,
                    CustomTrustStore = { root },
                    RevocationMode = X509RevocationMode.NoCheck,
                },
                RemoteCertificateValidationCallback = (_, leaf, chain, errors) =>
                {
                    sent = chain!.ChainPolicy.ExtraStore.Count(c => !c.Equals(leaf));
                    return errors == SslPolicyErrors.None;
                },
            },
            cancellation);
        await serving;
        return sent;
    }
}

using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using RelayCore.Engine.Transport;
using RelayCore.Testing;
using Xunit;

namespace RelayCore.InMemory.Tests.Transport;

/// <summary>A TLS connection in memory: our end as the engine makes it, the other end a plain SslStream.</summary>
internal sealed record TlsPair(TlsTransport Ours, SpyTransport OurSpy, TransportStream OurWire, SslStream OurTls, SslStream Theirs, InMemoryTransport TheirWire)
{
    private static readonly X509Certificate2 s_certificate = Certificate();

    /// <summary>Connects; our end is the TLS client.</summary>
    public static async Task<TlsPair> ConnectAsync(SslProtocols version = SslProtocols.Tls13, int bufferOctets = 1024 * 1024)
    {
        var (a, b) = InMemoryTransport.CreatePair(new(IPAddress.Loopback, 1), new(IPAddress.Loopback, 2), bufferOctets);
        var spy = new SpyTransport(a);
        var wire = new TransportStream(spy, default);
        var ours = new SslStream(wire, leaveInnerStreamOpen: true);
        var theirs = new SslStream(new TransportStream(b, default), leaveInnerStreamOpen: true);
        await Task.WhenAll(
            ours.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "origin.test", EnabledSslProtocols = version, RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate!.Equals(s_certificate) }),
            theirs.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = s_certificate, EnabledSslProtocols = version })).WaitAsync(TestPeer.Patience);
        return new(new TlsTransport(spy, ours, wire), spy, wire, ours, theirs, b);
    }

    /// <summary>One receive of ours.</summary>
    public async Task<byte[]> ReceiveAsync(int room = 64 * 1024)
    {
        var buffer = new byte[room];
        return buffer[..await Ours.ReceiveAsync(buffer).AsTask().WaitAsync(TestPeer.Patience)];
    }

    /// <summary>Receives of ours until there are that many octets.</summary>
    public async Task<byte[]> ReceiveAllAsync(int octets, int room = 64 * 1024)
    {
        var all = new List<byte>();
        while (all.Count < octets)
        {
            var piece = await ReceiveAsync(room);
            if (piece.Length == 0)
            {
                break;
            }

            all.AddRange(piece);
        }

        return [.. all];
    }

    /// <summary>Makes our end expect a large body.</summary>
    public async Task BecomeBulkAsync()
    {
        var octets = Octets(TlsPairSizes.Record, seed: 99);
        await Theirs.WriteAsync(octets);
        Assert.Equal(octets, await ReceiveAllAsync(octets.Length));
    }

    public static byte[] Octets(int count, int seed = 1)
    {
        var octets = new byte[count];
        new Random(seed).NextBytes(octets);
        return octets;
    }

    private static X509Certificate2 Certificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return new CertificateRequest("CN=origin.test", key, HashAlgorithmName.SHA256)
            .CreateSelfSigned(new(2020, 1, 1, 0, 0, 0, TimeSpan.Zero), new(2040, 1, 1, 0, 0, 0, TimeSpan.Zero));
    }
}

internal static class TlsPairSizes
{
    /// <summary>Data of a full record.</summary>
    public const int Record = 16 * 1024;
}

/// <summary>A transport that counts what goes through it, and fails sends when told to.</summary>
internal sealed class SpyTransport(InMemoryTransport inner) : DuplexTransport
{
    /// <summary>Octets of each send.</summary>
    public List<int> Sends { get; } = [];

    /// <summary>Room of each receive.</summary>
    public List<int> Receives { get; } = [];

    /// <summary>Sends still to let pass before all fail.</summary>
    public int SendsLeft { get; set; } = int.MaxValue;

    public InMemoryTransport Inner => inner;

    public override EndPoint? LocalEndPoint => inner.LocalEndPoint;

    public override EndPoint? RemoteEndPoint => inner.RemoteEndPoint;

    public override bool HasInput => inner.HasInput;

    public override bool IsReset => inner.IsReset;

    public override ValueTask<int> ReceiveAsync(Memory<byte> buffer)
    {
        Receives.Add(buffer.Length);
        return inner.ReceiveAsync(buffer);
    }

    public override ValueTask SendAsync(ReadOnlyMemory<byte> octets)
    {
        Sends.Add(octets.Length);
        return SendsLeft-- > 0 ? inner.SendAsync(octets) : ValueTask.FromException(new SocketException((int)SocketError.ConnectionReset));
    }

    public override ValueTask CompleteOutputAsync() => inner.CompleteOutputAsync();

    public override void Close() => inner.Close();

    public override void Reset() => inner.Reset();
}

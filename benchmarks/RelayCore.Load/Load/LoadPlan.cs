using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace RelayCore.Load.Load;

/// <summary>Everything all connections of a run share: octets made once, TLS options, limits.</summary>
internal sealed class LoadPlan
{
    private const int PieceOctets = 64 * 1024;

    public LoadPlan(LoadOptions options)
    {
        Options = options;
        var authority = $"{options.Url.IdnHost}:{options.Url.Port}";
        var target = options.Route == Route.Forward ? $"http://{authority}{options.Url.PathAndQuery}" : options.Url.PathAndQuery;
        Authority = authority;
        var head = options.UploadOctets == 0
            ? $"GET {target} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: relaycore-load\r\nAccept: */*\r\n\r\n"
            : $"POST {target} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: relaycore-load\r\nAccept: */*\r\n"
                + $"Content-Type: application/octet-stream\r\nContent-Length: {options.UploadOctets}\r\n\r\n";

        BodyPiece = new byte[PieceOctets];
        for (var i = 0; i < PieceOctets; i++)
        {
            BodyPiece[i] = (byte)('a' + (i % 26));
        }

        var headOctets = Encoding.ASCII.GetBytes(head);
        FirstBodyOctets = (int)Math.Min(options.UploadOctets, PieceOctets - headOctets.Length);
        byte[] firstSend = [.. headOctets, .. BodyPiece.AsSpan(0, FirstBodyOctets)];
        FirstSend = firstSend;
        if (options.Route == Route.Connect)
        {
            ConnectRequest = Encoding.ASCII.GetBytes($"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
        }

        if (options.Url.Scheme == "https")
        {
            Tls = TlsOptions(options);
        }
    }

    public LoadOptions Options { get; }

    /// <summary>Host and port of the URL, as in Host and :authority.</summary>
    public string Authority { get; }

    /// <summary>CONNECT head, or empty when there is no tunnel to ask for.</summary>
    public ReadOnlyMemory<byte> ConnectRequest { get; }

    /// <summary>The request head and as much of the body as fills one piece.</summary>
    public ReadOnlyMemory<byte> FirstSend { get; }

    public int FirstBodyOctets { get; }

    /// <summary>What every later piece of an upload is cut from.</summary>
    public byte[] BodyPiece { get; }

    public SslClientAuthenticationOptions? Tls { get; }

    private static SslClientAuthenticationOptions TlsOptions(LoadOptions options)
    {
        var tls = new SslClientAuthenticationOptions
        {
            TargetHost = options.Url.IdnHost,
            ApplicationProtocols = options.Protocol == LoadProtocol.Http2 ? [SslApplicationProtocol.Http2] : null,
            AllowTlsResume = false, // each connection is to cost the proxy a full handshake
        };
        if (options.CaFile is null)
        {
#pragma warning disable CA5359 // No CA was given: the user chose to measure without looking at the certificate.
            tls.RemoteCertificateValidationCallback = static (_, _, _, _) => true;
#pragma warning restore CA5359
            return tls;
        }

        tls.CertificateChainPolicy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        tls.CertificateChainPolicy.CustomTrustStore.ImportFromPemFile(options.CaFile);
        return tls;
    }
}

using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using RelayCore.Core.Connections;
using RelayCore.Core.Faults;
using RelayCore.Engine.Transport;
using RelayCore.Protocols;

namespace RelayCore.Engine.Upstream;

/// <summary>TLS towards servers: verification, client certificates, session resumption, facts.</summary>
internal sealed class ServerTls(EngineOptions options, TimeProvider time)
{
    private static readonly List<SslApplicationProtocol> s_http11 = [SslApplicationProtocol.Http11];
    private static readonly List<SslApplicationProtocol> s_onlyHttp2 = [SslApplicationProtocol.Http2];
    private static readonly List<SslApplicationProtocol> s_http2 = [SslApplicationProtocol.Http2, SslApplicationProtocol.Http11];

    /// <summary>Handshakes. The transport is closed on failure.</summary>
    /// <exception cref="UpstreamException">The handshake or the verification failed.</exception>
    public async ValueTask<DuplexTransport> ConnectAsync(
        DuplexTransport transport, ServerConnection facts, string host, int port, ReadOnlyMemory<byte> received,
        ServerRoute? route = null, bool isProxy = false, bool offersHttp2 = false)
    {
        var started = time.GetTimestamp();
        var verification = new Verification(options, isProxy, route is { SkipsVerification: true });
        var wire = new TransportStream(transport, received);
        var stream = new SslStream(wire, leaveInnerStreamOpen: true);
        var timer = time.CreateTimer(static state => ((DuplexTransport)state!).Reset(), transport, options.Limits.HandshakeTimeout, Timeout.InfiniteTimeSpan);
        try
        {
            await stream.AuthenticateAsClientAsync(Options(host, port, verification, route, offersHttp2)).ConfigureAwait(false);
        }
        catch (Exception e) when (DuplexTransport.IsFailure(e))
        {
            var isLate = time.GetElapsedTime(started) >= options.Limits.HandshakeTimeout;
            transport.Reset();
            await stream.DisposeAsync().ConfigureAwait(false);
            throw new UpstreamException(verification.FaultOf(e, Origin.Format(host, port), isLate), e);
        }
        finally
        {
            await timer.DisposeAsync().ConfigureAwait(false);
        }

        if (offersHttp2 && route is { HttpVersion: 2 } && stream.NegotiatedApplicationProtocol != SslApplicationProtocol.Http2)
        {
            transport.Reset();
            await stream.DisposeAsync().ConfigureAwait(false);
            throw new UpstreamException(new("RC-TLS-204", FaultStage.Connect, FaultKind.Tls, PeerRole.Server,
                $"{Origin.Format(host, port)}: the server does not speak HTTP/2, which the route of the flow asks for"));
        }

        facts.TlsMicroseconds = (long)time.GetElapsedTime(started).TotalMicroseconds;
        facts.IsUnverified = verification.IsUnverified;
        facts.Tls = new TlsFacts
        {
            Version = TlsNames.Of(stream.SslProtocol),
            CipherSuite = stream.NegotiatedCipherSuite.ToString(),
            ApplicationProtocol = stream.NegotiatedApplicationProtocol.Protocol.IsEmpty ? null : stream.NegotiatedApplicationProtocol.ToString(),
            ServerName = route?.ServerName ?? host,
            PeerCertificates = verification.Chain,
            PeerFingerprint = verification.Fingerprint,
        };
        return new TlsTransport(transport, stream, wire);
    }

    private SslClientAuthenticationOptions Options(string host, int port, Verification verification, ServerRoute? route, bool offersHttp2)
    {
        var certificate = route?.ClientCertificate;
        foreach (var (hosts, candidate) in certificate is null ? options.ClientCertificates : [])
        {
            if (hosts.Matches(host, port))
            {
                certificate = candidate;
                break;
            }
        }

        return new SslClientAuthenticationOptions
        {
            TargetHost = route?.ServerName ?? host,
            ApplicationProtocols = !offersHttp2 || route is { HttpVersion: 1 } ? s_http11 : route is { HttpVersion: 2 } ? s_onlyHttp2 : s_http2,
            RemoteCertificateValidationCallback = verification.Validate,
            ClientCertificates = certificate is null ? null : [certificate],
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
            EnabledSslProtocols = SslProtocols.None,
            AllowTlsResume = true,
            CertificateChainPolicy = new X509ChainPolicy
            {
                RevocationMode = X509RevocationMode.NoCheck,
                DisableCertificateDownloads = true, // fetching intermediates would wait on the network inside the handshake
            },
        };
    }

    /// <summary>The outcome of one verification.</summary>
    private sealed class Verification(EngineOptions options, bool isProxy, bool isSkipped)
    {
        private string? _code;
        private string _detail = "";

        public IReadOnlyList<string> Chain { get; private set; } = [];

        public string? Fingerprint { get; private set; }

        public bool IsUnverified { get; private set; }

        public bool Validate(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
        {
            Chain = chain is null ? [] : [.. chain.ChainElements.Select(x => $"{x.Certificate.Subject} (issued by {x.Certificate.Issuer})")];
            if (certificate is X509Certificate2 leaf)
            {
                Fingerprint = Convert.ToHexStringLower(SHA256.HashData(leaf.RawDataMemory.Span));
            }

            if (errors == SslPolicyErrors.None)
            {
                return true;
            }

            if (isSkipped || (options.InsecureUpstream && !isProxy))
            {
                return IsUnverified = true;
            }

            if (errors == SslPolicyErrors.RemoteCertificateChainErrors && certificate is X509Certificate2 own && ChainsToOwnRoots(own, chain))
            {
                return true;
            }

            Explain(certificate as X509Certificate2, chain, errors);
            return false;
        }

        public FlowFault FaultOf(Exception exception, string authority, bool isLate)
        {
            var inner = exception.InnerException?.Message is { Length: > 0 } more && exception is AuthenticationException ? more : exception.Message;
            var (code, kind, detail) = _code is not null ? (_code, FaultKind.Tls, _detail)
                : isLate ? ("RC-TLS-205", FaultKind.Timeout, "the server did not finish the handshake in time")
                : inner.Contains("wrong version number", StringComparison.OrdinalIgnoreCase) || inner.Contains("packet length too long", StringComparison.OrdinalIgnoreCase)
                    || inner.Contains("Cannot determine the frame size", StringComparison.Ordinal)
                    ? ("RC-TLS-206", FaultKind.Tls, inner)
                : ("RC-TLS-204", FaultKind.Tls, inner);
            return new(code, FaultStage.Connect, kind, PeerRole.Server, $"{authority}: {detail}") { CertificateChain = Chain };
        }

        private bool ChainsToOwnRoots(X509Certificate2 leaf, X509Chain? received)
        {
            if (options.UpstreamRoots.Count == 0)
            {
                return false;
            }

            using var chain = new X509Chain();
            chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
            chain.ChainPolicy.CustomTrustStore.AddRange(options.UpstreamRoots);
            chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
            chain.ChainPolicy.DisableCertificateDownloads = true;
            chain.ChainPolicy.ApplicationPolicy.Add(new Oid("1.3.6.1.5.5.7.3.1"));
            foreach (var element in received?.ChainElements ?? Enumerable.Empty<X509ChainElement>())
            {
                chain.ChainPolicy.ExtraStore.Add(element.Certificate);
            }

            foreach (var extra in received?.ChainPolicy.ExtraStore ?? [])
            {
                chain.ChainPolicy.ExtraStore.Add(extra);
            }

            var isTrusted = chain.Build(leaf);
            if (isTrusted)
            {
                Chain = [.. chain.ChainElements.Select(x => $"{x.Certificate.Subject} (issued by {x.Certificate.Issuer})")];
            }

            return isTrusted;
        }

        private void Explain(X509Certificate2? leaf, X509Chain? chain, SslPolicyErrors errors)
        {
            var statuses = chain?.ChainStatus ?? [];
            if ((errors & SslPolicyErrors.RemoteCertificateNameMismatch) != 0 && leaf is not null)
            {
                var names = leaf.Extensions.OfType<X509SubjectAlternativeNameExtension>()
                    .SelectMany(x => x.EnumerateDnsNames().Concat(x.EnumerateIPAddresses().Select(y => y.ToString()))).Take(20);
                (_code, _detail) = ("RC-TLS-202", $"the certificate is for {(string.Join(", ", names) is { Length: > 0 } list ? list : leaf.Subject)}");
            }
            else if (statuses.Any(x => (x.Status & X509ChainStatusFlags.NotTimeValid) != 0))
            {
                (_code, _detail) = ("RC-TLS-203", leaf is null ? "outside its validity" : $"valid {leaf.NotBefore.ToUniversalTime():u} to {leaf.NotAfter.ToUniversalTime():u}");
            }
            else
            {
                var reasons = string.Join(", ", statuses.Select(x => x.Status.ToString()).Distinct());
                (_code, _detail) = ("RC-TLS-201", leaf is null ? "the server sent no certificate" : $"{leaf.Subject}, issued by {leaf.Issuer}: {reasons}");
            }
        }
    }
}

/// <summary>Names of TLS versions as the flow shows them.</summary>
internal static class TlsNames
{
    public static string Of(SslProtocols protocol) => protocol switch
    {
        SslProtocols.Tls13 => "TLSv1.3",
        SslProtocols.Tls12 => "TLSv1.2",
#pragma warning disable SYSLIB0039, CA5397 // Named, not enabled: a peer may have negotiated it where the system allows it.
        SslProtocols.Tls11 => "TLSv1.1",
        SslProtocols.Tls => "TLSv1.0",
#pragma warning restore SYSLIB0039, CA5397
        _ => protocol.ToString(),
    };
}

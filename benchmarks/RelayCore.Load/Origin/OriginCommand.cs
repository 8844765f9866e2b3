using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;

namespace RelayCore.Load.Origin;

/// <summary>
/// <c>origin</c>: serves what <see cref="OriginContent"/> says in the clear, under TLS without ALPN, and under TLS with a choice of h2 and
/// http/1.1; prints where as one JSON line, runs until told to stop.
/// </summary>
internal static class OriginCommand
{
    public static async Task<int> RunAsync(Arguments arguments, CancellationToken cancellationToken)
    {
        var certificates = TestCertificates.Ensure(arguments.RequiredText("--certs"));
        var (plainPort, tlsPort, h2Port) = (Port(arguments, "--http-port"), Port(arguments, "--https-port"), Port(arguments, "--h2-port"));
        arguments.RejectRest();

        using var pem = X509Certificate2.CreateFromPemFile(certificates.Leaf, certificates.Key);
        var context = SslStreamCertificateContext.Create(pem, additionalCertificates: null, offline: true);
        using var plain = OriginListener.Listen(new(IPAddress.Loopback, plainPort));
        using var secure = OriginListener.Listen(new(IPAddress.Loopback, tlsPort));
        using var h2 = OriginListener.Listen(new(IPAddress.Loopback, h2Port));
        Console.WriteLine($$"""{"http":{{PortOf(plain)}},"https":{{PortOf(secure)}},"h2":{{PortOf(h2)}},"ca":"{{certificates.Ca}}"}""");
        OriginListener[] listeners =
        [
            new(plain, null),
            new(secure, new() { ServerCertificateContext = context }),
            new(h2, new() { ServerCertificateContext = context, ApplicationProtocols = [SslApplicationProtocol.Http2, SslApplicationProtocol.Http11] }),
        ];
        try
        {
            await await Task.WhenAny(listeners.Select(listener => listener.RunAsync(cancellationToken)));
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Being told to stop is how it ends.
        }

        return 0;
    }

    private static int PortOf(Socket listener) => ((IPEndPoint)listener.LocalEndPoint!).Port;

    private static int Port(Arguments arguments, string name) => (int)Math.Min(arguments.Integer(name, 0), IPEndPoint.MaxPort);
}

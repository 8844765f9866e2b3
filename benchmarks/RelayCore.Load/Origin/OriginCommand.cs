using System.Net;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace RelayCore.Load.Origin;

/// <summary><c>origin</c>: serves uploads in the clear and under TLS, prints where as one JSON line, runs until told to stop.</summary>
internal static class OriginCommand
{
    public static async Task<int> RunAsync(Arguments arguments, CancellationToken cancellationToken)
    {
        var certificates = TestCertificates.Ensure(arguments.RequiredText("--certs"));
        var (plainPort, tlsPort) = (Port(arguments, "--http-port"), Port(arguments, "--https-port"));
        arguments.RejectRest();

        using var pem = X509Certificate2.CreateFromPemFile(certificates.Leaf, certificates.Key);
        var tls = new SslServerAuthenticationOptions
        {
            ServerCertificateContext = SslStreamCertificateContext.Create(pem, additionalCertificates: null, offline: true),
        };
        using var plain = UploadOrigin.Listen(new(IPAddress.Loopback, plainPort));
        using var secure = UploadOrigin.Listen(new(IPAddress.Loopback, tlsPort));
        Console.WriteLine($$"""{"http":{{((IPEndPoint)plain.LocalEndPoint!).Port}},"https":{{((IPEndPoint)secure.LocalEndPoint!).Port}},"ca":"{{certificates.Ca}}"}""");
        try
        {
            await await Task.WhenAny(new UploadOrigin(plain, null).RunAsync(cancellationToken), new UploadOrigin(secure, tls).RunAsync(cancellationToken));
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Being told to stop is how it ends.
        }

        return 0;
    }

    private static int Port(Arguments arguments, string name) => (int)Math.Min(arguments.Integer(name, 0), IPEndPoint.MaxPort);
}

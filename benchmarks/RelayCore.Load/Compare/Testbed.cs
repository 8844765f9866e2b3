using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using RelayCore.Load.Origin;

namespace RelayCore.Load.Compare;

/// <summary>Folders, certificates and origins that all workloads share: nginx for downloads, our own for everything else.</summary>
internal sealed class Testbed : IAsyncDisposable
{
    public const long SmallOctets = 1024;
    public const long LargeOctets = 100_000_000;
    private static readonly TimeSpan s_timeToListen = TimeSpan.FromSeconds(20);
    private readonly List<ChildProcess> _origins = [];

    private Testbed(string directory, string projectRoot, long hugeOctets)
    {
        (Directory, ProjectRoot, HugeOctets) = (directory, projectRoot, hugeOctets);
        Certificates = TestCertificates.Ensure(Path.Combine(directory, "certs"));
    }

    /// <summary>Everything written while measuring; compare.sh removes it.</summary>
    public string Directory { get; }

    public string ProjectRoot { get; }

    /// <summary>Octets of the body that must not be held in memory.</summary>
    public long HugeOctets { get; }

    public TestCertificates Certificates { get; }

    public string ProcessList => Path.Combine(Directory, "processes");

    /// <summary>Ports of nginx, in the clear and under TLS.</summary>
    public (int Http, int Https) Nginx { get; private set; }

    /// <summary>Ports of our own origin: in the clear, under TLS without ALPN, and under TLS where ALPN may choose HTTP/2.</summary>
    public (int Http, int Https, int H2) Own { get; private set; }

    public static async Task<Testbed> StartAsync(string directory, string projectRoot, long hugeOctets, CancellationToken cancellationToken)
    {
        var bed = new Testbed(directory, projectRoot, hugeOctets);
        try
        {
            await bed.StartNginxAsync(cancellationToken);
            await bed.StartOwnOriginAsync(cancellationToken);
            return bed;
        }
        catch
        {
            await bed.DisposeAsync();
            throw;
        }
    }

    /// <summary>
    /// A port nobody uses, below the range that the system gives to outgoing connections: in that range a client that polls a port
    /// nobody listens on yet can meet itself there, and keep the server from binding it.
    /// </summary>
    public static int FreePort()
    {
        for (var attempt = 0; attempt < 100; attempt++)
        {
            var port = Random.Shared.Next(20_000, 32_000);
            using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                probe.Bind(new IPEndPoint(IPAddress.Loopback, port));
                return port;
            }
            catch (SocketException)
            {
                // Taken; another one will be free.
            }
        }

        throw new BenchmarkException("no free port was found between 20000 and 32000.");
    }

    /// <summary>Our own executable with a command, for generators and origins that run beside this process.</summary>
    public static IEnumerable<string> Self(params IEnumerable<string> arguments) => [Environment.ProcessPath!, .. arguments];

    public static async Task WaitUntilListeningAsync(ChildProcess process, int port, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(s_timeToListen);
        while (true)
        {
            try
            {
                using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                await probe.ConnectAsync(IPAddress.Loopback, port, patience.Token);
                if (process.HasEnded)
                {
                    throw new BenchmarkException($"another program listens on port {port}; {process.LastWords()}");
                }

                return;
            }
            catch (SocketException) when (!process.HasEnded)
            {
                await Task.Delay(5, cancellationToken);
            }
            catch (Exception error) when (error is SocketException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
            {
                throw new BenchmarkException($"nothing listens on port {port}; {process.LastWords()}");
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var origin in _origins)
        {
            await origin.DisposeAsync();
        }
    }

    private async Task StartNginxAsync(CancellationToken cancellationToken)
    {
        var root = System.IO.Directory.CreateDirectory(Path.Combine(Directory, "www")).FullName;
        await File.WriteAllBytesAsync(Path.Combine(root, "1k"), Pattern(SmallOctets), cancellationToken);
        await File.WriteAllBytesAsync(Path.Combine(root, "1m"), Pattern(1_000_000), cancellationToken);
        WriteSparse(Path.Combine(root, "100m"), LargeOctets);
        WriteSparse(Path.Combine(root, "huge"), HugeOctets);

        Nginx = (FreePort(), FreePort());
        var configuration = Path.Combine(Directory, "nginx.conf");
        await File.WriteAllTextAsync(
            configuration,
            $$"""
            {{(Environment.UserName == "root" ? "user root;" : "")}}
            daemon off;
            worker_processes 1;
            pid {{Directory}}/nginx.pid;
            error_log {{Directory}}/nginx-error.log;
            events { worker_connections 16000; }
            http {
              access_log off;
              sendfile on;
              tcp_nodelay on;
              default_type application/octet-stream;
              keepalive_requests 1000000000;
              keepalive_timeout 3600s;
              client_body_temp_path {{Directory}}/nginx-body;
              proxy_temp_path {{Directory}}/nginx-proxy;
              fastcgi_temp_path {{Directory}}/nginx-fastcgi;
              uwsgi_temp_path {{Directory}}/nginx-uwsgi;
              scgi_temp_path {{Directory}}/nginx-scgi;
              open_file_cache max=100;
              server {
                listen 127.0.0.1:{{Nginx.Http}} backlog=4096;
                listen 127.0.0.1:{{Nginx.Https}} ssl backlog=4096;
                ssl_certificate {{Certificates.Leaf}};
                ssl_certificate_key {{Certificates.Key}};
                ssl_protocols TLSv1.3;
                root {{root}};
              }
            }
            """,
            cancellationToken);

        var nginx = ChildProcess.Start(this, "nginx", ["nginx", "-c", configuration, "-e", $"{Directory}/nginx-error.log"]);
        _origins.Add(nginx);
        await WaitUntilListeningAsync(nginx, Nginx.Http, cancellationToken);
        await WaitUntilListeningAsync(nginx, Nginx.Https, cancellationToken);
    }

    private async Task StartOwnOriginAsync(CancellationToken cancellationToken)
    {
        var command = Self("origin", "--certs", Certificates.Directory, "--http-port", $"{FreePort()}", "--https-port", $"{FreePort()}", "--h2-port", $"{FreePort()}");
        var origin = ChildProcess.Start(this, "origin", command, captureOutput: true);
        _origins.Add(origin);
        using var ready = JsonDocument.Parse(await origin.ReadLineAsync(s_timeToListen, cancellationToken));
        int Port(string name) => ready.RootElement.GetProperty(name).GetInt32();
        Own = (Port("http"), Port("https"), Port("h2"));
    }

    private static byte[] Pattern(long octets)
    {
        var pattern = new byte[octets];
        for (var i = 0; i < pattern.Length; i++)
        {
            pattern[i] = (byte)('a' + (i % 26));
        }

        return pattern;
    }

    private static void WriteSparse(string path, long octets)
    {
        using var file = File.Create(path);
        file.SetLength(octets);
    }
}

using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using RelayCore.Interop.Tests.Harness;

namespace RelayCore.Interop.Tests;

/// <summary>The program as it is shipped, as a process of its own.</summary>
public sealed class CommandLineTests
{
    [Fact]
    public async Task KeyLog_OfTheProcess_HasTheSecretsTheClientAndTheServerSaw()
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["127.0.0.1"]);
        using var directory = new TemporaryDirectory();
        var (file, key) = TestPki.Write(directory, "server", certificate);
        var ca = directory.Write("origin-ca.pem", pki.Root.ExportCertificatePem());
        await using var server = await ToolServer.StartAsync(
            Tool.Require("openssl", "openssl"),
            port => ["s_server", "-accept", $"127.0.0.1:{port}", "-cert", file, "-key", key, "-www", "-keylogfile", directory.File("server.keys")]);
        await using var proxy = await RelayProcess.StartAsync(
            directory, ["--upstream-ca", ca], new Dictionary<string, string?> { ["SSLKEYLOGFILE"] = directory.File("proxy.keys") });

        var result = await CurlAsync(proxy, new Dictionary<string, string?> { ["SSLKEYLOGFILE"] = directory.File("client.keys") }, $"https://127.0.0.1:{server.Port}/");

        Assert.Contains("s_server", result.Succeeded().Text, StringComparison.Ordinal);
        var logged = Secrets(directory.File("proxy.keys"));
        Assert.NotEmpty(Secrets(directory.File("client.keys")));
        Assert.NotEmpty(Secrets(directory.File("server.keys")));
        Assert.Subset(logged, Secrets(directory.File("client.keys")));
        Assert.Subset(logged, Secrets(directory.File("server.keys")));

        // One line a secret: NAME client-random secret; a program may log more kinds than another.
        static HashSet<string> Secrets(string path) =>
            [.. File.ReadAllLines(path).Where(x => x.StartsWith("CLIENT_TRAFFIC_SECRET_0 ", StringComparison.Ordinal) || x.StartsWith("SERVER_TRAFFIC_SECRET_0 ", StringComparison.Ordinal)).Select(x => x.ToLowerInvariant())];
    }

    [Fact]
    public async Task ClientCertificateAndParent_FromFiles_AreUsed()
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["127.0.0.1"]);
        using var own = pki.Issue(["client-of-the-proxy"]);
        using var directory = new TemporaryDirectory();
        var (file, key) = TestPki.Write(directory, "server", certificate);
        var ca = directory.Write("origin-ca.pem", pki.Root.ExportCertificatePem() + "\n");
        var client = directory.Write("client.pem", own.ExportCertificatePem() + "\n" + System.Security.Cryptography.X509Certificates.ECDsaCertificateExtensions.GetECDsaPrivateKey(own)!.ExportPkcs8PrivateKeyPem() + "\n");
        await using var server = await ToolServer.StartAsync(
            Tool.Require("openssl", "openssl"),
            port => ["s_server", "-accept", $"127.0.0.1:{port}", "-cert", file, "-key", key, "-www", "-Verify", "1", "-verify_return_error", "-CAfile", ca]);
        using var parentDirectory = new TemporaryDirectory();
        await using var parent = await RelayProcess.StartAsync(parentDirectory, ["--proxy-auth", "kid:secret", "--passthrough", "127.0.0.1"]);
        await using var proxy = await RelayProcess.StartAsync(
            directory, ["--upstream-ca", ca, "--client-cert", $"127.0.0.1={client}", "--upstream", $"http://kid:secret@{parent.Address}"]);
        var url = $"https://127.0.0.1:{server.Port}/";

        var result = await CurlAsync(proxy, null, url);

        Assert.Contains("Subject: CN=client-of-the-proxy", result.Succeeded().Text, StringComparison.Ordinal);
        var flow = (await proxy.FlowsAsync()).Single();
        Assert.Equal((url, 200), (flow.GetProperty("url").GetString(), flow.GetProperty("status").GetInt32()));
        Assert.Equal("tunnel", (await parent.FlowsAsync()).Single().GetProperty("kind").GetString(), ignoreCase: true);
    }

    [Fact]
    public async Task Terminated_WhileATransferRuns_EndsWithinTwoSecondsWithExitCode0()
    {
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var origin = RecordingOrigin.Start(async (_, stream) =>
        {
            await stream.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nnot all"u8.ToArray());
            started.SetResult();
        });
        using var directory = new TemporaryDirectory();
        await using var proxy = await RelayProcess.StartAsync(directory, []);
        var transfer = CurlAsync(proxy, null, $"http://127.0.0.1:{origin.Port}/");
        await started.Task;

        var (exitCode, elapsed) = await proxy.TerminateAsync();

        Assert.Equal(0, exitCode);
        Assert.True(elapsed < TimeSpan.FromSeconds(3), $"{elapsed}"); // two seconds to drain, and the process itself
        Assert.NotEqual(0, (await transfer).ExitCode); // a body cut short must not look whole
    }

    [Fact]
    public async Task Http2Options_OfTheProgram_DecideTheVersions()
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["127.0.0.1"]);
        using var directory = new TemporaryDirectory();
        using var other = new TemporaryDirectory();
        var ca = directory.Write("origin-ca.pem", pki.Root.ExportCertificatePem());
        await using var old = await KestrelOrigin.StartAsync(x => x.Response.WriteAsync(x.Request.Protocol), HttpProtocols.Http1, certificate);
        await using var both = await KestrelOrigin.StartAsync(x => x.Response.WriteAsync(x.Request.Protocol), HttpProtocols.Http1AndHttp2, certificate);
        await using var plain = await KestrelOrigin.StartAsync(x => x.Response.WriteAsync(x.Request.Protocol), HttpProtocols.Http2);
        await using var always = await RelayProcess.StartAsync(directory, ["--upstream-ca", ca, "--http2", "always", "--h2c", $"127.0.0.1:{plain.Port}"]);
        await using var never = await RelayProcess.StartAsync(other, ["--upstream-ca", ca, "--http2", "never"]);

        var translated = await CurlAsync(always, null, "-w", "|%{http_version}", $"https://127.0.0.1:{old.Port}/");
        var known = await CurlAsync(always, null, "-w", "|%{http_version}", $"http://127.0.0.1:{plain.Port}/");
        var kept = await CurlAsync(never, null, "-w", "|%{http_version}", $"https://127.0.0.1:{both.Port}/");

        Assert.Equal(("HTTP/1.1|2", "HTTP/2|1.1", "HTTP/1.1|1.1"), (translated.Succeeded().Text, known.Succeeded().Text, kept.Succeeded().Text));
        Assert.Equal(2, (await always.FlowsAsync()).Count);
    }

    private static Task<ToolResult> CurlAsync(RelayProcess proxy, IReadOnlyDictionary<string, string?>? environment, params IReadOnlyList<string> arguments) => Tool.RunAsync(
        Tool.Require("curl", "curl"), ["-sS", "--noproxy", "", "--max-time", "20", "-x", "http://" + proxy.Address, "--cacert", proxy.CaFile, .. arguments], environment);

    /// <summary><c>relay-core-cli run</c>.</summary>
    private sealed class RelayProcess(Process process, JsonElement ready, Task<string> errors) : IAsyncDisposable
    {
        public string Address => ready.GetProperty("proxy")[0].GetString()!;

        public string CaFile => ready.GetProperty("ca_cert").GetString()!;

        public static async Task<RelayProcess> StartAsync(TemporaryDirectory directory, IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string?>? environment = null)
        {
            // Built beside the tests, in the same configuration.
            var here = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd('/'));
            var program = Path.Combine(here.Parent!.Parent!.FullName, "RelayCore.Cli", here.Name, "relay-core-cli");
            Assert.True(File.Exists(program), $"{program} is not built");
            var process = Tool.Start(program, ["run", "-l", "127.0.0.1:0", "--api-port", "0", "--data-dir", directory.File("data"), "--quiet", .. arguments], environment);
            var errors = process.StandardError.ReadToEndAsync();
            var line = await process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken);
            Assert.True(line is not null, line is null ? await errors : "");
            using var ready = JsonDocument.Parse(line!);
            return new(process, ready.RootElement.Clone(), errors);
        }

        /// <summary>Flows by the control API.</summary>
        public async Task<IReadOnlyList<JsonElement>> FlowsAsync()
        {
            using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false });
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", ready.GetProperty("api_token").GetString());
            using var answer = JsonDocument.Parse(await client.GetStringAsync(new Uri($"{ready.GetProperty("api").GetString()!.TrimEnd('/')}/api/v1/flows"), TestContext.Current.CancellationToken));
            return [.. answer.RootElement.GetProperty("items").EnumerateArray().Select(x => x.Clone())];
        }

        public async Task<(int ExitCode, TimeSpan Elapsed)> TerminateAsync()
        {
            var began = TimeProvider.System.GetTimestamp();
            (await Tool.RunAsync(Tool.Require("kill", "procps"), ["-TERM", process.Id.ToString(CultureInfo.InvariantCulture)])).Succeeded();
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            return (process.ExitCode, TimeProvider.System.GetElapsedTime(began));
        }

        public async ValueTask DisposeAsync()
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
            }

            await process.WaitForExitAsync();
            await errors;
            process.Dispose();
        }
    }
}

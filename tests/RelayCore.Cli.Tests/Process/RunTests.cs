using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using RelayCore.Testing;
using Xunit;

namespace RelayCore.Cli.Tests.Process;

/// <summary><c>run</c> as a process: what it says, what it leaves, how it ends.</summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed class RunTests : IDisposable
{
    private const int SigTerm = 15;
    private const int SigInt = 2;
    private readonly TestEnvironment _environment = new();

    [Theory]
    [InlineData(SigTerm)]
    [InlineData(SigInt)]
    public async Task Run_Started_SaysReadyOnceEverythingIsBoundAndLeavesNothing(int signal)
    {
        var readyFile = _environment.Write("ready.json", "stale");
        await using var proxy = await RunningProxy.StartAsync(_environment, "-l", "127.0.0.1:0", "-l", "[::1]:0", "--ready-file", readyFile, "--quiet");
        Assert.Equal(("ready", proxy.Id), (proxy.Ready.GetProperty("event").GetString(), proxy.Ready.GetProperty("pid").GetInt32()));
        Assert.Equal(2, proxy.Proxies.Length);
        foreach (var address in proxy.Proxies)
        {
            using var client = new TcpClient(IPEndPoint.Parse(address).AddressFamily);
            await client.ConnectAsync(IPEndPoint.Parse(address), TestContext.Current.CancellationToken);
        }

        using var api = proxy.ApiClient();
        Assert.Equal(HttpStatusCode.OK, (await api.GetAsync("/api/v1/status", TestContext.Current.CancellationToken)).StatusCode);
        Assert.True(File.Exists(proxy.Ready.GetProperty("ca_cert").GetString()));
        Assert.Equal(64, proxy.Token.Length);
        await WaitForAsync(() => File.ReadAllText(readyFile) == proxy.Output[0] + "\n");
        var manifest = Path.Combine(_environment.Folder, "daemon.json");
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(manifest));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(readyFile));
        using (var read = JsonDocument.Parse(File.ReadAllText(manifest)))
        {
            Assert.Equal((proxy.Id, proxy.Token), (read.RootElement.GetProperty("pid").GetInt32(), read.RootElement.GetProperty("token").GetString()));
        }

        proxy.Signal(signal);
        Assert.Equal(0, await proxy.ExitAsync());
        Assert.Equal((1, 0), (proxy.Output.Length, proxy.Error.Length));
        Assert.False(File.Exists(manifest) || File.Exists(readyFile));
    }

    [Fact]
    public async Task Run_RequestUnderWay_IsFinishedBeforeTheEnd()
    {
        var (arrived, answer) = (NewSignal(), NewSignal());
        await using var origin = new ScriptedOrigin(async (_, _, stop) =>
        {
            arrived.SetResult();
            await answer.Task.WaitAsync(stop);
            return ScriptedOrigin.Response("late");
        });
        await using var proxy = await RunningProxy.StartAsync(_environment);
        using var client = proxy.Client();
        var response = client.GetStringAsync(origin.Url(), TestContext.Current.CancellationToken);
        await arrived.Task.WaitAsync(RunningProxy.Patience, TestContext.Current.CancellationToken);
        proxy.Signal(SigTerm);
        await RefusesConnectionsAsync(proxy.Proxies[0]);
        answer.SetResult();
        Assert.Equal("late", await response.WaitAsync(RunningProxy.Patience, TestContext.Current.CancellationToken));
        Assert.Equal(0, await proxy.ExitAsync());
    }

    [Fact]
    public async Task Run_RequestThatNeverEnds_IsCutWithin2Seconds()
    {
        await using var origin = new ScriptedOrigin(async (_, _, stop) =>
        {
            await Task.Delay(Timeout.Infinite, stop);
            return null;
        });
        await using var proxy = await RunningProxy.StartAsync(_environment);
        var watch = await HangAsync(proxy, origin);
        proxy.Signal(SigTerm);
        Assert.Equal(0, await proxy.ExitAsync());
        Assert.InRange(watch.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(2.5)); // 2 s, and the clock of a busy machine
    }

    [Fact]
    public async Task Run_SecondSignal_StopsAtOnce()
    {
        await using var origin = new ScriptedOrigin(async (_, _, stop) =>
        {
            await Task.Delay(Timeout.Infinite, stop);
            return null;
        });
        await using var proxy = await RunningProxy.StartAsync(_environment);
        var watch = await HangAsync(proxy, origin);
        proxy.Signal(SigTerm);
        await RefusesConnectionsAsync(proxy.Proxies[0]);
        proxy.Signal(SigTerm);
        Assert.Equal(128 + SigTerm, await proxy.ExitAsync());
        Assert.InRange(watch.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(1.3)); // before the grace ends
        Assert.False(File.Exists(Path.Combine(_environment.Folder, "daemon.json")));
    }

    [Theory]
    [InlineData("--listen", "-l", "127.0.0.1:{0}")]
    [InlineData("--api-port", "-l", "127.0.0.1:0", "--api-port", "{0}")]
    public async Task Run_PortTaken_NamesTheHolderAndEndsWith1(string option, params string[] arguments)
    {
        using var holder = new TcpListener(IPAddress.Loopback, 0);
        holder.Start();
        var port = ((IPEndPoint)holder.LocalEndpoint).Port;
        var ready = Path.Combine(_environment.Folder, "ready.json");
        var (code, output, error) = await RunningProxy.RunAsync(
            _environment, ["run", .. arguments.Select(x => string.Format(null, x, port)), "--ready-file", ready, .. arguments.Contains("--api-port") ? Array.Empty<string>() : ["--no-api"]]);
        Assert.Equal(1, code);
        Assert.Empty(output);
        var sentence = Assert.Single(error);
        Assert.StartsWith($"error: Port {port} of 127.0.0.1 is in use by ", sentence, StringComparison.Ordinal);
        Assert.Contains($"(pid {Environment.ProcessId}: ", sentence, StringComparison.Ordinal);
        Assert.EndsWith($"choose another with {option}.", sentence, StringComparison.Ordinal);
        Assert.False(File.Exists(ready) || File.Exists(Path.Combine(_environment.Folder, "daemon.json")));
    }

    [Fact]
    public async Task Run_AddressOfAnotherMachine_IsOneSentence() =>
        await FailsAsync("192.0.2.1 is not an address of this machine; choose another with --listen.", "-l", "192.0.2.1:8080");

    [Fact]
    public async Task Run_DataDirectoryIsAFile_IsOneSentence()
    {
        var file = _environment.Write("file", "");
        await FailsAsync($"The data directory {file} cannot be written: it is a file, not a folder. Choose another with --data-dir or RELAY_DATA_DIR.", "--data-dir", file);
    }

    [Fact]
    public async Task Run_DataDirectoryBelowAFile_IsOneSentence()
    {
        var file = _environment.Write("file", "");
        var (code, _, error) = await RunningProxy.RunAsync(_environment, "run", "--no-api", "--data-dir", Path.Combine(file, "below"));
        Assert.Equal(1, code);
        Assert.StartsWith($"error: The data directory {file}/below cannot be written: ", Assert.Single(error), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_UpstreamCaMissing_IsOneSentence() => await FailsAsync("--upstream-ca: there is no file none.pem.", "--upstream-ca", "none.pem");

    [Fact]
    public async Task Run_UpstreamCaIsAFolder_IsOneSentence() => await FailsAsync($"--upstream-ca: {_environment.Folder} is a folder.", "--upstream-ca", _environment.Folder);

    [Fact]
    public async Task Run_UpstreamCaIsGarbage_IsOneSentence()
    {
        var file = _environment.Write("garbage.pem", "not a certificate");
        await FailsAsync($"--upstream-ca: {file} is not a certificate file; it must be PEM or DER.", "--upstream-ca", file);
    }

    [Fact]
    public async Task Run_UpstreamCaWithoutCertificate_IsOneSentence()
    {
        var file = _environment.Write("key.pem", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n");
        await FailsAsync($"--upstream-ca: {file} has no certificate in it.", "--upstream-ca", file);
    }

    [Fact]
    public async Task Run_ClientCertificateIsGarbage_IsOneSentence()
    {
        var file = _environment.Write("garbage.pfx", "not a certificate");
        await FailsAsync($"--client-cert: {file} is neither a PFX nor a PEM file with a certificate and its key.", "--client-cert", $"*={file}");
    }

    [Fact]
    public async Task Run_ClientCertificateWithoutKey_IsOneSentence()
    {
        Assert.Equal(0, await _environment.RunAsync("ca", "generate"));
        var file = Path.Combine(_environment.Folder, "ca_cert.pem");
        await FailsAsync($"--client-cert: {file} has no private key; put certificate and key into one PEM file, or give a PFX.", "--client-cert", $"*={file}");
    }

    [Fact]
    public async Task Run_CaKeyOfAnotherCa_IsOneSentenceAndKeepsTheFiles()
    {
        Assert.Equal(0, await _environment.RunAsync("ca", "generate"));
        using var other = new TestEnvironment();
        Assert.Equal(0, await other.RunAsync("ca", "generate"));
        var (certificate, key) = (Path.Combine(_environment.Folder, "ca_cert.pem"), Path.Combine(other.Folder, "ca_key.pem"));
        var (code, output, error) = await RunningProxy.RunAsync(_environment, "run", "--no-api", "-l", "127.0.0.1:0", "--ca-cert", certificate, "--ca-key", key);
        Assert.Equal((1, 0), (code, output.Length));
        Assert.StartsWith($"error: {key} ", Assert.Single(error), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_OwnCa_IsTheOneAnnounced()
    {
        using var other = new TestEnvironment();
        Assert.Equal(0, await other.RunAsync("ca", "generate"));
        var certificate = Path.Combine(other.Folder, "ca_cert.pem");
        await using var proxy = await RunningProxy.StartAsync(_environment, "--ca-cert", certificate, "--ca-key", Path.Combine(other.Folder, "ca_key.pem"));
        Assert.Equal(certificate, proxy.Ready.GetProperty("ca_cert").GetString());
        Assert.False(File.Exists(Path.Combine(_environment.Folder, "ca_cert.pem")));
    }

    [Fact]
    public async Task Run_OpenToOthers_SaysSo()
    {
        await using var proxy = await RunningProxy.StartAsync(_environment, "-l", "0.0.0.0:0", "--insecure-upstream");
        proxy.Signal(SigTerm);
        await proxy.ExitAsync();
        Assert.Equal(2, proxy.Error.Length);
        Assert.Matches("^warning: 0.0.0.0:[0-9]+ is open to every machine that reaches this one.*--proxy-auth", proxy.Error[0]);
        Assert.StartsWith("warning: --insecure-upstream: servers are not verified.", proxy.Error[1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_NoApi_HasNone()
    {
        await using var proxy = await RunningProxy.StartAsync(_environment, "--no-api");
        Assert.Equal(JsonValueKind.Null, proxy.Ready.GetProperty("api").ValueKind);
        Assert.Equal(ExitCode.Failure, await _environment.RunAsync("flows"));
        Assert.Equal($"error: The proxy (pid {proxy.Id}) runs without its API (--no-api), so its flows cannot be read.\n", _environment.Error);
    }

    [Fact]
    public async Task Run_Killed_LeavesAManifestThatIsKnownToBeStale()
    {
        await using var proxy = await RunningProxy.StartAsync(_environment);
        proxy.Signal(9);
        await proxy.ExitAsync();
        Assert.True(File.Exists(Path.Combine(_environment.Folder, "daemon.json")));
        Assert.Equal(ExitCode.Failure, await _environment.RunAsync("flows"));
        Assert.Equal($"error: The proxy of {_environment.Folder} (pid {proxy.Id}) has ended without saying so; start it again with `relay-core-cli run`.\n", _environment.Error);
        await using var next = await RunningProxy.StartAsync(_environment);
        Assert.Equal(ExitCode.Success, await _environment.RunAsync("flows"));
    }

    public void Dispose() => _environment.Dispose();

    private async Task FailsAsync(string sentence, params string[] arguments)
    {
        var listens = arguments.Contains("-l") ? Array.Empty<string>() : ["-l", "127.0.0.1:0"];
        var (code, output, error) = await RunningProxy.RunAsync(_environment, ["run", "--no-api", .. listens, .. arguments]);
        Assert.Equal([$"error: {sentence}"], error);
        Assert.Equal((1, 0), (code, output.Length));
        Assert.False(File.Exists(Path.Combine(_environment.Folder, "daemon.json")));
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    // A request that is at the origin and will not be answered.
    private static async Task<Stopwatch> HangAsync(RunningProxy proxy, ScriptedOrigin origin)
    {
        var client = new TcpClient();
        await client.ConnectAsync(IPEndPoint.Parse(proxy.Proxies[0]));
        await client.GetStream().WriteAsync(System.Text.Encoding.ASCII.GetBytes($"GET {origin.Url()} HTTP/1.1\r\nHost: 127.0.0.1:{origin.Port}\r\n\r\n"));
        using var api = proxy.ApiClient();
        await WaitForAsync(async () => (await api.GetStringAsync("/api/v1/flows")).Contains("\"running\"", StringComparison.Ordinal));
        return Stopwatch.StartNew();
    }

    private static Task RefusesConnectionsAsync(string address) => WaitForAsync(async () =>
    {
        try
        {
            using var client = new TcpClient();
            await client.ConnectAsync(IPEndPoint.Parse(address));
            return false;
        }
        catch (SocketException)
        {
            return true;
        }
    });

    private static Task WaitForAsync(Func<bool> condition) => WaitForAsync(() => Task.FromResult(condition()));

    // The other side is a process: there is no signal to await, only its state to look at.
    private static async Task WaitForAsync(Func<Task<bool>> condition)
    {
        var watch = Stopwatch.StartNew();
        while (!await condition())
        {
            Assert.True(watch.Elapsed < RunningProxy.Patience, "It did not happen.");
            await Task.Delay(10);
        }
    }
}

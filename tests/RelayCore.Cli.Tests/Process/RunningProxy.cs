using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace RelayCore.Cli.Tests.Process;

/// <summary>The program as users run it, as a process of its own; ended with the test.</summary>
internal sealed partial class RunningProxy : IAsyncDisposable
{
    /// <summary>Longer than anything here takes, even on a busy machine.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly System.Diagnostics.Process _process;
    private readonly ConcurrentQueue<string> _output = new();
    private readonly ConcurrentQueue<string> _error = new();
    private readonly TaskCompletionSource<string?> _firstLine = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _reading;

    private RunningProxy(string dataDirectory, IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? variables)
    {
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "relay-core-cli"), arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = dataDirectory,
        };
        foreach (var name in start.Environment.Keys.Where(x => x.StartsWith("RELAY", StringComparison.Ordinal) || x.EndsWith("_proxy", StringComparison.OrdinalIgnoreCase)).ToArray())
        {
            start.Environment.Remove(name);
        }

        start.Environment["RELAY_DATA_DIR"] = dataDirectory;
        foreach (var (name, value) in variables ?? new Dictionary<string, string>())
        {
            start.Environment[name] = value;
        }

        _process = System.Diagnostics.Process.Start(start)!;
        _reading = Task.WhenAll(
            ReadAsync(_process.StandardOutput, _output, _firstLine), ReadAsync(_process.StandardError, _error, null));
    }

    public int Id => _process.Id;

    public string[] Output => [.. _output];

    public string[] Error => [.. _error];

    /// <summary>The ready line; after <see cref="StartAsync"/>.</summary>
    public JsonElement Ready { get; private set; }

    public string[] Proxies => [.. Ready.GetProperty("proxy").EnumerateArray().Select(x => x.GetString()!)];

    public string Api => Ready.GetProperty("api").GetString()!;

    public string Token => Ready.GetProperty("api_token").GetString()!;

    /// <summary>Starts <c>run</c> and waits until it is ready.</summary>
    public static async Task<RunningProxy> StartAsync(TestEnvironment environment, params string[] arguments)
    {
        var listens = arguments.Contains("-l") ? Array.Empty<string>() : ["-l", "127.0.0.1:0"];
        var api = arguments.Any(x => x.EndsWith("-api", StringComparison.Ordinal) || x == "--api-port") ? Array.Empty<string>() : ["--api-port", "0"];
        var proxy = new RunningProxy(environment.Folder, ["run", .. listens, .. api, .. arguments], Others(environment));
        var line = await proxy._firstLine.Task.WaitAsync(Patience)
            ?? throw new InvalidOperationException("It ended before it was ready: " + string.Join('\n', await proxy.WaitForErrorsAsync()));
        using var ready = JsonDocument.Parse(line);
        proxy.Ready = ready.RootElement.Clone();
        return proxy;
    }

    /// <summary>Starts any command line.</summary>
    public static RunningProxy Start(TestEnvironment environment, params string[] arguments) => new(environment.Folder, arguments, Others(environment));

    /// <summary>Runs any command line to its end.</summary>
    public static async Task<(int Code, string[] Output, string[] Error)> RunAsync(TestEnvironment environment, params string[] arguments)
    {
        await using var run = Start(environment, arguments);
        var code = await run.ExitAsync();
        return (code, run.Output, run.Error);
    }

    /// <summary>A client that goes through the proxy.</summary>
    public HttpClient Client() => new(new SocketsHttpHandler { Proxy = new WebProxy($"http://{Proxies[0]}"), UseProxy = true });

    /// <summary>A client of the API, with its token.</summary>
    public HttpClient ApiClient()
    {
        var client = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = new(Api) };
        client.DefaultRequestHeaders.Authorization = new("Bearer", Token);
        return client;
    }

    public void Signal(int signal) => _ = Kill(_process.Id, signal);

    /// <summary>Waits for the end.</summary>
    /// <returns>The exit code.</returns>
    public async Task<int> ExitAsync()
    {
        using var patience = new CancellationTokenSource(Patience);
        await _process.WaitForExitAsync(patience.Token);
        await _reading.WaitAsync(Patience);
        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            await _process.WaitForExitAsync();
        }

        await _reading;
        _process.Dispose();
    }

    private static Dictionary<string, string> Others(TestEnvironment environment) =>
        environment.Variables.Where(x => x.Key != "RELAY_DATA_DIR").ToDictionary(x => x.Key, x => x.Value);

    private async Task<string[]> WaitForErrorsAsync()
    {
        await ExitAsync();
        return Error;
    }

    private static async Task ReadAsync(StreamReader reader, ConcurrentQueue<string> lines, TaskCompletionSource<string?>? first)
    {
        while (await reader.ReadLineAsync() is { } line)
        {
            lines.Enqueue(line);
            first?.TrySetResult(line);
        }

        first?.TrySetResult(null);
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int pid, int signal);
}

using System.Diagnostics;
using System.Text.RegularExpressions;
using RelayCore.Testing;
using Xunit;

namespace RelayCore.Cli.Tests.Process;

/// <summary><c>run</c> before a person: on a pseudo terminal made by script(1).</summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed partial class TerminalTests : IDisposable
{
    private readonly TestEnvironment _environment = new();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Run_OnATerminal_ShowsWhatRunsAndALineForEachFlow(bool noColor)
    {
        Assert.SkipUnless(File.Exists("/usr/bin/script"), "script (bsdutils) is not installed.");
        await using var origin = new ScriptedOrigin(ScriptedOrigin.Response("hello"));
        var ready = Path.Combine(_environment.Folder, "ready.json");
        // exec: script(1) starts the command through $SHELL, and a shell that stays in between would answer the Ctrl-C as well.
        var command = $"exec {Path.Combine(AppContext.BaseDirectory, "relay-core-cli")} run -l 127.0.0.1:0 --api-port 0 --ready-file {ready}";
        var start = new ProcessStartInfo("script", ["-qfec", command, "/dev/null"]) { RedirectStandardOutput = true, RedirectStandardInput = true };
        start.Environment["RELAY_DATA_DIR"] = _environment.Folder;
        start.Environment["TERM"] = "xterm";
        start.Environment["NO_COLOR"] = noColor ? "1" : "";
        using var script = System.Diagnostics.Process.Start(start)!;
        try
        {
            var proxy = await WaitForLineAsync(script, x => ProxyLine().Match(x) is { Success: true } match ? match.Groups[1].Value : null);
            using var client = new HttpClient(new SocketsHttpHandler { Proxy = new System.Net.WebProxy(proxy), UseProxy = true });
            await client.GetStringAsync(origin.Url("/seen"), TestContext.Current.CancellationToken);
            var line = await WaitForLineAsync(script, x => x.Contains("/seen", StringComparison.Ordinal) ? x : null);
            Assert.Equal(!noColor, line.Contains("\u001b[32m200", StringComparison.Ordinal));
            Assert.Matches(@"GET.* 200.* 5 B .*s  http://127\.0\.0\.1:\d+/seen", Escape().Replace(line, ""));
            await script.StandardInput.WriteAsync('\u0003'); // Ctrl-C, typed
            await script.StandardInput.FlushAsync(TestContext.Current.CancellationToken);
            using var patience = new CancellationTokenSource(RunningProxy.Patience);
            await script.WaitForExitAsync(patience.Token);
            Assert.Equal(0, script.ExitCode);
        }
        finally
        {
            if (!script.HasExited)
            {
                script.Kill(entireProcessTree: true);
            }
        }
    }

    public void Dispose() => _environment.Dispose();

    private static async Task<string> WaitForLineAsync(System.Diagnostics.Process process, Func<string, string?> wanted)
    {
        using var patience = new CancellationTokenSource(RunningProxy.Patience);
        while (await process.StandardOutput.ReadLineAsync(patience.Token) is { } line)
        {
            if (wanted(line) is { } found)
            {
                return found;
            }
        }

        throw new InvalidOperationException("It ended without that line.");
    }

    [GeneratedRegex(@"proxy\S* +(http://127\.0\.0\.1:\d+)")]
    private static partial Regex ProxyLine();

    [GeneratedRegex(@"\u001b\[[0-9;]*m")]
    private static partial Regex Escape();
}

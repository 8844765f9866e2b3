using System.Diagnostics;
using System.Text.Json;
using Xunit;

namespace RelayCore.Cli.Tests.Process;

/// <summary><c>./relay</c>: says what is missing, and is the program once it runs.</summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed class LauncherTests : IDisposable
{
    private static readonly string s_launcher = Path.Combine(Repository.Root, "relay");
    private static readonly string[] s_tools = ["sh", "dirname", "readlink", "find", "cksum", "sort", "tr", "cat", "mkdir", "grep", "uname", "flock"];
    private readonly TestEnvironment _environment = new();

    [Fact]
    public async Task Relay_WithoutSdk_SaysWhatToInstall()
    {
        // A search path with everything the launcher uses except dotnet.
        foreach (var tool in s_tools)
        {
            var path = $"/usr/bin/{tool}";
            Assert.SkipUnless(File.Exists(path), $"{path} is not installed.");
            File.CreateSymbolicLink(Path.Combine(_environment.Folder, tool), path);
        }

        var start = new ProcessStartInfo("/bin/sh", [s_launcher, "version"]) { RedirectStandardError = true, RedirectStandardOutput = true };
        start.Environment.Clear();
        start.Environment["PATH"] = _environment.Folder;
        start.Environment["HOME"] = _environment.Folder;
        var (code, output, error) = await RunAsync(start);
        Assert.Equal((1, ""), (code, output));
        Assert.Equal("relay: the .NET SDK 10 is missing. Install the package dotnet-sdk-10.0 (Debian, Ubuntu, Fedora) or see https://dot.net/download.\n", error);
    }

    [Theory]
    [InlineData(0, "version")]
    [InlineData(1, "explain", "RC-NONE-000")]
    [InlineData(2, "run", "--wat")]
    public async Task Relay_AnyCommand_PassesArgumentsAndExitCode(int expected, params string[] arguments)
    {
        var (code, output, error) = await RunAsync(new(s_launcher, arguments) { RedirectStandardError = true, RedirectStandardOutput = true });
        Assert.True(code == expected, output + error);
    }

    [Fact]
    public async Task Relay_ThroughALinkFromElsewhere_FindsItsTree()
    {
        var link = Path.Combine(_environment.Folder, "rc");
        File.CreateSymbolicLink(link, s_launcher);
        var (code, output, _) = await RunAsync(new(link, ["version"]) { RedirectStandardError = true, RedirectStandardOutput = true, WorkingDirectory = "/" });
        Assert.Equal(0, code);
        Assert.StartsWith("relay-core-cli ", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Relay_Run_IsTheSameProcess()
    {
        var arguments = new[] { "run", "-l", "127.0.0.1:0", "--no-api", "--data-dir", _environment.Folder };
        using var process = System.Diagnostics.Process.Start(new ProcessStartInfo(s_launcher, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        try
        {
            using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(10)); // it may build
            using var ready = JsonDocument.Parse(await process.StandardOutput.ReadLineAsync(patience.Token) ?? "{}");
            Assert.Equal(process.Id, ready.RootElement.GetProperty("pid").GetInt32());
        }
        finally
        {
            process.Kill();
        }
    }

    public void Dispose() => _environment.Dispose();

    private static async Task<(int Code, string Output, string Error)> RunAsync(ProcessStartInfo start)
    {
        using var process = System.Diagnostics.Process.Start(start)!;
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(10));
        var output = process.StandardOutput.ReadToEndAsync(patience.Token);
        var error = process.StandardError.ReadToEndAsync(patience.Token);
        await process.WaitForExitAsync(patience.Token);
        return (process.ExitCode, await output, await error);
    }
}

using Xunit;

namespace RelayCore.Cli.Tests;

public sealed class CommandLineTests : IDisposable
{
    private readonly TestEnvironment _environment = new();

    [Theory]
    [InlineData("run --wat", "relay-core-cli run", "--wat")]
    [InlineData("run --listen", "relay-core-cli run", "--listen")]
    [InlineData("flows get", "relay-core-cli flows get", "get")]
    [InlineData("dance", "relay-core-cli", "dance")]
    [InlineData("ca", "relay-core-cli ca", "command")]
    [InlineData("", "relay-core-cli", "command")]
    public async Task RunAsync_WrongLine_NamesItAndExitsWith2(string line, string command, string named)
    {
        var code = await _environment.RunAsync(line.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal((ExitCode.Usage, ""), (code, _environment.Output));
        var lines = _environment.Error.TrimEnd('\n').Split('\n');
        Assert.Equal($"See '{command} --help'.", lines[^1]);
        Assert.All(lines[..^1], x => Assert.StartsWith("error: ", x, StringComparison.Ordinal));
        Assert.Contains(named, _environment.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--help", "relay-core-cli run")]
    [InlineData("run --help", "--proxy-auth")]
    [InlineData("run -h", "exit code", "--ready-file")]
    [InlineData("ca --help", "install")]
    [InlineData("flows --help", "--follow")]
    [InlineData("explain --help", "RC-TLS-201")]
    public async Task RunAsync_Help_ShowsOptionsAndExamples(string line, params string[] parts)
    {
        Assert.Equal(ExitCode.Success, await _environment.RunAsync(line.Split(' ')));
        Assert.All(parts, x => Assert.Contains(x, _environment.Output, StringComparison.OrdinalIgnoreCase));
        Assert.Contains("Examples:", _environment.Output, StringComparison.Ordinal);
        Assert.Empty(_environment.Error);
    }

    [Fact]
    public async Task RunAsync_Version_PrintsIt()
    {
        Assert.Equal(ExitCode.Success, await _environment.RunAsync("version"));
        Assert.Matches(@"^relay-core-cli \d+\.\d+\.\d+\n$", _environment.Output);
    }

    public void Dispose() => _environment.Dispose();
}

using RelayCore.Cli.Discovery;
using Xunit;

namespace RelayCore.Cli.Tests.Discovery;

public sealed class ManifestTests : IDisposable
{
    private readonly TestEnvironment _environment = new();

    [Fact]
    public void TryFind_OfARunningProcess_IsWhatWasWritten()
    {
        var manifest = OfThisProcess();
        manifest.Write(_environment.Folder);
        Assert.True(Manifest.TryFind(_environment.Folder, out var found, out _));
        Assert.Equal(manifest.Proxy, found.Proxy);
        Assert.Equal(manifest with { Proxy = [] }, found with { Proxy = [] });
        Assert.Equal([Manifest.FileName], Directory.EnumerateFiles(_environment.Folder).Select(Path.GetFileName)); // nothing half-written beside it
    }

    [Fact]
    public void TryFind_NumberOfTheProcessUsedAgain_IsStale()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Start times of processes are read from /proc.");
        (OfThisProcess() with { PidStartTicks = 1 }).Write(_environment.Folder);
        Assert.False(Manifest.TryFind(_environment.Folder, out _, out var problem));
        Assert.Contains($"(pid {Environment.ProcessId}) has ended", problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{"pid":"many"}""")]
    public void TryFind_SomethingElse_IsOneSentence(string content)
    {
        var path = _environment.Write(Manifest.FileName, content);
        Assert.False(Manifest.TryFind(_environment.Folder, out _, out var problem));
        Assert.StartsWith($"{path} cannot be read as a manifest; ", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void TryFind_FieldsOfALaterVersion_AreIgnored()
    {
        _environment.Write(Manifest.FileName, $$"""{"pid":{{Environment.ProcessId}},"api_url":"http://127.0.0.1:1","mcp_port":null,"new":{"x":[1] } }""");
        Assert.True(Manifest.TryFind(_environment.Folder, out var found, out _));
        Assert.Equal("http://127.0.0.1:1", found.ApiUrl);
    }

    [Fact]
    public void Remove_AnotherProxysManifest_Stays()
    {
        (OfThisProcess() with { Pid = 1, PidStartTicks = null }).Write(_environment.Folder);
        OfThisProcess().Remove(_environment.Folder);
        Assert.True(File.Exists(Path.Combine(_environment.Folder, Manifest.FileName)));
    }

    public void Dispose() => _environment.Dispose();

    private static Manifest OfThisProcess() => new()
    {
        Pid = Environment.ProcessId,
        PidStartTicks = ProcessIdentity.StartTicks(Environment.ProcessId),
        EngineVersion = "1.2.3",
        ApiPort = 8082,
        ApiUrl = "http://127.0.0.1:8082",
        ProxyPort = 8080,
        Proxy = ["127.0.0.1:8080", "[::1]:8080"],
        Token = "secret",
        StartedAtMilliseconds = 1,
        DataDirectory = "/somewhere",
    };
}

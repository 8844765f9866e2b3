using RelayCore.Cli.Explain;
using RelayCore.Core.Faults;
using Xunit;

namespace RelayCore.Cli.Tests.Explain;

public sealed class ExplainTests : IDisposable
{
    private readonly TestEnvironment _environment = new();

    [Fact]
    public async Task Explain_EveryCode_SaysWhatAndWhatToDo()
    {
        foreach (var entry in FaultCatalog.Entries)
        {
            using var environment = new TestEnvironment();
            Assert.Equal(ExitCode.Success, await environment.RunAsync("explain", entry.Code.ToLowerInvariant()));
            Assert.StartsWith($"{entry.Code}: {entry.Title}\n", environment.Output, StringComparison.Ordinal);
            Assert.Contains(entry.Explanation, environment.Output, StringComparison.Ordinal);
            Assert.All(entry.NextSteps, x => Assert.Contains($"  - {x}\n", environment.Output, StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task Explain_StartedByAnotherName_AdvisesThatName()
    {
        _environment.Variables["RELAY_PROGRAM"] = "./relay";
        Assert.Equal(ExitCode.Success, await _environment.RunAsync("explain", "RC-TLS-101"));
        Assert.Contains("./relay ca install", _environment.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("relay-core-cli", _environment.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Explain_NoCode_ListsAll()
    {
        Assert.Equal(ExitCode.Success, await _environment.RunAsync("explain"));
        Assert.Equal(FaultCatalog.Entries.Select(x => x.Code), _environment.Output.TrimEnd('\n').Split('\n').Select(x => x.Split(' ')[0]));
    }

    [Fact]
    public async Task Explain_Beginning_ListsWhatBeginsSo()
    {
        Assert.Equal(ExitCode.Success, await _environment.RunAsync("explain", "rc-dns"));
        Assert.All(_environment.Output.TrimEnd('\n').Split('\n'), x => Assert.StartsWith("RC-DNS-", x, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Explain_UnknownCode_IsAnError()
    {
        Assert.Equal(ExitCode.Failure, await _environment.RunAsync("explain", "RC-\u001b[31m"));
        Assert.Equal("error: There is no code RC-\\x1b[31m; `relay-core-cli explain` lists them all.\n", _environment.Error);
    }

    [Fact]
    public void ErrorDocument_InDocs_IsUpToDate()
    {
        var path = Path.Combine(Repository.Root, "docs", "errors.md");
        var expected = ErrorDocument.Write();
        if (Environment.GetEnvironmentVariable("RELAY_UPDATE_DOCS") == "1")
        {
            File.WriteAllText(path, expected);
        }

        Assert.True(File.Exists(path) && File.ReadAllText(path) == expected, "docs/errors.md is stale: run these tests with RELAY_UPDATE_DOCS=1 and commit it.");
    }

    public void Dispose() => _environment.Dispose();
}

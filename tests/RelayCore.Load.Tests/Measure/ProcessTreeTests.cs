using System.Diagnostics;
using RelayCore.Load.Measure;
using Xunit;

namespace RelayCore.Load.Tests.Measure;

public sealed class ProcessTreeTests
{
    [Fact]
    public async Task Sample_ProcessWithChildren_CountsThemAll()
    {
        // A shell that has waited for a child which used CPU, and has another one alive; it ends when its input does.
        const string Script = "sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done'; sleep 60 & echo ready; read x; kill $!";
        using var shell = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", Script]) { RedirectStandardOutput = true, RedirectStandardInput = true })!;
        try
        {
            Assert.Equal("ready", await shell.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken));
            var usage = ProcessTree.Sample(shell.Id);
            Assert.True(usage.CpuSeconds >= 0.05, $"{usage.CpuSeconds} s of CPU");
            Assert.True(usage.RssOctets > shell.WorkingSet64, $"{usage.RssOctets} octets in all, {shell.WorkingSet64} of the shell");
            Assert.True(usage.PeakRssOctets >= usage.RssOctets);
        }
        finally
        {
            shell.StandardInput.Close();
            await shell.WaitForExitAsync(CancellationToken.None);
        }
    }

    [Fact]
    public void Sample_EndedProcess_SaysSo()
    {
        using var ended = Process.Start("/bin/true");
        ended.WaitForExit();
        Assert.Throws<BenchmarkException>(() => ProcessTree.Sample(ended.Id));
    }
}

using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace RelayCore.Load.Compare;

/// <summary>What must be known to judge the figures: machine, versions, lengths.</summary>
internal static class Conditions
{
    public static async Task<Dictionary<string, string>> CollectAsync(CompareOptions options, CancellationToken cancellationToken)
    {
        var conditions = new Dictionary<string, string>
        {
            ["date"] = TimeProvider.System.GetUtcNow().ToString("yyyy-MM-dd HH:mm 'UTC'", CultureInfo.InvariantCulture),
            ["commit"] = await OutputAsync("git", ["-C", options.Root, "describe", "--always", "--dirty"], cancellationToken),
            ["processor"] = $"{Field("/proc/cpuinfo", "model name")}, {Environment.ProcessorCount} cores",
            ["memory"] = Field("/proc/meminfo", "MemTotal"),
            ["kernel"] = RuntimeInformation.OSDescription,
            ["runtime"] = RuntimeInformation.FrameworkDescription,
            ["load average before"] = File.ReadAllText("/proc/loadavg").Trim(),
            ["rounds"] = $"{options.Rounds} of {options.Seconds} s after {options.WarmUp} s of warm-up, order rotating",
            ["origin of downloads"] = await OutputAsync("nginx", ["-v"], cancellationToken),
        };
        foreach (var peer in options.Peers)
        {
            conditions[peer.Name] = await peer.VersionAsync(cancellationToken);
        }

        return conditions;
    }

    private static string Field(string file, string name) =>
        File.ReadLines(file).FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal))?.Split(':', 2)[1].Trim() ?? "unknown";

    private static async Task<string> OutputAsync(string program, IEnumerable<string> arguments, CancellationToken cancellationToken)
    {
        using var process = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", "exec \"$0\" \"$@\" 2>&1", program, .. arguments]) { RedirectStandardOutput = true })!;
        var output = await process.StandardOutput.ReadToEndAsync(cancellationToken);
        await process.WaitForExitAsync(cancellationToken);
        return process.ExitCode == 0 ? output.Trim() : "unknown";
    }
}

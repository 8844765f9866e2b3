using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace RelayCore.Load.Compare;

/// <summary>A process we started: its output goes to a log file, its id into the list that compare.sh cleans up from, and disposing ends it.</summary>
internal sealed partial class ChildProcess : IAsyncDisposable
{
    private const int SigTerm = 15;
    private const int SigKill = 9;
    private static readonly TimeSpan s_timeToEnd = TimeSpan.FromSeconds(10);
    private static readonly Lock s_listGate = new();
    private readonly Process _process;
    private readonly string _list;

    private ChildProcess(Process process, string log, string list)
    {
        (_process, Log, _list) = (process, log, list);
        UpdateList(ids => ids.Add(process.Id));
    }

    public int Id => _process.Id;

    public bool HasEnded => _process.HasExited;

    /// <summary>File that holds what it printed.</summary>
    public string Log { get; }

    /// <param name="bed">Gives the folders for the log and the list of processes.</param>
    /// <param name="name">Names the log.</param>
    /// <param name="command">Program and arguments.</param>
    /// <param name="captureOutput">Standard output is for <see cref="ReadLineAsync"/> instead of the log.</param>
    public static ChildProcess Start(Testbed bed, string name, IEnumerable<string> command, bool captureOutput = false)
    {
        var log = Path.Combine(bed.Directory, $"{name}.log");
        // exec keeps the id; the shell is there only to redirect to a file, which needs nobody to read a pipe.
        var redirect = captureOutput ? "exec \"$@\" 2>>\"$0\" </dev/null" : "exec \"$@\" >>\"$0\" 2>&1 </dev/null";
        var start = new ProcessStartInfo("/bin/sh", ["-c", redirect, log, .. command])
        {
            WorkingDirectory = bed.ProjectRoot,
            RedirectStandardOutput = captureOutput,
        };
        return new(Process.Start(start) ?? throw new BenchmarkException($"{name} could not be started."), log, bed.ProcessList);
    }

    /// <returns>The next line of captured output.</returns>
    /// <exception cref="BenchmarkException">It ended without one, or none came within <paramref name="patience"/>.</exception>
    public async Task<string> ReadLineAsync(TimeSpan patience, CancellationToken cancellationToken)
    {
        try
        {
            return await _process.StandardOutput.ReadLineAsync(cancellationToken).AsTask().WaitAsync(patience, cancellationToken)
                ?? throw new BenchmarkException($"no output; {LastWords()}");
        }
        catch (TimeoutException)
        {
            throw new BenchmarkException($"no output within {patience.TotalSeconds:0} s; {LastWords()}");
        }
    }

    /// <summary>What it printed last, for a message about why it failed.</summary>
    public string LastWords()
    {
        var lines = File.Exists(Log) ? File.ReadAllLines(Log) : [];
        return lines.Length == 0 ? "it printed nothing." : $"it printed last: {string.Join(" | ", lines.TakeLast(5))}";
    }

    public async ValueTask DisposeAsync()
    {
        using (_process)
        {
            if (!_process.HasExited)
            {
                _ = Kill(_process.Id, SigTerm);
                using var patience = new CancellationTokenSource(s_timeToEnd);
                try
                {
                    await _process.WaitForExitAsync(patience.Token);
                }
                catch (OperationCanceledException)
                {
                    _ = Kill(_process.Id, SigKill);
                    await _process.WaitForExitAsync(CancellationToken.None);
                }
            }

            UpdateList(ids => ids.Remove(_process.Id));
        }
    }

    private void UpdateList(Action<HashSet<int>> change)
    {
        lock (s_listGate)
        {
            HashSet<int> ids = File.Exists(_list) ? [.. File.ReadAllLines(_list).Select(line => int.Parse(line, CultureInfo.InvariantCulture))] : [];
            change(ids);
            File.WriteAllLines(_list, ids.Select(id => id.ToString(CultureInfo.InvariantCulture)));
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int pid, int signal);
}

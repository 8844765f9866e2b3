using System.Diagnostics;
using System.Globalization;

namespace RelayCore.Cli.Discovery;

/// <summary>Tells whether the process that wrote a file still runs. Process numbers are used again, start times are not.</summary>
internal static class ProcessIdentity
{
    /// <summary>Start of a process in clock ticks since boot; <see langword="null"/> where there is no /proc or no such process.</summary>
    public static long? StartTicks(int pid)
    {
        try
        {
            // Field 22 (proc(5)); the name in field 2 may hold anything, so count from its closing parenthesis.
            var stat = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/stat"));
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return fields[0] is "Z" or "X" ? null : long.Parse(fields[19], CultureInfo.InvariantCulture);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or FormatException)
        {
            return null;
        }
    }

    /// <summary>Whether the process runs and, where that is known, is the one that started then.</summary>
    public static bool IsRunning(int pid, long? startTicks)
    {
        if (OperatingSystem.IsLinux())
        {
            return StartTicks(pid) is { } now && (startTicks is null || startTicks == now);
        }

        try
        {
            using var process = Process.GetProcessById(pid);
            return !process.HasExited;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }
}

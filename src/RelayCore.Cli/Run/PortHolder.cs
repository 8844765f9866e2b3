using System.Globalization;
using System.Net;

namespace RelayCore.Cli.Run;

/// <summary>Finds out who listens on a port, from /proc; elsewhere, and for processes of other users, nobody is known.</summary>
internal static class PortHolder
{
    private const string Listening = "0A"; // TCP_LISTEN in /proc/net/tcp

    /// <summary>Describes the holder, e.g. <c>nginx (pid 1234: nginx -g daemon off;)</c>.</summary>
    /// <param name="endPoint">The address that could not be bound.</param>
    /// <param name="proc">Root of the process file system; tests give their own.</param>
    /// <returns><see langword="null"/> when it cannot be told.</returns>
    public static string? Find(IPEndPoint endPoint, string proc = "/proc")
    {
        try
        {
            var inodes = Inodes(Path.Combine(proc, "net", "tcp"), endPoint.Port).Concat(Inodes(Path.Combine(proc, "net", "tcp6"), endPoint.Port));
            var links = inodes.Select(x => $"socket:[{x}]").ToHashSet(StringComparer.Ordinal);
            return links.Count == 0 ? null : Holder(links, proc);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    // "sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode"; the port is hexadecimal behind the colon.
    private static IEnumerable<string> Inodes(string table, int port)
    {
        if (!File.Exists(table))
        {
            yield break;
        }

        var suffix = ":" + port.ToString("X4", CultureInfo.InvariantCulture);
        foreach (var row in File.ReadLines(table))
        {
            var cells = row.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (cells.Length > 9 && cells[3] == Listening && cells[1].EndsWith(suffix, StringComparison.Ordinal))
            {
                yield return cells[9];
            }
        }
    }

    private static string? Holder(HashSet<string> links, string proc)
    {
        foreach (var folder in Directory.EnumerateDirectories(proc))
        {
            if (!int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var pid))
            {
                continue;
            }

            try
            {
                foreach (var descriptor in Directory.EnumerateFileSystemEntries(Path.Combine(folder, "fd")))
                {
                    if (new FileInfo(descriptor).LinkTarget is { } target && links.Contains(target))
                    {
                        return Describe(folder, pid);
                    }
                }
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // Gone meanwhile, or somebody else's.
            }
        }

        return null;
    }

    private static string Describe(string folder, int pid)
    {
        var name = File.ReadAllText(Path.Combine(folder, "comm")).Trim();
        var command = File.ReadAllText(Path.Combine(folder, "cmdline")).Replace('\0', ' ').Trim();
        command = Text.Printable.Line(command.Length > 80 ? command[..80] + "…" : command);
        return command.Length == 0 ? $"{name} (pid {pid})" : $"{name} (pid {pid}: {command})";
    }
}

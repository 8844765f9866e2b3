namespace RelayCore.Cli;

/// <summary>Where RelayCore keeps its files.</summary>
internal static class DataDirectory
{
    /// <summary>Variable that names the folder.</summary>
    public const string Variable = "RELAY_DATA_DIR";

    /// <summary>The folder: the option, else the variable, else <c>~/.relay-core</c>. Absolute.</summary>
    /// <exception cref="CliException">There is no home folder to put the default into, or the path is none.</exception>
    public static string Resolve(string? option, CliEnvironment environment)
    {
        var chosen = option ?? environment[Variable];
        if (chosen is null)
        {
            var home = environment["HOME"] ?? Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
            if (home.Length == 0)
            {
                throw new CliException($"There is no home folder for the data directory; name one with --data-dir or {Variable}.");
            }

            chosen = Path.Combine(home, ".relay-core");
        }
        else if (chosen.StartsWith("~/", StringComparison.Ordinal) && environment["HOME"] is { } home)
        {
            chosen = Path.Combine(home, chosen[2..]); // --data-dir=~/x reaches us unexpanded
        }

        try
        {
            return Path.GetFullPath(chosen);
        }
        catch (ArgumentException)
        {
            throw new CliException("The data directory is not a valid path; name another with --data-dir.");
        }
    }

    /// <summary>Makes the folder when it is missing, for its owner only (0700), and proves that files can be made in it.</summary>
    /// <exception cref="CliException">Says what stands in the way.</exception>
    public static void Prepare(string path)
    {
        try
        {
            if (!Directory.Exists(path))
            {
                if (OperatingSystem.IsWindows())
                {
                    Directory.CreateDirectory(path);
                }
                else
                {
                    Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
                }
            }

            var probe = Path.Combine(path, $".write-test-{Environment.ProcessId}");
            using (new FileStream(probe, FileMode.Create, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose))
            {
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            var reason = File.Exists(path) ? "it is a file, not a folder"
                : error is UnauthorizedAccessException ? "permission is denied"
                : Reason(error);
            throw new CliException($"The data directory {path} cannot be written: {reason}. Choose another with --data-dir or {Variable}.", inner: error);
        }
    }

    private static string Reason(Exception error)
    {
        // The runtime's messages repeat the path and end in a full stop.
        var text = error.Message.Split(" : ")[0].TrimEnd('.');
        return text.Length > 0 ? char.ToLowerInvariant(text[0]) + text[1..] : "the system refuses";
    }
}

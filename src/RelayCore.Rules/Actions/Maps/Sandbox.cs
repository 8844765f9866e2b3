using RelayCore.Rules.Catalog;

namespace RelayCore.Rules.Actions.Maps;

/// <summary>The folder outside of which no file is read for a client, symbolic links resolved. Immutable.</summary>
internal sealed class Sandbox
{
    // As many as Linux follows.
    private const int MaxLinks = 40;

    private readonly string _root;

    private Sandbox(string root) => _root = root;

    /// <summary>The sandbox of a rule: the one of the host, or the folder of its file.</summary>
    public static Sandbox Of(CompileScope scope) => new(Path.GetFullPath(scope.Environment.SandboxRoot ?? scope.BaseDirectory));

    /// <summary>Where a path leads, all links followed.</summary>
    /// <param name="path">An absolute path.</param>
    /// <param name="problem">Why it may not be read, when the result is <see langword="null"/>; it need not exist.</param>
    public string? Resolve(string path, out string? problem)
    {
        problem = null;
        string? root, real;
        try
        {
            (root, real) = (RealPath(_root), RealPath(Path.GetFullPath(path)));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            problem = $"'{path}' cannot be looked at: {e.Message}";
            return null;
        }

        if (root is not null && real is not null
            && (real == root || real.StartsWith(Path.EndsInDirectorySeparator(root) ? root : root + Path.DirectorySeparatorChar, StringComparison.Ordinal)))
        {
            return real;
        }

        problem = real is null ? $"'{path}' has too many symbolic links" : $"'{path}' leads outside of the folder that rules may read, '{_root}'";
        return null;
    }

    private static string? RealPath(string path)
    {
        var root = Path.GetPathRoot(path)!;
        var pending = new Stack<string>(Parts(path[root.Length..]));
        var current = root;
        for (var links = 0; pending.TryPop(out var part);)
        {
            if (part == "..")
            {
                current = Path.GetDirectoryName(current) ?? current;
                continue;
            }

            var next = Path.Combine(current, part);
            if (part == "." || new FileInfo(next).LinkTarget is not { } target)
            {
                current = part == "." ? current : next;
                continue;
            }

            if (++links > MaxLinks)
            {
                return null;
            }

            if (Path.IsPathRooted(target))
            {
                current = Path.GetPathRoot(target)!;
                target = target[current.Length..];
            }

            foreach (var step in Parts(target))
            {
                pending.Push(step);
            }
        }

        return current;
    }

    // Last first, as a stack wants them.
    private static IEnumerable<string> Parts(string path) =>
        path.Split([Path.DirectorySeparatorChar, Path.AltDirectorySeparatorChar], StringSplitOptions.RemoveEmptyEntries).Reverse();
}

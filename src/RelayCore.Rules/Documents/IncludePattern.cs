using System.IO.Enumeration;

namespace RelayCore.Rules.Documents;

/// <summary>Files that <c>include</c> names: a path, or a pattern with <c>*</c> and <c>?</c> within a name and <c>**</c> for any folders. In ordinal order.</summary>
internal static class IncludePattern
{
    /// <summary>Most files one pattern may name. Breach: an error.</summary>
    public const int MaxFiles = 1000;

    private static readonly EnumerationOptions s_here = new() { MatchType = MatchType.Simple, MatchCasing = MatchCasing.PlatformDefault };

    public static bool Is(string text) => text.AsSpan().ContainsAny('*', '?');

    /// <summary>Finds the files.</summary>
    /// <param name="folder">Folder the pattern starts from.</param>
    /// <param name="pattern">The pattern.</param>
    /// <param name="folders">Takes the folders looked into, for watching.</param>
    /// <returns>At most one more than <see cref="MaxFiles"/>.</returns>
    public static List<string> Expand(string folder, string pattern, ICollection<string> folders)
    {
        var root = Path.GetPathRoot(pattern);
        var names = pattern[(root?.Length ?? 0)..].Split(['/', Path.DirectorySeparatorChar], StringSplitOptions.RemoveEmptyEntries);
        var found = new List<string>();
        Walk(string.IsNullOrEmpty(root) ? folder : root, names, found, folders);
        return [.. found.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
    }

    private static void Walk(string folder, ReadOnlySpan<string> names, List<string> found, ICollection<string> folders)
    {
        if (names.IsEmpty || found.Count > MaxFiles || folders.Count > MaxFiles || !Directory.Exists(folder.Length == 0 ? "." : folder))
        {
            return;
        }

        var name = names[0];
        var rest = names[1..];
        var search = folder.Length == 0 ? "." : folder;
        if (name == "**")
        {
            Walk(folder, rest, found, folders);

            // Links are not followed: they may lead back.
            foreach (var inner in Directory.EnumerateDirectories(search, "*", s_here).Order(StringComparer.Ordinal))
            {
                if (new DirectoryInfo(inner).LinkTarget is null)
                {
                    Walk(Path.Combine(folder, Path.GetFileName(inner)), names, found, folders);
                }
            }

            return;
        }

        if (!Is(name) && !rest.IsEmpty)
        {
            Walk(Path.Combine(folder, name), rest, found, folders);
            return;
        }

        folders.Add(Path.GetFullPath(search));
        if (rest.IsEmpty)
        {
            found.AddRange(Directory.EnumerateFiles(search, "*", s_here)
                .Select(x => Path.GetFileName(x))
                .Where(x => FileSystemName.MatchesSimpleExpression(name, x, ignoreCase: false))
                .Take(MaxFiles + 1)
                .Select(x => Path.Combine(folder, x)));
            return;
        }

        foreach (var inner in Directory.EnumerateDirectories(search, name, s_here).Order(StringComparer.Ordinal))
        {
            Walk(Path.Combine(folder, Path.GetFileName(inner)), rest, found, folders);
        }
    }
}

namespace RelayCore.Conformance.Tests;

/// <summary>Published test vectors. They are no part of the project: a folder <c>shared/testdata</c> beside it, or beside a folder above it, has them.</summary>
internal static class Vectors
{
    public const string Variable = "RELAY_TESTDATA";

    /// <summary>The folder with one set of vectors, or <see langword="null"/> and where it was looked for.</summary>
    public static string? Find(string set, out string reason)
    {
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } given)
        {
            reason = $"{Variable} is {given}, which has no folder {set}";
            return Directory.Exists(Path.Combine(given, set)) ? Path.Combine(given, set) : null;
        }

        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var candidate = Path.Combine(folder.FullName, "shared", "testdata", set);
            if (Directory.Exists(candidate))
            {
                reason = "";
                return candidate;
            }
        }

        reason = $"no folder shared/testdata/{set} above {AppContext.BaseDirectory}; set {Variable} to the folder with the vectors";
        return null;
    }
}

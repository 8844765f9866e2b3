namespace RelayCore.Cli.Tests;

/// <summary>The working tree these tests were built from.</summary>
internal static class Repository
{
    /// <summary>Its root: the nearest folder above with the solution.</summary>
    public static string Root { get; } = Find();

    private static string Find()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "RelayCore.slnx")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException("These tests run from within the working tree.");
    }
}

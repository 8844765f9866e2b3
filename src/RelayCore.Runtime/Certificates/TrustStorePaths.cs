namespace RelayCore.Runtime.Certificates;

/// <summary>Where trust stores and their tools are looked for; another root serves images, jails and tests.</summary>
public sealed record TrustStorePaths
{
    /// <summary>Root of the file system. Default <c>/</c>.</summary>
    public string Root { get; init; } = "/";

    /// <summary>The user's home directory, for browsers' stores.</summary>
    public string Home { get; init; } = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);

    /// <summary>Directories that hold tools, first match first. Default: PATH, then the ones of the administrator.</summary>
    public IReadOnlyList<string> ToolDirectories { get; init; } =
        [.. (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries), "/usr/sbin", "/sbin", "/usr/local/sbin"];

    /// <summary>Whether <see cref="Root"/> is the machine's own.</summary>
    internal bool IsOwnSystem => Root == "/";

    internal string System(string path) => Path.Combine(Root, path);

    internal string? FindTool(string name) => ToolDirectories.Select(directory => Path.Combine(directory, name)).FirstOrDefault(File.Exists);
}

using System.Text.RegularExpressions;

namespace RelayCore.Runtime.Certificates;

/// <summary>A certificate database of Mozilla's NSS: the one Chromium and its relatives share per user, or a Firefox profile's.</summary>
/// <param name="id">Stable name.</param>
/// <param name="name">Name for people.</param>
/// <param name="directory">Holds <c>cert9.db</c>, or will.</param>
/// <param name="paths">Finds certutil.</param>
/// <param name="time">Measures patience.</param>
internal sealed partial class NssTrustStore(string id, string name, string directory, TrustStorePaths paths, TimeProvider time)
    : TrustStore(id, name, directory)
{
    private const string Tool = "certutil";
    private const string Package = "install it: apt-get install libnss3-tools (Debian, Ubuntu) or dnf install nss-tools (RHEL, Fedora)";

    public override async Task<TrustStoreReport> InspectAsync(TrustedAuthority? authority, CancellationToken cancellationToken)
    {
        if (paths.FindTool(Tool) is null)
        {
            return Report(TrustStoreState.NotAvailable, $"{Tool} is missing", Package);
        }

        if (!File.Exists(Path.Combine(Location, "cert9.db")))
        {
            return Report(TrustStoreState.NotInstalled, "the database does not exist yet", "relay-core-cli ca install makes it");
        }

        var (entries, failure) = await ListAsync(cancellationToken).ConfigureAwait(false);
        if (failure is not null)
        {
            return Report(TrustStoreState.NotInstalled, failure);
        }

        string? other = null, untrusted = null;
        foreach (var entry in entries)
        {
            var isOurs = TrustedAuthority.IsOurs(entry.Nickname);
            if (!isOurs && !entry.IsTrusted)
            {
                continue; // neither of interest nor worth a process
            }

            if (authority is not null && await HoldsAsync(entry.Nickname, authority, cancellationToken).ConfigureAwait(false))
            {
                if (entry.IsTrusted)
                {
                    return Report(TrustStoreState.Installed);
                }

                untrusted = $"'{entry.Nickname}' is there, but not trusted for web sites";
            }
            else if (isOurs)
            {
                other = $"'{entry.Nickname}' is there instead";
            }
        }

        return other is not null && untrusted is null
            ? Report(TrustStoreState.Stale, other, "relay-core-cli ca install")
            : Report(TrustStoreState.NotInstalled, untrusted, "relay-core-cli ca install");
    }

    protected override string Privileged(TrustedAuthority? authority) => $"run the command as the owner of {Location}";

    protected override async Task<string?> AddAsync(TrustedAuthority authority, CancellationToken cancellationToken)
    {
        var failure = await CreateAsync(cancellationToken).ConfigureAwait(false)
            ?? await RemoveAsync(authority, cancellationToken).ConfigureAwait(false);
        return failure ?? await RunAsync(["-A", "-n", authority.Nickname, "-t", "C,,", "-a"], authority.Pem, cancellationToken).ConfigureAwait(false);
    }

    protected override async Task<string?> RemoveAsync(TrustedAuthority? authority, CancellationToken cancellationToken)
    {
        var (entries, failure) = await ListAsync(cancellationToken).ConfigureAwait(false);
        foreach (var entry in entries)
        {
            if (TrustedAuthority.IsOurs(entry.Nickname)
                || (authority is not null && entry.IsTrusted && await HoldsAsync(entry.Nickname, authority, cancellationToken).ConfigureAwait(false)))
            {
                failure ??= await RunAsync(["-D", "-n", entry.Nickname], input: null, cancellationToken).ConfigureAwait(false);
            }
        }

        return failure;
    }

    private async Task<string?> CreateAsync(CancellationToken cancellationToken)
    {
        if (File.Exists(Path.Combine(Location, "cert9.db")))
        {
            return null;
        }

        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(Location);
        }
        else
        {
            Directory.CreateDirectory(Location, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }

        return await RunAsync(["-N", "--empty-password"], input: null, cancellationToken).ConfigureAwait(false);
    }

    private async Task<(List<Entry> Entries, string? Failure)> ListAsync(CancellationToken cancellationToken)
    {
        var result = await InvokeAsync(["-L"], input: null, cancellationToken).ConfigureAwait(false);
        if (result.ExitCode != 0)
        {
            return ([], $"{Tool} failed: {result.LastWords}");
        }

        var entries = new List<Entry>();
        foreach (var line in result.Output.Split('\n'))
        {
            if (EntryLine().Match(line) is { Success: true } match)
            {
                entries.Add(new(match.Groups["name"].Value, match.Groups["ssl"].Value.Contains('C', StringComparison.Ordinal)));
            }
        }

        return (entries, null);
    }

    private async Task<bool> HoldsAsync(string nickname, TrustedAuthority authority, CancellationToken cancellationToken)
    {
        var result = await InvokeAsync(["-L", "-n", nickname, "-a"], input: null, cancellationToken).ConfigureAwait(false);
        return result.ExitCode == 0 && TrustedAuthority.Parse(result.Output).Any(authority.Is);
    }

    private async Task<string?> RunAsync(string[] arguments, string? input, CancellationToken cancellationToken)
    {
        var result = await InvokeAsync(arguments, input, cancellationToken).ConfigureAwait(false);
        return result.ExitCode == 0 ? null : $"{Tool} failed: {result.LastWords}";
    }

    /// <remarks>An empty password file keeps certutil from asking a terminal when a database has a password: it fails instead.</remarks>
    private Task<ToolResult> InvokeAsync(string[] arguments, string? input, CancellationToken cancellationToken) =>
        ExternalTool.RunAsync(paths.FindTool(Tool)!, [.. arguments, "-d", $"sql:{Location}", "-f", "/dev/null"], input, time, cancellationToken);

    /// <summary>A line of the list: a name padded with blanks, then flags for TLS, mail and code.</summary>
    [GeneratedRegex(@"^(?<name>\S.*?)\s+(?<ssl>[A-Za-z]*),[A-Za-z]*,[A-Za-z]*\s*$", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant)]
    private static partial Regex EntryLine();

    private readonly record struct Entry(string Nickname, bool IsTrusted);
}

using System.Security.Cryptography.X509Certificates;

namespace RelayCore.Runtime.Certificates;

/// <summary>
/// The store of a Linux distribution: anchors are dropped into a directory and a tool makes a bundle of them, which curl, wget, Python's
/// ssl, Go, .NET and OpenSSL read.
/// </summary>
internal sealed class SystemTrustStore : TrustStore
{
    private const string Id = "system";
    private readonly Layout _layout;
    private readonly TrustStorePaths _paths;
    private readonly TimeProvider _time;

    private SystemTrustStore(Layout layout, TrustStorePaths paths, TimeProvider time)
        : base(Id, layout.Name, paths.System(layout.Bundle)) => (_layout, _paths, _time) = (layout, paths, time);

    private string Anchor => _paths.System(_layout.Anchor);

    private string Bundle => _paths.System(_layout.Bundle);

    protected override bool HasRemains => File.Exists(Anchor);

    /// <summary>The store of this system, recognized by its directories; <see langword="null"/> when it is of another kind.</summary>
    public static SystemTrustStore? Find(TrustStorePaths paths, TimeProvider time)
    {
        var layout = Layout.All.FirstOrDefault(known => Directory.Exists(paths.System(known.Mark)));
        return layout is null ? null : new(layout, paths, time);
    }

    public override Task<TrustStoreReport> InspectAsync(TrustedAuthority? authority, CancellationToken cancellationToken) =>
        Task.FromResult(Inspect(authority));

    protected override string Privileged(TrustedAuthority? authority) => authority is null
        ? $"sudo rm {Anchor} && sudo {_layout.Tool}"
        : $"run the same command with sudo, or: sudo cp CERTIFICATE {Anchor} && sudo {_layout.Tool} (to remove: sudo rm {Anchor} && sudo {_layout.Tool})";

    protected override async Task<string?> AddAsync(TrustedAuthority authority, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Anchor)!);
        var temporary = $"{Anchor}.{Guid.NewGuid():N}.tmp"; // the tools take no other ending than theirs
        try
        {
            await File.WriteAllTextAsync(temporary, authority.Pem, cancellationToken).ConfigureAwait(false);
            if (!OperatingSystem.IsWindows())
            {
                File.SetUnixFileMode(
                    temporary, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead); // whatever the umask
            }

            File.Move(temporary, Anchor, overwrite: true);
        }
        finally
        {
            File.Delete(temporary);
        }

        return await RebuildAsync(cancellationToken).ConfigureAwait(false);
    }

    protected override async Task<string?> RemoveAsync(TrustedAuthority? authority, CancellationToken cancellationToken)
    {
        File.Delete(Anchor);
        var failure = await RebuildAsync(cancellationToken).ConfigureAwait(false);
        if (failure is null && Read(Bundle).All(left => TrustedAuthority.IsOurs(left) || authority?.Is(left) == true))
        {
            File.Delete(Bundle); // Debian's tool leaves the old bundle alone when nothing is left to trust
        }

        return failure;
    }

    private async Task<string?> RebuildAsync(CancellationToken cancellationToken)
    {
        var result = await ExternalTool
            .RunAsync(_paths.FindTool(_layout.Tool)!, _layout.Arguments(_paths), input: null, _time, cancellationToken).ConfigureAwait(false);
        return result.ExitCode == 0 ? null : $"{_layout.Tool} failed: {result.LastWords}";
    }

    private TrustStoreReport Inspect(TrustedAuthority? authority)
    {
        if (_paths.FindTool(_layout.Tool) is null)
        {
            return Report(TrustStoreState.NotAvailable, $"{_layout.Tool} is missing", _layout.Package);
        }

        X509Certificate2Collection trusted, anchored;
        try
        {
            (trusted, anchored) = (Read(Bundle), Read(Anchor));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return Report(TrustStoreState.NotInstalled, error.Message);
        }

        var others = trusted.Where(other => TrustedAuthority.IsOurs(other) && authority?.Is(other) != true).ToArray();
        var isTrusted = authority is not null && trusted.Any(authority.Is);
        var isAnchored = authority is not null && anchored.Any(authority.Is);
        return isTrusted ? Report(TrustStoreState.Installed, others.Length == 0 ? null : $"{others[0].Subject} is trusted as well")
            : others.Length > 0 ? Report(TrustStoreState.Stale, $"{others[0].Subject} is trusted instead", "relay-core-cli ca install")
            : anchored.Count > 0 && !isAnchored ? Report(TrustStoreState.Stale, $"{Anchor} is another certificate", "relay-core-cli ca install")
            : isAnchored ? Report(TrustStoreState.NotInstalled, $"{Anchor} is there, but the bundle was not made anew", $"sudo {_layout.Tool}")
            : Report(TrustStoreState.NotInstalled, remedy: "relay-core-cli ca install");
    }

    private static X509Certificate2Collection Read(string path) => File.Exists(path) ? TrustedAuthority.Parse(File.ReadAllText(path)) : [];

    /// <summary>Where a family of distributions keeps what; paths are relative to the root.</summary>
    private sealed record Layout(
        string Name, string Mark, string Anchor, string Bundle, string Tool, string Package, Func<TrustStorePaths, IEnumerable<string>> Arguments)
    {
        public static readonly IReadOnlyList<Layout> All =
        [
            new(
                "System store (RHEL, Fedora)", "etc/pki/ca-trust/source/anchors", "etc/pki/ca-trust/source/anchors/relay-core-ca.pem",
                "etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "update-ca-trust", "dnf install ca-certificates",
                paths => paths.IsOwnSystem ? ["extract"] : ["extract", "--output", paths.System("etc/pki/ca-trust/extracted")]),

            // --fresh: without it a certificate replaced under the same name keeps the hash link of the old one.
            new(
                "System store (Debian, Ubuntu)", "etc/ssl/certs", "usr/local/share/ca-certificates/relay-core-ca.crt",
                "etc/ssl/certs/ca-certificates.crt", "update-ca-certificates", "apt-get install ca-certificates",
                paths => paths.IsOwnSystem
                    ? ["--fresh"]
                    :
                    [
                        "--fresh", "--certsconf", paths.System("etc/ca-certificates.conf"), "--certsdir", paths.System("usr/share/ca-certificates"),
                        "--localcertsdir", paths.System("usr/local/share/ca-certificates"), "--etccertsdir", paths.System("etc/ssl/certs"),
                        "--hooksdir", paths.System("etc/ca-certificates/update.d"),
                    ]),
        ];
    }
}

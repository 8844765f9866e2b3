namespace RelayCore.Runtime.Certificates;

/// <summary>All trust stores of this machine and user that can be looked into and changed.</summary>
internal sealed class TrustStores(TrustStorePaths paths, TimeProvider time)
{
    private static readonly string[] s_firefoxHomes =
    [
        ".mozilla/firefox", ".config/mozilla/firefox", "snap/firefox/common/.mozilla/firefox", ".var/app/org.mozilla.firefox/.mozilla/firefox",
    ];

    /// <summary>Does the same with every store, one after the other.</summary>
    /// <returns>One report per store, and one for every kind of store that is not here.</returns>
    public async Task<IReadOnlyList<TrustStoreReport>> ForEachAsync(Func<TrustStore, Task<TrustStoreReport>> work)
    {
        if (!OperatingSystem.IsLinux())
        {
            return [new("system", "System store", "", TrustStoreState.NotAvailable, Detail: "only Linux is automated", Remedy: "follow the instructions for this system")];
        }

        var reports = new List<TrustStoreReport>();
        if (SystemTrustStore.Find(paths, time) is { } system)
        {
            reports.Add(await work(system).ConfigureAwait(false));
        }
        else
        {
            reports.Add(new("system", "System store", paths.System("etc/ssl/certs"), TrustStoreState.NotAvailable, Detail: "no store of a known distribution was found", Remedy: "install the package ca-certificates"));
        }

        reports.Add(await work(Nss("nss", "Chromium and other users of the NSS database", Path.Combine(paths.Home, ".pki/nssdb"))).ConfigureAwait(false));
        foreach (var profile in FirefoxProfiles())
        {
            var name = Path.GetFileName(profile);
            reports.Add(await work(Nss($"firefox:{name}", $"Firefox profile {name}", profile)).ConfigureAwait(false));
        }

        if (reports.Count == 2)
        {
            reports.Add(new("firefox", "Firefox", Path.Combine(paths.Home, s_firefoxHomes[0]), TrustStoreState.NotAvailable, Detail: "no profile was found", Remedy: "start Firefox once, if it is installed"));
        }

        return reports;
    }

    private NssTrustStore Nss(string id, string name, string directory) => new(id, name, directory, paths, time);

    private IEnumerable<string> FirefoxProfiles()
    {
        foreach (var home in s_firefoxHomes.Select(home => Path.Combine(paths.Home, home)).Where(Directory.Exists))
        {
            foreach (var profile in Directory.EnumerateDirectories(home).Order(StringComparer.Ordinal))
            {
                if (File.Exists(Path.Combine(profile, "cert9.db")))
                {
                    yield return profile;
                }
            }
        }
    }
}

namespace RelayCore.Interop.Tests.Harness;

/// <summary>Packages of Node that tests need: installed once beside the test's output. One that cannot be had skips the test and says which.</summary>
internal static class NodePackages
{
    private static readonly SemaphoreSlim s_gate = new(1);

    // artifacts/bin/<project>/<configuration>: the folder is cleaned with the rest.
    private static readonly string s_folder = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../node"));

    /// <summary>Makes a package available.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="version">Exact version.</param>
    /// <returns>What NODE_PATH has to be.</returns>
    public static async Task<string> RequireAsync(string name, string version)
    {
        var modules = Path.Combine(s_folder, "node_modules");
        await s_gate.WaitAsync(TestContext.Current.CancellationToken);
        try
        {
            if (!File.Exists(Path.Combine(modules, name, "package.json")))
            {
                Directory.CreateDirectory(s_folder);
                var npm = Tool.Require("npm", "npm");
                var result = await Tool.RunAsync(npm, ["install", "--prefix", s_folder, "--no-audit", "--no-fund", "--ignore-scripts", $"{name}@{version}"], Surroundings());
                Assert.SkipWhen(result.ExitCode != 0, $"npm install {name}@{version} failed: {result.Errors}");
            }
        }
        finally
        {
            s_gate.Release();
        }

        return modules;
    }

    // Other tools are kept from the machine's proxies and authorities; the way to the registry may lead through them.
    private static Dictionary<string, string?> Surroundings()
    {
        var all = Environment.GetEnvironmentVariables();
        return all.Keys.Cast<string>().ToDictionary(x => x, x => (string?)all[x], StringComparer.Ordinal);
    }
}

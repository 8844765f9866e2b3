using Microsoft.Playwright;

namespace RelayCore.Interop.Tests.Harness;

/// <summary>Chromium through the proxy, with a profile and a trust store of its own.</summary>
internal sealed class Browser(TemporaryDirectory home, IPlaywright playwright, IBrowserContext context) : IAsyncDisposable
{
    private static readonly string[] s_arguments =
    [
        "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--disable-features=OptimizationHints,MediaRouter,Translate,AutofillServerCommunication",
    ];

    public IPage Page => context.Pages[0];

    /// <param name="proxy">The proxy it uses, for loopback too.</param>
    /// <param name="trusts">Whether its NSS store has the proxy's authority.</param>
    public static async Task<Browser> StartAsync(RunningProxy proxy, bool trusts)
    {
        var program = Tool.Require("chromium", "chromium");
        var home = new TemporaryDirectory();
        if (trusts)
        {
            var certutil = Tool.Require("certutil", "libnss3-tools");
            var store = "sql:" + Directory.CreateDirectory(home.File(".pki/nssdb")).FullName;
            (await Tool.RunAsync(certutil, ["-d", store, "-N", "--empty-password"])).Succeeded();
            (await Tool.RunAsync(certutil, ["-d", store, "-A", "-t", "C,,", "-n", "proxy", "-i", proxy.CaFile])).Succeeded();
        }

        var environment = new Dictionary<string, string> { ["HOME"] = home.Path, ["PATH"] = Environment.GetEnvironmentVariable("PATH") ?? "", ["LC_ALL"] = "C.UTF-8" };
        var playwright = await Playwright.CreateAsync();
        var context = await playwright.Chromium.LaunchPersistentContextAsync(home.File("profile"), new()
        {
            ExecutablePath = program,
            Headless = true,
            ChromiumSandbox = false,
            Args = s_arguments,
            Env = environment,
            Proxy = new() { Server = proxy.Url, Bypass = "<-loopback>" },
            Timeout = 20_000,
        });
        context.SetDefaultTimeout(15_000);
        return new(home, playwright, context);
    }

    public async ValueTask DisposeAsync()
    {
        await context.CloseAsync();
        playwright.Dispose();
        home.Dispose();
    }
}

using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;
using Xunit;

namespace RelayCore.Cli.Tests.Process;

/// <summary>
/// Executes the README: every <c>sh</c> block, in order and as it stands, from the root of the tree. In a network namespace of its own, where the ports are
/// free, example.com is here, and no machine is needed that others run.
/// </summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed partial class ReadmeTests : IDisposable
{
    private readonly TestEnvironment _environment = new();

    [Fact]
    public async Task Tour_AsWritten_DoesWhatItSays()
    {
        await SkipUnlessIsolatedAsync();
        var (code, text) = await RunAsync("./relay version", TimeSpan.FromMinutes(15)); // builds when the sources changed
        Assert.True(code == 0, text);
        var blocks = Blocks().Matches(await File.ReadAllTextAsync(Path.Combine(Repository.Root, "README.md"), TestContext.Current.CancellationToken)).Select(x => x.Groups[1].Value).ToArray();
        Assert.Equal("./relay run\n", blocks[0]);

        var script = _environment.Write("tour.sh", Surroundings(_environment.Folder) + string.Concat(blocks.Skip(1).Select(x => $"{x}\necho '=== next'\n")) + "kill $proxy\nwait $proxy\n");
        (code, text) = await RunAsync($"unshare --mount --net bash {script}", TimeSpan.FromMinutes(2));
        Assert.True(code == 0, text);
        var parts = text.Split("=== next\n");
        Assert.Equal(blocks.Length, parts.Length);
        Assert.Matches(@"(?s)s_server.*GET +200 .*https://example\.com/\n.*GET https://example\.com/.*Timings.*TLSv1\.3.*SNI example\.com", parts[0]);
        Assert.Matches(@"(?s)RC-TLS-10[12].*RC-TLS-10[12]: .*What to do:\n +- Trust the CA", parts[1]);
        Assert.Matches(@"(?s)""code"":""RC-CONN-001"".*RC-CONN-001: Connection refused", parts[2]);
        Assert.Matches(@"(?s)/\.relay-core/ca_cert\.pem.*STORE +STATE", parts[3]);
        Assert.Matches(@"(?s)\{""items"":\[.*""returned"":2", parts[4]);
        Assert.Matches(@"(?s)Set rule-\w+\..*OK.*http://example\.com/missing -> 200\nThe rule rule-\w+ ended it \(Mock\)", parts[5]);
    }

    public void Dispose() => _environment.Dispose();

    // example.com with a certificate the proxy trusts, a fresh home, and the first block running in the background.
    private static string Surroundings(string folder) =>
        $$"""
        set -eu
        cd '{{Repository.Root}}'
        ip link set lo up
        printf '127.0.0.1 localhost example.com\n' >'{{folder}}/hosts'
        mount --bind '{{folder}}/hosts' /etc/hosts
        export HOME='{{folder}}/home'
        mkdir "$HOME"
        unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY no_proxy NO_PROXY ${!RELAY*}
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=example.com -addext subjectAltName=DNS:example.com \
          -keyout '{{folder}}/key.pem' -out '{{folder}}/cert.pem' 2>/dev/null
        openssl s_server -accept 443 -cert '{{folder}}/cert.pem' -key '{{folder}}/key.pem' -www -quiet >/dev/null 2>&1 &
        trap 'kill %1' EXIT
        SSL_CERT_FILE='{{folder}}/cert.pem' ./relay run >'{{folder}}/run.out' 2>&1 &
        proxy=$!
        until grep -q ready '{{folder}}/run.out'; do kill -0 $proxy; sleep 0.05; done

        """;

    private async Task SkipUnlessIsolatedAsync()
    {
        var (code, text) = await RunAsync("command -v openssl curl ip unshare && unshare --mount --net ip link set lo up", TimeSpan.FromSeconds(20));
        Assert.SkipUnless(code == 0, $"The tour needs root, openssl, curl, ip and unshare for a network of its own: {text.Trim()}");
    }

    private async Task<(int Code, string Output)> RunAsync(string command, TimeSpan patience)
    {
        using var process = System.Diagnostics.Process.Start(new ProcessStartInfo("bash", ["-c", command + " 2>&1"]) { RedirectStandardOutput = true, WorkingDirectory = Repository.Root })!;
        using var timeout = new CancellationTokenSource(patience);
        var output = new StringBuilder();
        try
        {
            var buffer = new char[4096];
            while (await process.StandardOutput.ReadAsync(buffer, timeout.Token) is > 0 and var count)
            {
                output.Append(buffer, 0, count);
            }

            await process.WaitForExitAsync(timeout.Token);
            return (process.ExitCode, output.ToString());
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            return (-1, $"{output}\nIt did not end within {patience}.");
        }
    }

    [GeneratedRegex(@"^```sh\n(.*?)^```$", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Blocks();
}

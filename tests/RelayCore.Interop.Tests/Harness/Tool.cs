using System.Diagnostics;
using System.Text;

namespace RelayCore.Interop.Tests.Harness;

/// <summary>What a foreign program said and how it ended.</summary>
internal sealed record ToolResult(int ExitCode, byte[] Output, string Errors)
{
    public string Text => Encoding.Latin1.GetString(Output);

    /// <summary>Fails with everything the program said when it did not end well.</summary>
    public ToolResult Succeeded()
    {
        Assert.True(ExitCode == 0, $"exit code {ExitCode}\n--- stdout\n{Text[..Math.Min(Text.Length, 4000)]}\n--- stderr\n{Errors}");
        return this;
    }
}

/// <summary>Foreign programs on this machine. One that is missing skips the test and names the package to install.</summary>
internal static class Tool
{
    /// <summary>Longest a program may run: a test takes less than this.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private static readonly string[] s_folders = [.. (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':'), "/usr/sbin", "/sbin"];

    public static string? Find(string name) =>
        s_folders.Where(x => x.Length > 0).Select(x => Path.Combine(x, name)).FirstOrDefault(File.Exists);

    public static string Require(string name, string package)
    {
        var path = Find(name);
        Assert.SkipWhen(path is null, $"{name} is not installed: apt-get install {package}");
        return path!;
    }

    public static async Task<ToolResult> RunAsync(string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?>? environment = null, byte[]? input = null)
    {
        using var process = Start(program, arguments, environment);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(s_patience);
        var errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
        using var output = new MemoryStream();
        var copying = process.StandardOutput.BaseStream.CopyToAsync(output, CancellationToken.None);
        try
        {
            if (input is not null)
            {
                await process.StandardInput.BaseStream.WriteAsync(input, patience.Token);
            }

            process.StandardInput.Close();
            await process.WaitForExitAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync(CancellationToken.None);
            await copying;
            Assert.Fail($"{program} {string.Join(' ', arguments)} did not end\n--- stdout\n{Encoding.Latin1.GetString(output.ToArray())}\n--- stderr\n{await errors}");
        }
        catch (IOException)
        {
            // It ended without reading what it was given; its exit code and its words tell why.
            await process.WaitForExitAsync(CancellationToken.None);
        }

        await copying;
        return new(process.ExitCode, output.ToArray(), await errors);
    }

    public static Process Start(string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?>? environment = null)
    {
        var start = new ProcessStartInfo(program)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        // A proxy of the machine must not come between, and programs differ in which spelling they read.
        foreach (var name in start.Environment.Keys.Where(x => x.EndsWith("_proxy", StringComparison.OrdinalIgnoreCase)).ToList())
        {
            start.Environment.Remove(name);
        }

        // Nor may authorities of the machine take the place of the one a test names.
        foreach (var name in (string[])["SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "SSLKEYLOGFILE"])
        {
            start.Environment.Remove(name);
        }

        start.Environment["LC_ALL"] = "C.UTF-8";
        foreach (var (name, value) in environment ?? new Dictionary<string, string?>())
        {
            start.Environment[name] = value;
        }

        return Process.Start(start) ?? throw new InvalidOperationException($"{program} did not start");
    }
}

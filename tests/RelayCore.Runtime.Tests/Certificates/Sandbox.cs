using System.Diagnostics;
using RelayCore.Runtime.Certificates;
using Xunit;

namespace RelayCore.Runtime.Tests.Certificates;

/// <summary>A root, a home and a data directory of its own for one test, and the machine's real tools.</summary>
internal sealed class Sandbox : IDisposable
{
    private readonly string _path = Directory.CreateTempSubdirectory("relaycore-test-").FullName;

    public string Data => Path.Combine(_path, "data");

    public string Home => Path.Combine(_path, "home");

    public string Root => Path.Combine(_path, "root");

    public TrustStorePaths Paths => new() { Root = Root, Home = Home };

    public string Nss => Path.Combine(Home, ".pki/nssdb");

    public CertificateAuthorityService Service(TrustStorePaths? paths = null, TimeProvider? time = null) =>
        new(new CertificateAuthorityOptions { DataDirectory = Data, Stores = paths ?? Paths }, time ?? TimeProvider.System);

    public string Write(string name, string content)
    {
        var path = Path.Combine(_path, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, content);
        return path;
    }

    /// <summary>The directories by which a Debian system is recognized, and all its tool needs to work in them.</summary>
    public void MakeDebian()
    {
        foreach (var directory in (string[])["etc/ssl/certs", "etc/ca-certificates/update.d", "usr/share/ca-certificates", "usr/local/share/ca-certificates"])
        {
            Directory.CreateDirectory(Path.Combine(Root, directory));
        }

        File.WriteAllText(Path.Combine(Root, "etc/ca-certificates.conf"), "");
    }

    /// <summary>Runs a real tool; the test is skipped, aloud, when the machine lacks it.</summary>
    public static (int ExitCode, string Said) Run(string tool, params string[] arguments)
    {
        var start = new ProcessStartInfo(Require(tool), arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var errors = process.StandardError.ReadToEndAsync();
        var said = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, said + errors.GetAwaiter().GetResult());
    }

    public static string Require(string tool)
    {
        var path = new TrustStorePaths().FindTool(tool);
        Assert.SkipWhen(path is null, $"{tool} is not installed on this machine");
        return path!;
    }

    public void Dispose() => Directory.Delete(_path, recursive: true);
}

using System.Security.Cryptography.X509Certificates;
using Xunit;

namespace RelayCore.Cli.Tests.Process;

/// <summary><c>ca</c>: what it prints and writes. Trust stores themselves are tested with their service; nothing here installs anything.</summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed class CaTests : IDisposable
{
    private readonly TestEnvironment _environment = new();

    [Fact]
    public async Task Generate_NoCa_MakesOneForItsOwnerOnly()
    {
        Assert.Equal(ExitCode.Success, await _environment.RunAsync("ca", "generate"));
        Assert.StartsWith("Made a new CA.\n", _environment.Output, StringComparison.Ordinal);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(_environment.Folder, "ca_key.pem")));
    }

    [Fact]
    public async Task Generate_SecondTime_KeepsItUnlessForced()
    {
        await _environment.RunAsync("ca", "generate");
        var made = Certificate();
        Assert.Equal(ExitCode.Success, await _environment.RunAsync("ca", "generate"));
        Assert.Equal(made, Certificate());
        Assert.Contains("it is kept", _environment.Output, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Success, await _environment.RunAsync("ca", "generate", "--force"));
        Assert.NotEqual(made, Certificate());
    }

    [Fact]
    public async Task Status_Ca_NamesItAndEveryStore()
    {
        await _environment.RunAsync("ca", "generate");
        using var certificate = X509Certificate2.CreateFromPem(Certificate());
        Assert.Equal(ExitCode.Success, await _environment.RunAsync("ca", "status"));
        Assert.Contains(certificate.GetCertHashString(System.Security.Cryptography.HashAlgorithmName.SHA256), _environment.Output, StringComparison.Ordinal);
        Assert.Matches("STORE +STATE +WHERE", _environment.Output);
    }

    [Fact]
    public async Task Status_NoCa_SaysSoAndEndsWith1()
    {
        Assert.Equal(ExitCode.Failure, await _environment.RunAsync("ca", "status"));
        Assert.Contains("ca_cert.pem", Assert.Single(_environment.Error.TrimEnd('\n').Split('\n')), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Export_Pem_GoesToStandardOutput()
    {
        await _environment.RunAsync("ca", "generate");
        Assert.Equal(ExitCode.Success, await _environment.RunAsync("ca", "export"));
        using var certificate = X509Certificate2.CreateFromPem(System.Text.Encoding.ASCII.GetString(_environment.Octets));
        Assert.False(certificate.HasPrivateKey);
    }

    [Fact]
    public async Task Export_DerToFile_IsTheSameCertificate()
    {
        await _environment.RunAsync("ca", "generate");
        var file = Path.Combine(_environment.Folder, "out.cer");
        Assert.Equal(ExitCode.Success, await _environment.RunAsync("ca", "export", "-o", file, "--der"));
        using var exported = X509CertificateLoader.LoadCertificateFromFile(file);
        using var made = X509Certificate2.CreateFromPem(Certificate());
        Assert.Equal(made.Thumbprint, exported.Thumbprint);
    }

    [Fact]
    public async Task Export_ToNowhere_IsOneSentence()
    {
        await _environment.RunAsync("ca", "generate");
        Assert.Equal(ExitCode.Failure, await _environment.RunAsync("ca", "export", "-o", Path.Combine(_environment.Folder, "none", "out.pem")));
        Assert.EndsWith("cannot be written: there is no such folder, or no room.\n", _environment.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("status")]
    [InlineData("export")]
    [InlineData("install")]
    public async Task AnyVerb_HalfAPair_EndsWith2(string verb)
    {
        Assert.Equal(ExitCode.Usage, await _environment.RunAsync("ca", verb, "--ca-cert", "x.pem"));
        Assert.Equal("error: A CA needs both its certificate and its key: give --ca-cert and --ca-key together.\n", _environment.Error);
    }

    [Fact]
    public async Task Generate_UnwritableDirectory_IsOneSentence()
    {
        Assert.Equal(ExitCode.Failure, await _environment.RunAsync("ca", "generate", "--data-dir", _environment.Write("file", "")));
        Assert.Contains("cannot be written: it is a file, not a folder", _environment.Error, StringComparison.Ordinal);
    }

    public void Dispose() => _environment.Dispose();

    private string Certificate() => File.ReadAllText(Path.Combine(_environment.Folder, "ca_cert.pem"));
}

using RelayCore.Api;
using RelayCore.Cli.Arguments;
using RelayCore.Cli.Text;
using RelayCore.Runtime;

namespace RelayCore.Cli.Run;

/// <summary>What a person sees first: what runs where, and what to type next.</summary>
internal static class Banner
{
    /// <summary>Writes it.</summary>
    public static void Write(RelayCoreHost host, ApiServer? api, RunSettings settings, CliEnvironment environment)
    {
        var (output, style) = (environment.Output, new Style(environment.HasColor));
        output.WriteLine(style.Bold($"RelayCore {ProductVersion.Text}"));
        foreach (var endPoint in host.EndPoints)
        {
            Line("proxy", $"http://{endPoint}");
        }

        Line("CA", host.Authority.CertificatePath + (host.Authority.IsNew ? " (made now, for this machine only)" : ""));
        var elsewhere = settings.DataDirectory == DataDirectory.Resolve(null, environment) ? "" : $" --data-dir {settings.DataDirectory}";
        Line("trust", environment.Advice($"relay-core-cli ca install{elsewhere}"));
        if (api is not null)
        {
            Line("API", $"{api.Url}/api/v1   token {api.Token}");
        }

        Line("data", $"{settings.DataDirectory}   traffic itself stays in memory, {SizeText.Format(settings.Limits.CaptureMemory)} of it");
        if (host.EndPoints.Count > 0)
        {
            var address = host.EndPoints[0];
            var reachable = address.Address.Equals(System.Net.IPAddress.Any) ? $"127.0.0.1:{address.Port}"
                : address.Address.Equals(System.Net.IPAddress.IPv6Any) ? $"[::1]:{address.Port}" : address.ToString();
            Line("try", $"curl --proxy http://{reachable} --cacert {host.Authority.CertificatePath} https://example.com/");
        }

        Line("stop", "Ctrl-C");
        output.WriteLine();
        output.Flush();

        void Line(string name, string value) => output.WriteLine($"  {style.Dim(name.PadRight(6))} {value}");
    }
}

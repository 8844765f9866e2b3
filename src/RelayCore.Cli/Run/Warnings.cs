using System.Net;

namespace RelayCore.Cli.Run;

/// <summary>What the user must know about what was asked for, on standard error, whatever <c>--quiet</c> says.</summary>
internal static class Warnings
{
    /// <summary>Writes a line for each.</summary>
    public static void Write(IReadOnlyList<IPEndPoint> proxies, IPEndPoint? api, RunSettings settings, TextWriter error)
    {
        foreach (var proxy in proxies.Where(x => !IPAddress.IsLoopback(x.Address)))
        {
            var who = IsAny(proxy.Address) ? "every machine that reaches this one" : $"machines that reach {proxy.Address}";
            error.WriteLine(settings.ProxyAuth is null
                ? $"warning: {proxy} is open to {who}: anybody there can send traffic through this proxy; ask for a password with --proxy-auth USER:PASSWORD."
                : $"warning: {proxy} is open to {who}; they need the password of --proxy-auth, which travels unencrypted.");
        }

        if (api is not null && !IPAddress.IsLoopback(api.Address))
        {
            error.WriteLine($"warning: the API on {api} is open to other machines; the token and everything captured travel unencrypted.");
        }

        if (settings.InsecureUpstream)
        {
            error.WriteLine("warning: --insecure-upstream: servers are not verified. Anybody between here and them can read and change the traffic.");
        }
    }

    private static bool IsAny(IPAddress address) => address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any);
}

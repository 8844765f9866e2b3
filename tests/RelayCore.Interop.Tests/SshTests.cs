using System.Globalization;
using RelayCore.Interop.Tests.Harness;

namespace RelayCore.Interop.Tests;

/// <summary>OpenSSH through CONNECT: both ends speak at once, the octets are not ours to read, and a changed one would end the session.</summary>
public sealed class SshTests
{
    [Fact]
    public async Task Session_ThroughConnect_CarriesAMegabyteBothWays()
    {
        var (sshd, ssh, keygen) = (Tool.Require("sshd", "openssh-server"), Tool.Require("ssh", "openssh-client"), Tool.Require("ssh-keygen", "openssh-client"));
        var socat = Tool.Require("socat", "socat");
        Assert.SkipUnless(Environment.UserName == "root", "sshd needs /run/sshd, which only root can make");
        Directory.CreateDirectory("/run/sshd"); // its privilege separation directory; the service makes it at boot
        using var directory = new TemporaryDirectory();
        foreach (var name in (string[])["host", "user"])
        {
            (await Tool.RunAsync(keygen, ["-q", "-t", "ed25519", "-N", "", "-f", directory.File(name)])).Succeeded();
        }

        await using var server = await ToolServer.StartAsync(sshd, port =>
        [
            "-D", "-e", "-f", "/dev/null", "-p", port.ToString(CultureInfo.InvariantCulture), "-h", directory.File("host"), "-o", "ListenAddress=127.0.0.1",
            "-o", "UsePAM=no", "-o", "PermitRootLogin=yes", "-o", "StrictModes=no", "-o", "PidFile=none", "-o", $"AuthorizedKeysFile={directory.File("user.pub")}",
        ]);
        await using var proxy = await RunningProxy.StartAsync();
        var content = Octets.Random(1_000_000);

        var result = await Tool.RunAsync(
            ssh,
            [
                "-F", "/dev/null", "-i", directory.File("user"), "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", $"UserKnownHostsFile={directory.File("known")}",
                "-o", $"ProxyCommand={socat} - PROXY:127.0.0.1:%h:%p,proxyport={proxy.Port}", "-p", server.Port.ToString(CultureInfo.InvariantCulture), "root@ssh.test", "cat",
            ],
            input: content);

        Assert.True(result.ExitCode == 0, result.Errors + server.Said);
        Assert.Equal(Octets.Hash(content), Octets.Hash(result.Output));
        var tunnel = (await proxy.OnlyFlowAsync()).Tcp();
        Assert.Equal($"ssh.test:{server.Port}", tunnel.Target);
        Assert.True(tunnel is { BytesUp: > 1_000_000, BytesDown: > 1_000_000, Error: null }, tunnel.ToString());
    }
}

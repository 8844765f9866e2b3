using System.Net;
using RelayCore.Cli.Run;
using Xunit;

namespace RelayCore.Cli.Tests.Run;

public sealed class PortHolderTests : IDisposable
{
    private readonly TestEnvironment _environment = new();

    [Fact]
    public void Find_ListeningSocketOfAProcess_NamesItWithItsCommand()
    {
        Directory.CreateDirectory(Path.Combine(_environment.Folder, "net"));
        _environment.Write("net/tcp",
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
            + "   0: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 111 1\n" // established, not the holder
            + "   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 222 1\n");
        Process(41, "client", "client\0", 111);
        Process(42, "nginx", "nginx\0-g\0daemon off;\u001b[2J\0", 222);
        Assert.Equal("nginx (pid 42: nginx -g daemon off;\\x1b[2J)", PortHolder.Find(new(IPAddress.Loopback, 8080), _environment.Folder));
    }

    [Fact]
    public void Find_SocketOverIPv6_IsFoundToo()
    {
        Directory.CreateDirectory(Path.Combine(_environment.Folder, "net"));
        _environment.Write("net/tcp6",
            "  sl\n   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1\n");
        Process(43, "node", "", 333);
        Assert.Equal("node (pid 43)", PortHolder.Find(new(IPAddress.Loopback, 8080), _environment.Folder));
    }

    [Fact]
    public void Find_NobodyToSee_IsNull()
    {
        Assert.Null(PortHolder.Find(new(IPAddress.Loopback, 8080), _environment.Folder));
        Assert.Null(PortHolder.Find(new(IPAddress.Loopback, 8080), Path.Combine(_environment.Folder, "none")));
    }

    public void Dispose() => _environment.Dispose();

    private void Process(int pid, string name, string command, int inode)
    {
        var folder = Path.Combine(_environment.Folder, pid.ToString(System.Globalization.CultureInfo.InvariantCulture));
        Directory.CreateDirectory(Path.Combine(folder, "fd"));
        File.WriteAllText(Path.Combine(folder, "comm"), name + "\n");
        File.WriteAllText(Path.Combine(folder, "cmdline"), command);
        File.CreateSymbolicLink(Path.Combine(folder, "fd", "7"), $"socket:[{inode}]");
    }
}

using System.Net;
using RelayCore.Engine.Transport;
using Xunit;

namespace RelayCore.Engine.Tests.Transport;

public sealed class TimeToLiveTests
{
    [Theory]
    [InlineData("127.0.0.1", 3)]
    [InlineData("127.0.0.1", 255)]
    [InlineData("::1", 7)]
    public async Task Connect_WithHops_TheSystemHasThem(string address, int hops)
    {
        var transports = new SocketTransportFactory();
        var listener = transports.Bind(new(IPAddress.Parse(address), 0));
        try
        {
            var ours = Assert.IsType<SocketTransport>(await transports.ConnectAsync(listener.EndPoint, hops, CancellationToken.None));
            var theirs = await listener.AcceptAsync();
            Assert.Equal(hops, ours.TimeToLive);
            ours.Close();
            theirs!.Close();
        }
        finally
        {
            listener.Close();
        }
    }
}

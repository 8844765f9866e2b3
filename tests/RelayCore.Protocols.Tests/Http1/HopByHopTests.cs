using RelayCore.Protocols.Http1;
using Xunit;

namespace RelayCore.Protocols.Tests.Http1;

/// <summary>RFC 9110 §7.6.1.</summary>
public sealed class HopByHopTests
{
    private const string Start = "GET / HTTP/1.1\r\nHost: a\r\n";

    [Theory]
    [InlineData("Connection: x-a, X-B\r\nX-A: 1\r\nx-b: 2\r\nX-C: 3\r\n", "X-C: 3\r\n")]
    [InlineData("X-A: 1\r\nConnection: X-A\r\nX-A: 2\r\n", "")]
    [InlineData("Connection: a\r\nConnection: b\r\nA: 1\r\nB: 2\r\n", "")]
    [InlineData("Connection: Cookie, Content-Type, Expect, Trailer, Content-Encoding\r\nCookie: 1\r\nContent-Type: x\r\nTrailer: y\r\nContent-Encoding: br\r\n", "")]
    [InlineData("Connection: Host, close\r\nClose: 1\r\n", "Close: 1\r\n")]
    [InlineData("Connection: Content-Length\r\nContent-Length: 5\r\n", "Content-Length: 5\r\n")]
    [InlineData("Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\n")]
    [InlineData("Proxy-Connection: X-A\r\nX-A: 1\r\n", "X-A: 1\r\n")]
    [InlineData("Connection: x-\u00E9\r\nX: 1\r\n", "X: 1\r\n")]
    [InlineData("Keep-Alive: 1\r\nTE: gzip\r\nUpgrade: h2c\r\nProxy-Authorization: x\r\nProxy-Authenticate: y\r\nHTTP2-Settings: z\r\nProxy-Connection: close\r\n", "")]
    [InlineData("Trailer: X-Sum\r\nExpect: 100-continue\r\nVia: 1.1 b\r\n", "Trailer: X-Sum\r\nExpect: 100-continue\r\nVia: 1.1 b\r\n")]
    public void Covers_Lines_StayOnThisConnection(string lines, string forwarded) =>
        Assert.Equal(Start + forwarded + "\r\n", Heads.Request(Start + lines + "\r\n").Forwarded());

    [Fact]
    public void Covers_ThousandNominated_LeavesNone()
    {
        var names = Enumerable.Range(0, 500).Select(x => $"X-{x}").ToList();
        var wire = Start + "Connection: " + string.Join(',', names) + "\r\n" + string.Concat(names.Select(x => $"{x}: 1\r\n")) + "\r\n";
        Assert.Equal(Start + "\r\n", Heads.Request(wire).Forwarded());
    }

    [Theory]
    [InlineData("Connection: close", true, false, false)]
    [InlineData("Connection: Keep-Alive, UPGRADE", false, true, true)]
    [InlineData("Proxy-Connection: keep-alive", false, true, false)]
    [InlineData("X: close", false, false, false)]
    [InlineData("Connection: closed", false, false, false)]
    public void Read_Options_AreKnownWithoutCase(string line, bool close, bool keepAlive, bool upgrade)
    {
        var hopByHop = HopByHop.Read(Heads.Request(Start + line + "\r\n\r\n").Fields);
        Assert.Equal((close, keepAlive, upgrade), (hopByHop.Close, hopByHop.KeepAlive, hopByHop.Upgrade));
    }

    [Theory]
    [InlineData(ConnectionOptions.None, "")]
    [InlineData(ConnectionOptions.Close, "Connection: close\r\n")]
    [InlineData(ConnectionOptions.KeepAlive, "Connection: keep-alive\r\n")]
    [InlineData(ConnectionOptions.KeepAlive | ConnectionOptions.Close, "Connection: close\r\n")]
    [InlineData(ConnectionOptions.Upgrade, "Upgrade: websocket\r\nConnection: Upgrade\r\n")]
    [InlineData(ConnectionOptions.TrailersAccepted, "TE: trailers\r\nConnection: TE\r\n")]
    [InlineData(ConnectionOptions.Close | ConnectionOptions.TrailersAccepted, "TE: trailers\r\nConnection: close, TE\r\n")]
    [InlineData(ConnectionOptions.KeepAlive | ConnectionOptions.Upgrade | ConnectionOptions.TrailersAccepted, "Upgrade: websocket\r\nTE: trailers\r\nConnection: keep-alive, Upgrade, TE\r\n")]
    public void WriteFields_Options_AreNamedInConnection(ConnectionOptions options, string expected)
    {
        var read = Heads.Request(Start + "Upgrade: websocket\r\nConnection: upgrade\r\nTE: trailers\r\n\r\n");
        Assert.Equal(Start + expected + "\r\n", read.Forwarded(options));
    }
}

using RelayCore.Protocols.Http1;
using Xunit;

namespace RelayCore.Protocols.Tests.Http1;

/// <summary>What intercepting proxies have been seen to get wrong with HTTP/1, as far as the codec decides it.</summary>
public sealed class InterceptorDefectTests
{
    [Fact]
    public void Forwarded_Latin1Octets_Survive()
    {
        const string wire = "GET / HTTP/1.1\r\nHost: a\r\nX: \u00E9\u00FF\u0080\r\n\r\n";
        Assert.Equal(wire, Heads.Request(wire).Forwarded());
    }

    [Fact]
    public void Forwarded_FieldNamedInConnection_Stays() => Assert.Equal(
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n", Heads.Request("GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n").Forwarded());

    [Fact]
    public void Forwarded_ProxyAuthorization_Stays() => Assert.Equal(
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n", Heads.Request("GET / HTTP/1.1\r\nHost: a\r\nProxy-Authorization: Basic QQ==\r\n\r\n").Forwarded());

    [Theory]
    [InlineData("X : a\r\n", Http1Fault.SpaceBeforeColon)]
    [InlineData("Transfer-Encoding: xchunked\r\n", Http1Fault.InvalidTransferEncoding)]
    [InlineData("Content-Length: 5\r\nContent-Length: 6\r\n", Http1Fault.DuplicateContentLength)]
    [InlineData("Content-Length: -5\r\n", Http1Fault.InvalidContentLength)]
    [InlineData("X: a\r\n b\r\n", Http1Fault.ObsoleteFolding)]
    [InlineData("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", Http1Fault.LengthAndTransferEncoding)]
    public void ReadRequest_AmbiguousHead_IsRefusedByName(string lines, Http1Fault expected) =>
        Assert.Equal(expected, Heads.Request("POST / HTTP/1.1\r\nHost: a\r\n" + lines + "\r\n").Fault);

    [Fact]
    public void Forwarded_Http10Request_StaysHttp10()
    {
        const string wire = "GET / HTTP/1.0\r\nX: a\r\n\r\n";
        Assert.Equal(wire, Heads.Request(wire).Forwarded());
    }

    [Fact]
    public void FindEnd_BareLineFeedsOnly_AreRefusedAtTheFirstAndNotWaitedOn()
    {
        var scanned = 0;
        Assert.Equal(-1, Http1HeadReader.FindEnd("GET / HTTP/1.1\n"u8, ref scanned, Http1Limits.Default, Http1Repairs.None, out var error));
        Assert.Equal(new Http1Error(Http1Fault.BareLineFeed, 14), error);
    }
}

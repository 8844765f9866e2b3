using System.Net;
using RelayCore.Cli.Arguments;
using Xunit;

namespace RelayCore.Cli.Tests.Arguments;

public sealed class AddressTests
{
    [Theory]
    [InlineData("127.0.0.1:8080", "127.0.0.1", 8080)]
    [InlineData("localhost:0", "127.0.0.1", 0)]
    [InlineData(":9090", "127.0.0.1", 9090)]
    [InlineData("9090", "127.0.0.1", 9090)]
    [InlineData("*:8080", "0.0.0.0", 8080)]
    [InlineData("[::1]:8080", "::1", 8080)]
    [InlineData("[::]:65535", "::", 65535)]
    public void ListenTryParse_Address_IsRead(string text, string address, int port)
    {
        Assert.True(ListenAddress.TryParse(text, out var endPoint, out _));
        Assert.Equal(new IPEndPoint(IPAddress.Parse(address), port), endPoint);
    }

    [Theory]
    [InlineData("", "no valid port")]
    [InlineData("127.0.0.1", "has no port")]
    [InlineData("127.0.0.1:", "no valid port")]
    [InlineData("127.0.0.1:65536", "no valid port")]
    [InlineData("127.0.0.1:http", "no valid port")]
    [InlineData("::1:8080", "without brackets")]
    [InlineData("example.com:8080", "does not name an IP address")]
    [InlineData("127.1:8080", "does not name an IP address")]
    [InlineData("1:8080", "does not name an IP address")]
    public void ListenTryParse_Nonsense_SaysWhatIsMeant(string text, string part)
    {
        Assert.False(ListenAddress.TryParse(text, out _, out var problem));
        Assert.Contains(part, problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("http://proxy.example:3128", false, "proxy.example", 3128, null)]
    [InlineData("proxy.example:3128", false, "proxy.example", 3128, null)]
    [InlineData("https://Proxy.Example", true, "proxy.example", 443, null)]
    [InlineData("http://[::1]:3128/", false, "::1", 3128, null)]
    [InlineData("http://user:p%40ss+word@proxy:80", false, "proxy", 80, "user:p@ss+word")]
    [InlineData("http://user@proxy:80", false, "proxy", 80, "user:")]
    public void UpstreamTryParse_Url_IsRead(string text, bool isSecure, string host, int port, string? credentials)
    {
        Assert.True(UpstreamUrl.TryParse(text, out var url, out var problem), problem);
        Assert.Equal(new UpstreamUrl(isSecure, host, port, credentials), url);
    }

    [Theory]
    [InlineData("", "is not a URL")]
    [InlineData("http://", "is not a URL")]
    [InlineData("socks5://proxy:1080", "scheme socks5")]
    [InlineData("http://proxy:1/path", "has a path")]
    [InlineData("http://proxy:99999", "is not a URL")]
    public void UpstreamTryParse_Nonsense_SaysWhatIsMeant(string text, string part)
    {
        Assert.False(UpstreamUrl.TryParse(text, out _, out var problem));
        Assert.Contains(part, problem, StringComparison.Ordinal);
    }
}

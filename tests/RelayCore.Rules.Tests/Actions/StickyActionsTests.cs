using RelayCore.Core.Connections;
using RelayCore.Rules.Actions;
using RelayCore.Rules.Memory;
using Xunit;

namespace RelayCore.Rules.Tests.Actions;

/// <summary>Cookies and credentials that are remembered.</summary>
public sealed class StickyActionsTests
{
    private static readonly DateTimeOffset s_now = new(2026, 1, 2, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public async Task Cookies_ThatAServerSet_AreSentNextTime()
    {
        var bench = new ActionBench("GET /a/b HTTP/1.1\r\nHost: www.e.test\r\n\r\n", "HTTP/1.1 200 OK\r\nSet-Cookie: s=1; Path=/; HttpOnly\r\nSet-Cookie: t=2\r\nSet-Cookie: d=3; Domain=.e.test; Path=/\r\n\r\n", RuleStage.ResponseHeaders);
        Assert.Equal("3 cookies taken", (await bench.RunAsync("StickyCookie")).Detail);
        bench.Context.Stage = RuleStage.RequestHeaders;

        bench.LoadRequest("GET /a/c HTTP/1.1\r\nHost: www.e.test\r\nCookie: own=9; s=old\r\n\r\n");
        Assert.Equal(ActionOutcome.Done, (await bench.RunAsync("StickyCookie")).Outcome);
        Assert.Equal("GET /a/c HTTP/1.1\r\nHost: www.e.test\r\nCookie: own=9; t=2; s=1; d=3\r\n\r\n", bench.RequestHead());

        bench.LoadRequest("GET /c HTTP/1.1\r\nHost: shop.e.test\r\n\r\n");
        await bench.RunAsync("StickyCookie");
        Assert.Equal("GET /c HTTP/1.1\r\nHost: shop.e.test\r\nCookie: d=3\r\n\r\n", bench.RequestHead());

        bench.LoadRequest("GET /c HTTP/1.1\r\nHost: shop.e.test:81\r\n\r\n");
        Assert.Equal(ActionOutcome.NoEffect, (await bench.RunAsync("StickyCookie")).Outcome);
    }

    [Theory]
    [InlineData("a=1; Secure", true, true, true)]
    [InlineData("a=1; Secure", true, false, false)]
    [InlineData("a=1; Secure", false, true, false)]
    [InlineData("a=1", false, true, true)]
    [InlineData("a=1; Path=/deep", true, true, false)]
    [InlineData("a=1; Path=/x", true, true, true)]
    [InlineData("a=1; Path=/x/y", true, true, true)]
    [InlineData("a=1; Path=/x/", true, true, true)]
    [InlineData("a=1; Path=relative", true, true, true)]
    [InlineData("a=1; Max-Age=0", true, true, false)]
    [InlineData("a=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", true, true, true)]
    [InlineData("a=1; Expires=Thu, 01-Jan-1970 00:00:00 GMT", true, true, false)]
    [InlineData("a=1; Expires=nonsense", true, true, true)]
    [InlineData("a=1; Domain=other.test", true, true, false)]
    [InlineData("a=1; Domain=test", true, true, false)]
    [InlineData("a=1; Domain=E.TEST", true, true, true)]
    [InlineData("novalue", true, true, false)]
    [InlineData("=x", true, true, false)]
    public void Jar_TakesAndGivesAsABrowserDoes(string line, bool setSecure, bool askSecure, bool isSent)
    {
        var jar = new CookieJar();
        jar.Store(line, "e.test", 443, setSecure, "/x/page?q", s_now);
        Assert.Equal(isSent ? 1 : 0, jar.For("e.test", 443, askSecure, "/x/y?z=/deep", s_now).Count);
    }

    [Fact]
    public void Jar_ExpiredLater_IsNotSentAndForgotten()
    {
        var jar = new CookieJar();
        jar.Store("a=1; Max-Age=60; Path=/", "e.test", 80, false, "/", s_now);
        Assert.Single(jar.For("e.test", 80, false, "/", s_now.AddSeconds(59)));
        Assert.Empty(jar.For("e.test", 80, false, "/", s_now.AddSeconds(60)));
        Assert.Equal(0, jar.Count);
    }

    [Fact]
    public void Jar_SameNameAgain_ReplacesAndExpiryRemoves()
    {
        var jar = new CookieJar();
        jar.Store("a=1; Path=/", "e.test", 80, false, "/", s_now);
        jar.Store("a=2; Path=/", "e.test", 80, false, "/", s_now);
        Assert.Equal("2", Assert.Single(jar.For("e.test", 80, false, "/", s_now)).Value);
        Assert.True(jar.Store("a=; Path=/; Max-Age=0", "e.test", 80, false, "/", s_now));
        Assert.Equal(0, jar.Count);
    }

    [Fact]
    public void Jar_IsBounded_AndForgetsWhatWasNotUsedForLongest()
    {
        var jar = new CookieJar();
        jar.Store("first=1; Path=/", "kept.test", 80, false, "/", s_now);
        for (var i = 0; i < CookieJar.MaxCookies + 100; i++)
        {
            jar.Store("a=1; Path=/", FormattableString.Invariant($"h{i}.test"), 80, false, "/", s_now);
            if (i % 1000 == 0)
            {
                Assert.Single(jar.For("kept.test", 80, false, "/", s_now));
            }
        }

        Assert.Equal(CookieJar.MaxCookies, jar.Count);
        Assert.Single(jar.For("kept.test", 80, false, "/", s_now));
        Assert.Empty(jar.For("h0.test", 80, false, "/", s_now));

        for (var i = 0; i < 500; i++)
        {
            jar.Store(FormattableString.Invariant($"n{i}=1; Path=/"), "kept.test", 80, false, "/", s_now);
        }

        Assert.Equal(CookieJar.MaxPerDomain, jar.For("kept.test", 80, false, "/", s_now).Count);
    }

    [Fact]
    public async Task Auth_IsRememberedPerOriginAndSentWhereMissing()
    {
        var bench = new ActionBench("GET / HTTP/1.1\r\nHost: e.test\r\nAuthorization: Basic abc\r\n\r\n", isSecure: true);
        Assert.Equal("credentials remembered", (await bench.RunAsync("StickyAuth")).Detail);
        bench.LoadRequest("GET / HTTP/1.1\r\nHost: e.test\r\n\r\n", isSecure: true);
        Assert.Equal(ActionOutcome.Done, (await bench.RunAsync("StickyAuth")).Outcome);
        Assert.Equal("GET / HTTP/1.1\r\nHost: e.test\r\nAuthorization: Basic abc\r\n\r\n", bench.RequestHead());

        // What was shown over TLS is not shown without.
        bench.LoadRequest("GET / HTTP/1.1\r\nHost: e.test\r\n\r\n");
        Assert.Equal(new Origin(false, "e.test", 80), bench.Exchange.Request.Origin);
        Assert.Equal(ActionOutcome.NoEffect, (await bench.RunAsync("StickyAuth")).Outcome);
    }

    [Fact]
    public void Memory_ForgetsWhatWasNotUsedForLongest()
    {
        var table = new LruTable<string>(2);
        table.Set("a", "1");
        table.Set("b", "2");
        Assert.True(table.TryGet("a", out _));
        table.Set("c", "3");
        Assert.False(table.TryGet("b", out _));
        Assert.True(table.TryGet("a", out var value) && value == "1");
        table.Set("a", "9");
        Assert.Equal("9", table.GetOrAdd("a", 0, _ => "no"));
        Assert.Equal(2, table.Count);
    }
}

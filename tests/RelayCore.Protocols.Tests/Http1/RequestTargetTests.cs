using CsCheck;
using RelayCore.Protocols.Http1;
using Xunit;

namespace RelayCore.Protocols.Tests.Http1;

public sealed class RequestTargetTests
{
    [Theory]
    [InlineData("GET", "/", RequestTargetForm.Origin, false, "", "/", false)]
    [InlineData("GET", "//host/a", RequestTargetForm.Origin, false, "", "//host/a", false)]
    [InlineData("GET", "/\\evil", RequestTargetForm.Origin, false, "", "/\\evil", false)]
    [InlineData("GET", "/http://a/?@", RequestTargetForm.Origin, false, "", "/http://a/?@", false)]
    [InlineData("OPTIONS", "*", RequestTargetForm.Asterisk, false, "", "*", false)]
    [InlineData("CONNECT", "a:443", RequestTargetForm.Authority, false, "a:443", "", false)]
    [InlineData("CONNECT", "[::1]:443", RequestTargetForm.Authority, false, "[::1]:443", "", false)]
    [InlineData("GET", "http://a", RequestTargetForm.Absolute, false, "a", "", false)]
    [InlineData("GET", "HTTP://a:8/b?c", RequestTargetForm.Absolute, false, "a:8", "/b?c", false)]
    [InlineData("GET", "https://a?b/@c", RequestTargetForm.Absolute, true, "a", "?b/@c", false)]
    [InlineData("GET", "ws://a/", RequestTargetForm.Absolute, false, "a", "/", false)]
    [InlineData("GET", "wss://a/", RequestTargetForm.Absolute, true, "a", "/", false)]
    [InlineData("GET", "http://a:80@b/", RequestTargetForm.Absolute, false, "b", "/", true)]
    [InlineData("GET", "http://@b/", RequestTargetForm.Absolute, false, "b", "/", true)]
    [InlineData("GET", "http://a:/", RequestTargetForm.Absolute, false, "a:", "/", false)]
    public void TryRead_Valid_IsTakenApart(string method, string target, RequestTargetForm form, bool isSecure, string authority, string path, bool hasUserInfo)
    {
        Assert.True(RequestTarget.TryRead(Heads.Octets(target), Heads.Octets(method), out var parts));
        Assert.Equal(
            (form, isSecure, authority, path, hasUserInfo),
            (parts.Form, parts.IsSecure, target.Substring(parts.AuthorityStart, parts.AuthorityLength), target.Substring(parts.PathStart, parts.PathLength), parts.HasUserInfo));
    }

    [Theory]
    [InlineData("RFC 9112 §3.2 empty", "GET", "")]
    [InlineData("RFC 9112 §3.2.1 relative", "GET", "a/b")]
    [InlineData("RFC 9112 §3.2.1 backslash first", "GET", "\\a")]
    [InlineData("RFC 9110 §4.2 fragment", "GET", "http://a/#b")]
    [InlineData("RFC 9110 §4.2 fragment for a host", "GET", "http://a#@b/")]
    [InlineData("RFC 9110 §4.2 other scheme", "GET", "ftp://a/")]
    [InlineData("RFC 9110 §4.2 no authority", "GET", "http:/a")]
    [InlineData("RFC 9110 §4.2.1 empty host", "GET", "http:///a")]
    [InlineData("RFC 9110 §4.2.1 nothing", "GET", "http://")]
    [InlineData("RFC 9110 §4.2.1 port alone", "GET", "http://:80/")]
    [InlineData("RFC 3986 §3.2.1 backslash in user information", "GET", "http://a\\@b/")]
    [InlineData("RFC 3986 §3.2.1 two at signs", "GET", "http://a@b@c/")]
    [InlineData("RFC 3986 §3.2.1 bracket in user information", "GET", "http://[::1]@b/")]
    [InlineData("RFC 3986 §3.2.2 backslash in the host", "GET", "http://a\\b/")]
    [InlineData("RFC 3986 §3.2.2 percent-encoded host", "GET", "http://%61/")]
    [InlineData("RFC 3986 §3.2.2 no closing bracket", "GET", "http://[::1/")]
    [InlineData("RFC 3986 §3.2.3 port", "GET", "http://a:99999/")]
    [InlineData("RFC 9112 §3.2.3 authority form without CONNECT", "GET", "a:443")]
    [InlineData("RFC 9110 §9.3.6 no port", "CONNECT", "a")]
    [InlineData("RFC 9110 §9.3.6 empty port", "CONNECT", "a:")]
    [InlineData("RFC 9110 §9.3.6 absolute form", "CONNECT", "http://a:80/")]
    [InlineData("RFC 9110 §9.3.6 user", "CONNECT", "u@a:443")]
    [InlineData("RFC 9112 §3.2.4 asterisk", "GET", "*")]
    [InlineData("RFC 9112 §3.2.4 asterisk and more", "OPTIONS", "*a")]
    public void TryRead_Invalid_IsRefused(string clause, string method, string target) =>
        Assert.False(RequestTarget.TryRead(Heads.Octets(target), Heads.Octets(method), out _), clause);

    [Fact]
    public void TryRead_PartsPutTogether_AreTheTarget()
    {
        var host = Gen.OneOf(Gen.String[Gen.Char["ABxy09-._"], 1, 20], Gen.Byte.Array[16].Select(x => "[" + new System.Net.IPAddress(x) + "]"));
        var path = Gen.String[Gen.Char["ab/?@:\\%[]{}|\u00E9"], 0, 20];
        Gen.Select(Gen.OneOf("http", "https", "ws", "wss", "HtTp"), Gen.OneOf("", "u@", "u:p@", "%40:@"), host, Gen.OneOf("", ":", ":8080"), Gen.OneOf("", "/", "?"), path)
            .Sample((scheme, user, name, port, first, rest) =>
            {
                var pathAndQuery = first.Length == 0 ? "" : first + rest;
                var target = $"{scheme}://{user}{name}{port}{pathAndQuery}";
                Assert.True(RequestTarget.TryRead(Heads.Octets(target), "GET"u8, out var parts), target);
                Assert.Equal(
                    (name + port, pathAndQuery, user.Length > 0),
                    (target.Substring(parts.AuthorityStart, parts.AuthorityLength), target.Substring(parts.PathStart, parts.PathLength), parts.HasUserInfo));
            });
    }
}

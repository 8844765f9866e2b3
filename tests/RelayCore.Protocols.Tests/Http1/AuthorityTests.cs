using CsCheck;
using RelayCore.Protocols.Http1;
using Xunit;

namespace RelayCore.Protocols.Tests.Http1;

public sealed class AuthorityTests
{
    [Theory]
    [InlineData("a", "a", -1, false)]
    [InlineData("a:", "a", -1, false)]
    [InlineData("EXAMPLE.com:8080", "EXAMPLE.com", 8080, false)]
    [InlineData("a_b-c.d~e:65535", "a_b-c.d~e", 65535, false)]
    [InlineData("a:00080", "a", 80, false)]
    [InlineData("127.0.0.1:1", "127.0.0.1", 1, false)]
    [InlineData("[::]", "::", -1, true)]
    [InlineData("[2001:DB8::1]:443", "2001:DB8::1", 443, true)]
    [InlineData("[::ffff:1.2.3.4]:", "::ffff:1.2.3.4", -1, true)]
    [InlineData("b\u00C3\u00BCcher.example", "b\u00C3\u00BCcher.example", -1, false)]
    public void TryRead_Valid_IsTakenApart(string text, string host, int port, bool isIPv6)
    {
        var octets = Heads.Octets(text);
        Assert.True(Authority.TryRead(octets, out var authority));
        Assert.Equal((host, port, isIPv6), (Heads.Text(octets.AsSpan(authority.HostStart, authority.HostLength)), authority.Port, authority.IsIPv6));
    }

    [Theory]
    [InlineData("RFC 3986 §3.2.2 empty", "")]
    [InlineData("RFC 3986 §3.2.2 no host", ":80")]
    [InlineData("RFC 3986 §3.2.1 user", "u@a")]
    [InlineData("RFC 3986 §3.2.1 user and port", "a:80@b")]
    [InlineData("RFC 3986 §3.2.2 percent-encoding", "a%2eb")]
    [InlineData("RFC 3986 §3.2.2 NUL by percent-encoding", "a%00.b")]
    [InlineData("RFC 3986 §3.2 backslash", "a\\b")]
    [InlineData("RFC 3986 §3.2 slash", "a/b")]
    [InlineData("RFC 3986 §3.2 fragment", "a#b")]
    [InlineData("RFC 3986 §3.2 query", "a?b")]
    [InlineData("RFC 3986 §3.2 space", "a b")]
    [InlineData("RFC 3986 §3.2 quote", "a\"b")]
    [InlineData("sub-delims", "a,b")]
    [InlineData("sub-delims: wildcard", "*.a")]
    [InlineData("RFC 3986 §3.2.3 zero", "a:0")]
    [InlineData("RFC 3986 §3.2.3 65536", "a:65536")]
    [InlineData("RFC 3986 §3.2.3 2^32 + 80", "a:4294967376")]
    [InlineData("RFC 3986 §3.2.3 sign", "a:+80")]
    [InlineData("RFC 3986 §3.2.3 two ports", "a:80:80")]
    [InlineData("RFC 3986 §3.2.3 space", "a:80 ")]
    [InlineData("RFC 3986 §3.2.2 no closing bracket", "[::1")]
    [InlineData("RFC 3986 §3.2.2 empty brackets", "[]")]
    [InlineData("RFC 3986 §3.2.2 two brackets", "[[::1]]")]
    [InlineData("RFC 3986 §3.2.2 behind the bracket", "[::1]a")]
    [InlineData("RFC 3986 §3.2.2 IPv6 without brackets", "::1")]
    [InlineData("RFC 3986 §3.2.2 IPv4 in brackets", "[127.0.0.1]")]
    [InlineData("RFC 3986 §3.2.2 name in brackets", "[a]")]
    [InlineData("RFC 3986 §3.2.2 two gaps", "[1::2::3]")]
    [InlineData("RFC 3986 §3.2.2 nine groups", "[1:2:3:4:5:6:7:8:9]")]
    [InlineData("RFC 3986 §3.2.2 prefix", "[::1/64]")]
    [InlineData("RFC 9844 zone", "[fe80::1%eth0]")]
    [InlineData("RFC 9844 zone, encoded", "[fe80::1%25eth0]")]
    [InlineData("RFC 3986 §3.2.2 IPvFuture", "[v1.a]")]
    public void TryRead_Invalid_IsRefused(string clause, string text) => Assert.False(Authority.TryRead(Heads.Octets(text), out _), clause);

    [Theory]
    [InlineData("EXAMPLE.Com.", "example.com.")]
    [InlineData("2001:DB8::A", "2001:db8::a")]
    [InlineData("b\u00FCcher.example", "xn--bcher-kva.example")]
    [InlineData("\uFF41.example", "a.example")]
    [InlineData("a\uFF0Fb.example", null)]
    [InlineData("a\uFF20b.example", null)]
    [InlineData("a\uFF1A80", null)]
    [InlineData("a\uFF05b", null)]
    public void NormalizeHost_Host_IsWhatResolversTakeOrNull(string host, string? expected) =>
        Assert.Equal(expected, Authority.NormalizeHost(System.Text.Encoding.UTF8.GetBytes(host)));

    [Fact]
    public void NormalizeHost_InvalidUtf8_IsNull() => Assert.Null(Authority.NormalizeHost([(byte)'a', 0xC3]));

    [Fact]
    public void TryRead_WhatWasWritten_ComesBack()
    {
        var name = Gen.String[Gen.Char["ABCxyz019-._~"], 1, 30];
        var ipv6 = Gen.Byte.Array[16].Select(x => "[" + new System.Net.IPAddress(x) + "]");
        Gen.Select(Gen.OneOf(name, ipv6), Gen.Int[1, 65535], Gen.Bool).Sample((host, port, hasPort) =>
        {
            var octets = Heads.Octets(hasPort ? $"{host}:{port}" : host);
            Assert.True(Authority.TryRead(octets, out var authority));
            Assert.Equal((host.Trim('[', ']'), hasPort ? port : -1), (Heads.Text(octets.AsSpan(authority.HostStart, authority.HostLength)), authority.Port));
        });
    }
}

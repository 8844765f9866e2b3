using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Tests.Http1;
using Xunit;

namespace RelayCore.Protocols.Tests.Fields;

public sealed class FieldSyntaxTests
{
    [Fact]
    public void IsToken_EveryOctet_FollowsRfc9110()
    {
        for (var octet = 0; octet < 256; octet++)
        {
            var isTchar = octet < 128 && (char.IsAsciiLetterOrDigit((char)octet) || "!#$%&'*+-.^_`|~".Contains((char)octet, StringComparison.Ordinal));
            Assert.Equal(isTchar, FieldSyntax.IsToken([(byte)octet]));
            Assert.Equal((octet < 32 && octet != 9) || octet == 127 ? 0 : -1, FieldSyntax.IndexOfInvalidValueOctet([(byte)octet]));
        }

        Assert.False(FieldSyntax.IsToken([]));
    }

    [Fact]
    public void NameEquals_EveryPairOfOctets_IgnoresTheCaseOfAsciiLettersOnly()
    {
        for (var left = 0; left < 256; left++)
        {
            for (var right = 0; right < 256; right++)
            {
                var expected = left == right || (char.IsAsciiLetter((char)left) && char.IsAsciiLetter((char)right) && (left ^ right) == 32);
                Assert.Equal(expected, FieldSyntax.NameEquals([(byte)'x', (byte)left], [(byte)'X', (byte)right]));
            }
        }

        Assert.False(FieldSyntax.NameEquals("a"u8, "ab"u8));
    }

    [Theory]
    [InlineData("a, b ,c", "a|b|c")]
    [InlineData(" , ,a,", "a")]
    [InlineData("", "")]
    [InlineData(",\t,", "")]
    public void TryTakeListMember_List_GivesItsMembers(string list, string expected)
    {
        ReadOnlySpan<byte> rest = Heads.Octets(list);
        var members = new List<string>();
        while (FieldSyntax.TryTakeListMember(ref rest, out var member))
        {
            members.Add(Heads.Text(member));
        }

        Assert.Equal(expected, string.Join('|', members));
    }

    [Theory]
    [InlineData("Connection", KnownField.Connection)]
    [InlineData("PROXY-CONNECTION", KnownField.ProxyConnection)]
    [InlineData("keep-alive", KnownField.KeepAlive)]
    [InlineData("te", KnownField.TE)]
    [InlineData("Upgrade", KnownField.Upgrade)]
    [InlineData("Proxy-Authorization", KnownField.ProxyAuthorization)]
    [InlineData("Proxy-Authenticate", KnownField.ProxyAuthenticate)]
    [InlineData("HTTP2-Settings", KnownField.Http2Settings)]
    [InlineData("Transfer-Encoding", KnownField.TransferEncoding)]
    [InlineData("content-length", KnownField.ContentLength)]
    [InlineData("Host", KnownField.Host)]
    [InlineData("Expect", KnownField.Expect)]
    [InlineData("Trailer", KnownField.Trailer)]
    [InlineData("Content-Type", KnownField.ContentType)]
    [InlineData("Content-Encoding", KnownField.ContentEncoding)]
    [InlineData("Content_Length", KnownField.None)]
    [InlineData("Transfer-Encodin\u00E7", KnownField.None)]
    public void Identify_Name_IsKnownWithoutCase(string name, KnownField expected) => Assert.Equal(expected, KnownFields.Identify(Heads.Octets(name)));
}

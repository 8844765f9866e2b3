using System.Text;
using CsCheck;
using RelayCore.Protocols.Http2;
using Xunit;

namespace RelayCore.Protocols.Tests.Http2;

public sealed class StreamPriorityTests
{
    private static readonly string[] s_tokens = ["u=", "i", ",", ";", "(", ")", "\"", ":", "?1", "%\"", "@", "-1", " "];

    [Theory]
    [InlineData("", 3, false)]
    [InlineData("u=0", 0, false)]
    [InlineData("u=7, i", 7, true)]
    [InlineData("i", 3, true)]
    [InlineData("i=?0", 3, false)]
    [InlineData("  u=1 \t,\t i=?1  ", 1, true)]
    [InlineData("u=1;x=\"a,b\";y, i;z=:AQI=:", 1, true)] // parameters mean nothing
    [InlineData("u=1, u=5", 5, false)] // RFC 9651 §4.2.2: the last one
    [InlineData("u=5, u=9", 3, false)]
    [InlineData("a=(1 \"x\" tok;p=1 );q, b=1.5, c=@123, d=%\"f%c3%bc\", *e=-7, f=a:b/c, u=2", 2, false)]
    public void Parse_Rfc9218Section4_Value_IsTakenApart(string value, byte urgency, bool isIncremental) =>
        Assert.Equal(new StreamPriority(urgency, isIncremental), StreamPriority.Parse(Encoding.Latin1.GetBytes(value)));

    [Theory]
    [InlineData("u=8, i")]
    [InlineData("u=-1, i")]
    [InlineData("u=1.0, i")]
    [InlineData("u=\"1\", i")]
    [InlineData("u, i")]
    [InlineData("u=(1), i")]
    [InlineData("u=@1, i")]
    public void Parse_Rfc9218Section4_OutOfRangeOrAnotherType_IsIgnored(string value) =>
        Assert.Equal(new StreamPriority(3, true), StreamPriority.Parse(Encoding.Latin1.GetBytes(value)));

    [Theory]
    [InlineData("u=1,")]
    [InlineData("u=1 i")]
    [InlineData(",u=1")]
    [InlineData("u=1,,i")]
    [InlineData("u=")]
    [InlineData("u= 1")]
    [InlineData("u=1; ")]
    [InlineData("U=1")]
    [InlineData("\tu=1")]
    [InlineData("u=1, a=\"x")]
    [InlineData("u=1, a=\"\\x\"")]
    [InlineData("u=1, a=\"\u00fc\"")]
    [InlineData("u=1, a=?2")]
    [InlineData("u=1, a=(1")]
    [InlineData("u=1, a=(1\"x\")")]
    [InlineData("u=1, a=:a!:")]
    [InlineData("u=1, a=:a")]
    [InlineData("u=1, a=1.")]
    [InlineData("u=1, a=1.2345")]
    [InlineData("u=1, a=1234567890123456")]
    [InlineData("u=1, a=1234567890123.1")]
    [InlineData("u=1, a=@1.5")]
    [InlineData("u=1, a=%\"%C3\"")]
    [InlineData("u=1, a=-")]
    [InlineData("u=1, a={}")]
    public void Parse_Rfc9651Section4_2_NoDictionary_IsIgnoredWhole(string value) =>
        Assert.Equal(StreamPriority.Default, StreamPriority.Parse(Encoding.Latin1.GetBytes(value)));

    [Fact]
    public void Parse_Rfc9218Section8_OfAServer_ChangesOnlyWhatItSays()
    {
        var client = new StreamPriority(5, true);
        Assert.Equal(new(1, true), StreamPriority.Parse("u=1"u8, client));
        Assert.Equal(new(5, false), StreamPriority.Parse("i=?0"u8, client));
        Assert.Equal(client, StreamPriority.Parse("u=9"u8, client));
        Assert.Equal(client, StreamPriority.Parse("u=1,"u8, client));
    }

    [Fact]
    public void Parse_AnyOctets_EndsInRange() => Gen.Select(Gen.Byte.Array[0, 10], Gen.Int[0, s_tokens.Length - 1].Array[0, 12])
        .Sample((octets, tokens) => Assert.InRange(StreamPriority.Parse([.. Encoding.ASCII.GetBytes(string.Concat(tokens.Select(x => s_tokens[x]))), .. octets]).Urgency, 0, 7));
}

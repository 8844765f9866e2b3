using System.Text;
using CsCheck;
using RelayCore.Protocols.WebSockets;
using Xunit;

namespace RelayCore.Protocols.Tests.WebSockets;

public sealed class Utf8ValidatorTests
{
    private static readonly UTF8Encoding s_strict = new(false, throwOnInvalidBytes: true);

    // Autobahn chapter 6; the last column is the octet at which it cannot become valid any more.
    [Theory]
    [InlineData("CEBAE1BDB9CF83CEBCCEB5EDA080656469746564", 12)] // §8.1: surrogate in the middle
    [InlineData("80", 0)]
    [InlineData("BF", 0)]
    [InlineData("C080", 0)]
    [InlineData("C1BF", 0)]
    [InlineData("E08080", 1)]
    [InlineData("EDA080", 1)]
    [InlineData("EDBFBF", 1)]
    [InlineData("F0808080", 1)]
    [InlineData("F4908080", 1)]
    [InlineData("F5", 0)]
    [InlineData("FE", 0)]
    [InlineData("FF", 0)]
    [InlineData("C320", 1)]
    [InlineData("E28220", 2)]
    [InlineData("F09F9820", 3)]
    [InlineData("6161C3", -1)]
    [InlineData("F4", -1)]
    [InlineData("F09F98", -1)]
    public void TryAppend_Invalid_SaysSoAtTheOctetThatProvesIt(string hex, int at)
    {
        var octets = Convert.FromHexString(hex);
        var validator = default(Utf8Validator);
        for (var i = 0; i < octets.Length; i++)
        {
            if (!validator.TryAppend(octets.AsSpan(i, 1)))
            {
                Assert.Equal(at, i);
                Assert.False(default(Utf8Validator).TryAppend(octets));
                return;
            }
        }

        Assert.Equal(-1, at);
        Assert.False(validator.IsComplete);
    }

    [Theory]
    [InlineData("")]
    [InlineData("Hello-\u00b5@\u00df\u00f6\u00e4\u00fc\u00e0\u00e1-UTF-8!!")]
    [InlineData("\u03ba\u1f79\u03c3\u03bc\u03b5")]
    [InlineData("\U0001F600\U0010FFFF\uFFFF\uD7FF\uE000\0")]
    public void TryAppend_ValidAtEverySplitPoint_IsComplete(string text)
    {
        var octets = Encoding.UTF8.GetBytes(text);
        for (var first = 0; first <= octets.Length; first++)
        {
            for (var second = first; second <= octets.Length; second++)
            {
                var validator = default(Utf8Validator);
                Assert.True(validator.TryAppend(octets.AsSpan(..first)) && validator.TryAppend(octets.AsSpan(first..second)) && validator.TryAppend(octets.AsSpan(second..)));
                Assert.True(validator.IsComplete);
            }
        }
    }

    [Fact]
    public void TryAppend_AnyOctetsInAnyPieces_AgreesWithTheEncoder() =>
        Gen.Select(Gen.OneOf(Gen.Byte.Array[0, 12], Gen.String[0, 12].Select(Encoding.UTF8.GetBytes)), Gen.Int[1, 5]).Sample((octets, piece) =>
        {
            var validator = default(Utf8Validator);
            var valid = true;
            for (var i = 0; i < octets.Length && valid; i += piece)
            {
                valid = validator.TryAppend(octets.AsSpan(i, Math.Min(piece, octets.Length - i)));
            }

            return (valid && validator.IsComplete) == IsValid(octets);
        });

    private static bool IsValid(byte[] octets)
    {
        try
        {
            s_strict.GetString(octets);
            return true;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }
}

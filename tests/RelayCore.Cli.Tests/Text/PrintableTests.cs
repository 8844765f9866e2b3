using CsCheck;
using RelayCore.Cli.Text;
using Xunit;

namespace RelayCore.Cli.Tests.Text;

public sealed class PrintableTests
{
    [Theory]
    [InlineData("plain é 日本", "plain é 日本")]
    [InlineData("a\u001b[2Jb", "a\\x1b[2Jb")]
    [InlineData("a\r\nb\tc", "a\\x0d\\x0ab\\x09c")]
    [InlineData("a\u009bb\u007f", "a\\x9bb\\x7f")]
    [InlineData("a\u202eb\u2028", "a\\u202eb\\u2028")]
    public void Line_ControlCharacters_AreShown(string text, string shown) => Assert.Equal(shown, Printable.Line(text));

    [Fact]
    public void Block_LineEnds_Stay() => Assert.Equal("a\nb\tc\\x0dd\\x1b", Printable.Block("a\r\nb\tc\rd\u001b"));

    [Fact]
    public void Line_AnyText_HasNoControlCharacter() =>
        Gen.String.Sample(x => !Printable.Line(x).Any(c => char.IsControl(c)));

    [Theory]
    [InlineData("abc", 3, "abc")]
    [InlineData("abcd", 3, "ab…")]
    [InlineData("abcd", 0, "")]
    public void Cut_Text_FitsTheWidth(string text, int width, string cut) => Assert.Equal(cut, Printable.Cut(text, width));
}

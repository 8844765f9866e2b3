using System.Text;
using RelayCore.Rules.Importing;
using Xunit;

namespace RelayCore.Rules.Tests.Importing;

/// <summary>Python's notations.</summary>
public sealed class PythonTextTests
{
    [Theory]
    [InlineData("a\\nb\\t", "a\nb\t")]
    [InlineData("\\x41\\101\\0", "AA\0")]
    [InlineData("\\d\\w\\.", "\\d\\w\\.")]
    [InlineData("\\\\d", "\\d")]
    [InlineData("\\b\\'\\\"", "\b'\"")]
    [InlineData("é", "é")]
    [InlineData("\\xc3\\xa9", "é")]
    public void Unescape_DecodesWhatItKnows(string text, string expected) => Assert.Equal(expected, Encoding.UTF8.GetString(PythonText.Unescape(text, out _)!));

    [Theory]
    [InlineData("a\\")]
    [InlineData("\\x4")]
    [InlineData("\\xzz")]
    public void Unescape_OfAnIncompleteEscape_SaysWhy(string text)
    {
        Assert.Null(PythonText.Unescape(text, out var problem));
        Assert.NotNull(problem);
    }

    [Theory]
    [InlineData("(?P<n>a)b", false, "(?<n>a)b")]
    [InlineData("a\\Z", false, "a\\z")]
    [InlineData("a{,3}", false, "a{0,3}")]
    [InlineData("[]a]", false, "[\\]a]")]
    [InlineData("[^]a]", false, "[^\\]a]")]
    [InlineData("[a[b]", false, "[a\\[b]")]
    [InlineData("\\w[\\d.]\\S", true, "(?s)[a-zA-Z0-9_][0-9.][^ \\t\\n\\r\\f\\v]")]
    [InlineData("\\w", false, "\\w")]
    public void Regex_IsTranslated(string pattern, bool isBytes, string expected) => Assert.Equal(expected, PythonText.Translate(pattern, isBytes, out _)!.ToString());

    [Theory]
    [InlineData("(?=a)")]
    [InlineData("(a)\\1")]
    [InlineData("(")]
    [InlineData("*")]
    public void Regex_ThatCannotBe_SaysWhy(string pattern)
    {
        Assert.Null(PythonText.Translate(pattern, false, out var problem));
        Assert.NotEmpty(problem!);
    }

    [Theory]
    [InlineData("x\\1y", "x${1}y")]
    [InlineData("\\g<n>\\g<1>", "${n}${1}")]
    [InlineData("$1\\\\", "$$1\\")]
    [InlineData("\\n", "\n")]
    [InlineData("\\.", "\\.")]
    public void Replacement_IsTranslated(string text, string expected) =>
        Assert.Equal(expected, PythonText.Replacement(text, PythonText.Translate("(?P<n>a)(b)", false, out _)!, out _));

    [Theory]
    [InlineData("\\3")]
    [InlineData("\\g<m>")]
    [InlineData("\\g1")]
    [InlineData("\\q")]
    [InlineData("a\\")]
    public void Replacement_ThatCannotBe_SaysWhy(string text)
    {
        Assert.Null(PythonText.Replacement(text, PythonText.Translate("(?P<n>a)(b)", false, out _)!, out var problem));
        Assert.NotNull(problem);
    }
}

using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using CsCheck;
using RelayCore.Rules.Actions;
using RelayCore.Rules.Actions.Streams;
using RelayCore.Rules.Tests.Actions.Bodies;
using Xunit;

namespace RelayCore.Rules.Tests.Actions.Streams;

public sealed class TransformStreamTests
{
    private static readonly Gen<string> s_text = Gen.Char["abc\n1"].Array[0, 60].Select(x => new string(x));

    [Theory]
    [InlineData("""[{"find":"http://","replacement":"https://"}]""", "a http://x http://", "a https://x https://")]
    [InlineData("""[{"find":"a","replacement":"1"},{"find":"ab","replacement":"2"},{"find":"abcd","replacement":"3"}]""", "abcd abce abca a", "3 2ce 2c1 1")]
    [InlineData("""[{"find":"ab","replacement":"ba"}]""", "aabb", "abab")]
    [InlineData("""[{"find":"a","replacement":"b"},{"find":"b","replacement":"a"}]""", "abba", "baab")]
    [InlineData("""[{"find":"Ä","replacement":"Ö"}]""", "ÄäÄ", "ÖäÖ")]
    [InlineData("""[{"find":"Token","replacement":"x","ignore_case":true}]""", "TOKEN token Tok", "x x Tok")]
    [InlineData("""[{"find":"x"}]""", "axb", "ab")]
    [InlineData("""[{"pattern":"id=(\\d+)","replacement":"id=[$1]$$"}]""", "id=12 id= id=3", "id=[12]$ id= id=[3]$")]
    [InlineData("""[{"pattern":"(?P<word>[a-z]+)!","replacement":"<${word}|$0>"}]""", "hey! ho", "<hey|hey!> ho")]
    [InlineData("""[{"pattern":"\\bcat\\b","replacement":"dog"}]""", "cat concat cat", "dog concat dog")]
    [InlineData("""[{"pattern":"^a","replacement":"b"}]""", "aaa", "baa")]
    [InlineData("""[{"pattern":"(?m)^a","replacement":"b"}]""", "aa\naa", "ba\nba")]
    [InlineData("""[{"pattern":"größe=\\d","replacement":"größe=0"}]""", "größe=7", "größe=0")]
    [InlineData("""[{"pattern":"É","replacement":"E","ignore_case":true}]""", "Éé", "Eé")]
    [InlineData("""[{"find":"one","replacement":"two"},{"pattern":"tw(o)","replacement":"$1$1"},{"find":"oo","replacement":"done"}]""", "one", "done")]
    public void Replace_EverySplit_IsTheSame(string replacements, string before, string after)
    {
        var action = Compile(replacements);
        var octets = Encoding.UTF8.GetBytes(before);
        for (var first = 0; first <= octets.Length; first++)
        {
            for (var second = first; second <= octets.Length; second++)
            {
                Assert.Equal(after, Encoding.UTF8.GetString(Run(action, octets[..first], octets[first..second], octets[second..])));
            }
        }

        Assert.Equal(after, Encoding.UTF8.GetString(Run(action, [.. octets.Select(x => new[] { x })])));
        Assert.Equal(after, Encoding.UTF8.GetString(Run(action, octets, [])));
    }

    [Fact]
    public void Literals_AnyTextInAnyPieces_EqualTheObviousWay() =>
        Gen.Select(s_text, Gen.Char["abc"].Array[1, 4].Select(x => new string(x)).Array[1, 5], Gen.Int[1, 7]).Sample((text, literals, piece) =>
        {
            var replacements = literals.Select((x, i) => new { find = x, replacement = i.ToString("'<'0'>'", CultureInfo.InvariantCulture) });
            Assert.Equal(Slow(text, literals), Encoding.UTF8.GetString(Run(Compile(JsonSerializer.Serialize(replacements)), Pieces(text, piece))));
        }, iter: 5000);

    [Fact]
    public void Regexes_AnyTextInAnyPieces_EqualTheWholeText()
    {
        string[] patterns = ["a+b", "ab|abc|b", "a.*?c", "(a|b)(c)?1", "[ab]{2,3}", "\\bab?", "\\w1\\b", "(?m)^[a-c]", "a\n?b", "\\Bc", "(?s)a.b", "1*c"];
        var actions = patterns.Select(x => (Pattern: x, Action: Compile(JsonSerializer.Serialize(new[] { new { pattern = x, replacement = "<$0>", max_match = 64 } })))).ToArray();
        Gen.Select(s_text, Gen.Int[0, actions.Length - 1], Gen.Int[1, 9]).Sample((text, number, piece) =>
        {
            var (pattern, action) = actions[number];
            var expected = Regex.Replace(text, pattern, "<$0>", RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
            Assert.Equal(expected, Encoding.UTF8.GetString(Run(action, Pieces(text, piece))));
        }, iter: 20_000);
    }

    [Fact]
    public void Regexes_LongTextAndSmallBound_EqualTheWholeTextWhenMatchesFit()
    {
        // Windows of 6 octets over much text: every border is met.
        (string Pattern, int Max)[] patterns = [("a{1,3}b?", 4), ("ab|abc", 3), ("\\b[ab]{1,2}\\b", 2), ("c(a|b)", 2), ("(?m)^a", 1), ("1\\B", 1)];
        var actions = patterns.Select(x => (x.Pattern, Action: Compile(JsonSerializer.Serialize(new[] { new { pattern = x.Pattern, replacement = "<$0>", max_match = x.Max } })))).ToArray();
        Gen.Select(Gen.Char["abc\n1"].Array[0, 300].Select(x => new string(x)), Gen.Int[0, actions.Length - 1], Gen.Int[1, 50]).Sample((text, number, piece) =>
        {
            var expected = Regex.Replace(text, actions[number].Pattern, "<$0>", RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
            Assert.Equal(expected, Encoding.UTF8.GetString(Run(actions[number].Action, Pieces(text, piece))));
        }, iter: 20_000);
    }

    [Fact]
    public void Regexes_MatchesLongerThanTheBound_DoNotDependOnThePieces()
    {
        var action = Compile("""[{"pattern":"a+b?","replacement":"<>","max_match":4},{"pattern":"c.*?b","replacement":"[]","max_match":3}]""");
        Gen.Select(Gen.Char["aab c"].Array[0, 200].Select(x => new string(x)), Gen.Int[1, 30]).Sample((text, piece) =>
            Assert.Equal(Run(action, Encoding.UTF8.GetBytes(text)), Run(action, Pieces(text, piece))), iter: 5000);
        Assert.Equal("aaaaa <>", Encoding.UTF8.GetString(Run(action, "aaaaa aaaa"u8.ToArray())));
    }

    [Fact]
    public void Held_NeverMoreThanItSays()
    {
        var action = Compile("""[{"find":"abcdefgh","replacement":"x"},{"pattern":"a.{0,9}z","replacement":"y","max_match":16}]""");
        using var transform = action.Begin(new BodyBench().Context);
        var (sent, output) = (0L, new ArrayBufferWriter<byte>());
        Assert.Equal(7 + 34, transform.MaxHeld);
        foreach (var size in new[] { 1, 5, 100_000, 1, 40, 3, 65_536, 17 })
        {
            transform.Transform(Enumerable.Repeat((byte)'b', size).ToArray(), isLast: false, output);
            sent += size;
            Assert.InRange(sent - output.WrittenCount, 0, transform.MaxHeld);
        }

        transform.Transform([], isLast: true, output);
        Assert.Equal(sent, output.WrittenCount);
    }

    [Fact]
    public void Octets_ThatAreNotText_PassUnharmed() => Gen.Byte.Array[0, 500].Sample(content =>
    {
        var action = Compile("""[{"find":"\u0000\u0001\u0002never","replacement":""},{"pattern":"never[0-9]","replacement":""}]""");
        Assert.Equal(content, Run(action, [.. content.Chunk(7)]));
    }, iter: 300);

    [Fact]
    public void Literals_ManyInOnePass_AreAllFound()
    {
        var literals = Enumerable.Range(0, 5000).Select(x => new { find = string.Create(CultureInfo.InvariantCulture, $"key-{x:0000}"), replacement = string.Create(CultureInfo.InvariantCulture, $"{x}") });
        var action = Compile(JsonSerializer.Serialize(literals));
        var text = string.Concat(Enumerable.Range(0, 5000).Select(x => string.Create(CultureInfo.InvariantCulture, $"key-{x:0000},")));
        Assert.Equal(string.Concat(Enumerable.Range(0, 5000).Select(x => string.Create(CultureInfo.InvariantCulture, $"{x},"))), Encoding.UTF8.GetString(Run(action, Pieces(text, 1000))));
    }

    [Theory]
    [InlineData("[]", "no replacements")]
    [InlineData("""[{"replacement":"x"}]""", "either 'find'")]
    [InlineData("""[{"find":"a","pattern":"b"}]""", "either 'find'")]
    [InlineData("""[{"find":""}]""", "empty")]
    [InlineData("""[{"pattern":"a*"}]""", "matches nothing at all")]
    [InlineData("""[{"pattern":"a$"}]""", "$ asks for the end")]
    [InlineData("""[{"pattern":"a\\z"}]""", "\\z asks for the end")]
    [InlineData("""[{"pattern":"[ä]"}]""", "several octets")]
    [InlineData("""[{"pattern":"\\p{L}"}]""", "octet by octet")]
    [InlineData("""[{"pattern":"(a"}]""", "not a regex")]
    [InlineData("""[{"pattern":"a(?=b)"}]""", "linear-time")]
    [InlineData("""[{"pattern":"a(b)","replacement":"$2"}]""", "group '2'")]
    public void Config_ThatCannotWork_IsALoadError(string replacements, string problem)
    {
        var bench = new BodyBench(RuleStage.ResponseHeaders);
        Assert.Null(bench.TryCompile("TransformStream", "{\"replacements\":" + replacements + "}"));
        Assert.Contains(bench.Problems.Items, x => x.Message.Contains(problem, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("[$]")]
    [InlineData("a\\$b")]
    public void Pattern_DollarAsACharacter_IsAllowed(string pattern) => Assert.True(StreamPattern.TryRewrite(pattern, out _, out _));

    private static TransformStream Compile(string replacements) =>
        Assert.IsType<TransformStream>(new BodyBench(RuleStage.ResponseHeaders).Compile("TransformStream", "{\"replacements\":" + replacements + "}"));

    private static byte[][] Pieces(string text, int size) => [.. Encoding.UTF8.GetBytes(text).Chunk(size)];

    private static byte[] Run(TransformStream action, params byte[][] pieces)
    {
        using IBodyTransform transform = action.Begin(new BodyBench().Context);
        var output = new ArrayBufferWriter<byte>();
        for (var i = 0; i < Math.Max(1, pieces.Length); i++)
        {
            transform.Transform(pieces.Length == 0 ? [] : pieces[i], i >= pieces.Length - 1, output);
        }

        return output.WrittenSpan.ToArray();
    }

    private static string Slow(string text, string[] literals)
    {
        var result = new StringBuilder();
        for (var at = 0; at < text.Length;)
        {
            var found = literals.Select((x, i) => (Text: x, Number: i)).Where(x => text.AsSpan(at).StartsWith(x.Text, StringComparison.Ordinal))
                .OrderByDescending(x => x.Text.Length).ThenBy(x => x.Number).FirstOrDefault();
            result.Append(found.Text is null ? text[at].ToString() : string.Create(CultureInfo.InvariantCulture, $"<{found.Number}>"));
            at += found.Text?.Length ?? 1;
        }

        return result.ToString();
    }
}

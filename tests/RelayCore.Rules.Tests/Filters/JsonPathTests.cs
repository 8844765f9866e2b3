using System.Text.Json;
using RelayCore.Rules.Filters.JsonPaths;
using Xunit;

namespace RelayCore.Rules.Tests.Filters;

/// <summary>The examples of RFC 9535, written out: the query and the nodes it gives, as normalized paths or values.</summary>
public sealed class JsonPathTests
{
    private const string Store = """
        { "store": { "book": [
            { "category": "reference", "author": "Nigel Rees", "title": "Sayings of the Century", "price": 8.95 },
            { "category": "fiction", "author": "Evelyn Waugh", "title": "Sword of Honour", "price": 12.99 },
            { "category": "fiction", "author": "Herman Melville", "title": "Moby Dick", "isbn": "0-553-21311-3", "price": 8.99 },
            { "category": "fiction", "author": "J. R. R. Tolkien", "title": "The Lord of the Rings", "isbn": "0-395-19395-8", "price": 22.99 } ],
          "bicycle": { "color": "red", "price": 399 } } }
        """;

    private const string Filters = """{"a":[3,5,1,2,4,6,{"b":"j"},{"b":"k"},{"b":{}},{"b":"kilo"}],"o":{"p":1,"q":2,"r":3,"s":5,"t":{"u":6}},"e":"f"}""";
    private const string Comparisons = """{"obj":{"x":"y"},"arr":[2,3]}""";
    private const string Letters = """["a","b","c","d","e","f","g"]""";
    private const string Tree = """{"o":{"j":1,"k":2},"a":[5,3,[{"j":4},{"k":6}]]}""";

    // §1.5, table 2.
    [Theory]
    [InlineData("$.store.book[*].author", "$['store']['book'][0]['author'] $['store']['book'][1]['author'] $['store']['book'][2]['author'] $['store']['book'][3]['author']")]
    [InlineData("$..author", "$['store']['book'][0]['author'] $['store']['book'][1]['author'] $['store']['book'][2]['author'] $['store']['book'][3]['author']")]
    [InlineData("$.store.*", "$['store']['book'] $['store']['bicycle']")]
    [InlineData("$.store..price", "$['store']['book'][0]['price'] $['store']['book'][1]['price'] $['store']['book'][2]['price'] $['store']['book'][3]['price'] $['store']['bicycle']['price']")]
    [InlineData("$..book[2]", "$['store']['book'][2]")]
    [InlineData("$..book[2].author", "$['store']['book'][2]['author']")]
    [InlineData("$..book[2].publisher", "")]
    [InlineData("$..book[-1]", "$['store']['book'][3]")]
    [InlineData("$..book[0,1]", "$['store']['book'][0] $['store']['book'][1]")]
    [InlineData("$..book[:2]", "$['store']['book'][0] $['store']['book'][1]")]
    [InlineData("$..book[?@.isbn]", "$['store']['book'][2] $['store']['book'][3]")]
    [InlineData("$..book[?@.price<10]", "$['store']['book'][0] $['store']['book'][2]")]
    public void Select_OfTheStore_GivesItsPaths(string path, string expected) => Assert.Equal(expected, Paths(path, Store));

    [Fact]
    public void Select_AllDescendants_VisitsEveryValue() => Assert.Equal(27, Nodes("$..*", Store).Count);

    // §2.2, §2.3.1 to §2.3.5, §2.5, §2.6.
    [Theory]
    [InlineData("$", """{"k":"v"}""", """[{"k":"v"}]""")]
    [InlineData("$.o['j j']", """{"o":{"j j":{"k.k":3}},"'":{"@":2}}""", """[{"k.k":3}]""")]
    [InlineData("$.o['j j']['k.k']", """{"o":{"j j":{"k.k":3}},"'":{"@":2}}""", "[3]")]
    [InlineData("""$.o["j j"]["k.k"]""", """{"o":{"j j":{"k.k":3}},"'":{"@":2}}""", "[3]")]
    [InlineData("""$["'"]["@"]""", """{"o":{"j j":{"k.k":3}},"'":{"@":2}}""", "[2]")]
    [InlineData("$[*]", """{"o":{"j":1,"k":2},"a":[5,3]}""", """[{"j":1,"k":2},[5,3]]""")]
    [InlineData("$.o[*]", """{"o":{"j":1,"k":2},"a":[5,3]}""", "[1,2]")]
    [InlineData("$.o[*, *]", """{"o":{"j":1,"k":2},"a":[5,3]}""", "[1,2,1,2]")]
    [InlineData("$.a[*]", """{"o":{"j":1,"k":2},"a":[5,3]}""", "[5,3]")]
    [InlineData("$[1]", """["a","b"]""", """["b"]""")]
    [InlineData("$[-2]", """["a","b"]""", """["a"]""")]
    [InlineData("$[2]", """["a","b"]""", "[]")]
    [InlineData("$[1:3]", Letters, """["b","c"]""")]
    [InlineData("$[5:]", Letters, """["f","g"]""")]
    [InlineData("$[1:5:2]", Letters, """["b","d"]""")]
    [InlineData("$[5:1:-2]", Letters, """["f","d"]""")]
    [InlineData("$[::-1]", Letters, """["g","f","e","d","c","b","a"]""")]
    [InlineData("$[::0]", Letters, "[]")]
    [InlineData("$[-3:-1]", Letters, """["e","f"]""")]
    [InlineData("$.a[?@.b == 'kilo']", Filters, """[{"b":"kilo"}]""")]
    [InlineData("$.a[?(@.b == 'kilo')]", Filters, """[{"b":"kilo"}]""")]
    [InlineData("$.a[?@>3.5]", Filters, "[5,4,6]")]
    [InlineData("$.a[?@.b]", Filters, """[{"b":"j"},{"b":"k"},{"b":{}},{"b":"kilo"}]""")]
    [InlineData("$[?@.*]", Filters, """[[3,5,1,2,4,6,{"b":"j"},{"b":"k"},{"b":{}},{"b":"kilo"}],{"p":1,"q":2,"r":3,"s":5,"t":{"u":6}}]""")]
    [InlineData("$[?@[?@.b]]", Filters, """[[3,5,1,2,4,6,{"b":"j"},{"b":"k"},{"b":{}},{"b":"kilo"}]]""")]
    [InlineData("$.o[?@<3, ?@<3]", Filters, "[1,2,1,2]")]
    [InlineData("""$.a[?@<2 || @.b == "k"]""", Filters, """[1,{"b":"k"}]""")]
    [InlineData("""$.a[?match(@.b, "[jk]")]""", Filters, """[{"b":"j"},{"b":"k"}]""")]
    [InlineData("""$.a[?search(@.b, "[jk]")]""", Filters, """[{"b":"j"},{"b":"k"},{"b":"kilo"}]""")]
    [InlineData("$.o[?@>1 && @<4]", Filters, "[2,3]")]
    [InlineData("$.o[?@.u || @.x]", Filters, """[{"u":6}]""")]
    [InlineData("$.a[?@.b == $.x]", Filters, "[3,5,1,2,4,6]")]
    [InlineData("$.a[?@ == @]", Filters, """[3,5,1,2,4,6,{"b":"j"},{"b":"k"},{"b":{}},{"b":"kilo"}]""")]
    [InlineData("$[0, 3]", Letters, """["a","d"]""")]
    [InlineData("$[0:2, 5]", Letters, """["a","b","f"]""")]
    [InlineData("$[0, 0]", Letters, """["a","a"]""")]
    [InlineData("$..j", Tree, "[1,4]")]
    [InlineData("$..[0]", Tree, """[5,{"j":4}]""")]
    [InlineData("$..[*]", Tree, """[{"j":1,"k":2},[5,3,[{"j":4},{"k":6}]],1,2,5,3,[{"j":4},{"k":6}],{"j":4},{"k":6},4,6]""")]
    [InlineData("$..*", Tree, """[{"j":1,"k":2},[5,3,[{"j":4},{"k":6}]],1,2,5,3,[{"j":4},{"k":6}],{"j":4},{"k":6},4,6]""")]
    [InlineData("$..o", Tree, """[{"j":1,"k":2}]""")]
    [InlineData("$.o..[*, *]", Tree, "[1,2,1,2]")]
    [InlineData("$.a..[0, 1]", Tree, """[5,3,{"j":4},{"k":6}]""")]
    [InlineData("$.a", """{"a":null,"b":[null],"c":[{}],"null":1}""", "[null]")]
    [InlineData("$.a[0]", """{"a":null,"b":[null],"c":[{}],"null":1}""", "[]")]
    [InlineData("$.a.d", """{"a":null,"b":[null],"c":[{}],"null":1}""", "[]")]
    [InlineData("$.b[0]", """{"a":null,"b":[null],"c":[{}],"null":1}""", "[null]")]
    [InlineData("$.b[*]", """{"a":null,"b":[null],"c":[{}],"null":1}""", "[null]")]
    [InlineData("$.b[?@]", """{"a":null,"b":[null],"c":[{}],"null":1}""", "[null]")]
    [InlineData("$.b[?@==null]", """{"a":null,"b":[null],"c":[{}],"null":1}""", "[null]")]
    [InlineData("$.c[?@.d==null]", """{"a":null,"b":[null],"c":[{}],"null":1}""", "[]")]
    [InlineData("$.null", """{"a":null,"b":[null],"c":[{}],"null":1}""", "[1]")]
    [InlineData("$[?length(@) < 3]", """["ab","abc",[1,2,3],{"x":1},5]""", """["ab",{"x":1}]""")]
    [InlineData("$[?count(@.*) > 2]", """["ab","abc",[1,2,3],{"x":1},5]""", "[[1,2,3]]")]
    [InlineData("$[?value(@..c) == 'red']", """[{"c":"red"},{"c":"red","d":{"c":"red"}}]""", """[{"c":"red"}]""")]
    [InlineData("""$[?match(@, "1974-05-..")]""", """["1974-05-11","1974-05-1","x1974-05-11"]""", """["1974-05-11"]""")]
    [InlineData("$[?match(@, 'a.b')]", "[\"a\\uD83D\\uDE00b\",\"a\\nb\"]", "[\"a\\uD83D\\uDE00b\"]")]
    [InlineData("$[?length(@) == 1]", "[\"\\uD83D\\uDE00\",\"ab\"]", "[\"\\uD83D\\uDE00\"]")]
    public void Select_GivesTheNodesOfTheStandard(string path, string document, string expected)
    {
        using var wanted = JsonDocument.Parse(expected);
        Assert.Equal(wanted.RootElement.EnumerateArray().Select(x => x.GetRawText()).Order(), Nodes(path, document).Select(x => x.Value.GetRawText()).Order());
    }

    // §2.3.5.3, table 11: comparisons.
    [Theory]
    [InlineData("$.absent1 == $.absent2", true)]
    [InlineData("$.absent1 <= $.absent2", true)]
    [InlineData("$.absent == 'g'", false)]
    [InlineData("$.absent1 != $.absent2", false)]
    [InlineData("$.absent != 'g'", true)]
    [InlineData("1 <= 2", true)]
    [InlineData("1 > 2", false)]
    [InlineData("13 == '13'", false)]
    [InlineData("'a' <= 'b'", true)]
    [InlineData("'a' > 'b'", false)]
    [InlineData("$.obj == $.arr", false)]
    [InlineData("$.obj != $.arr", true)]
    [InlineData("$.obj == $.obj", true)]
    [InlineData("$.obj != $.obj", false)]
    [InlineData("$.arr == $.arr", true)]
    [InlineData("$.arr != $.arr", false)]
    [InlineData("$.obj == 17", false)]
    [InlineData("$.obj != 17", true)]
    [InlineData("$.obj <= $.arr", false)]
    [InlineData("$.obj < $.arr", false)]
    [InlineData("$.obj <= $.obj", true)]
    [InlineData("$.arr <= $.arr", true)]
    [InlineData("1 <= $.arr", false)]
    [InlineData("1 >= $.arr", false)]
    [InlineData("1 > $.arr", false)]
    [InlineData("1 < $.arr", false)]
    [InlineData("true <= true", true)]
    [InlineData("true > true", false)]
    [InlineData("1 == 1.0", true)]
    [InlineData("1e2 == 100", true)]
    public void Comparison_IsThatOfTheStandard(string comparison, bool expected) =>
        Assert.Equal(expected, Nodes($"$[?{comparison}]", Comparisons).Count == 2);

    // §2.4.3, table 15, and what the grammar forbids.
    [Theory]
    [InlineData("$[?length(@) < 3]", true)]
    [InlineData("$[?length(@.*) < 3]", false)]
    [InlineData("$[?count(@.*) == 1]", true)]
    [InlineData("$[?count(1) == 1]", false)]
    [InlineData("$[?match(@.timezone, 'Europe/.*')]", true)]
    [InlineData("$[?match(@.timezone, 'Europe/.*') == true]", false)]
    [InlineData("$[?value(@..color) == \"red\"]", true)]
    [InlineData("$[?value(@..color)]", false)]
    [InlineData("$[?nosuch(@)]", false)]
    [InlineData("$[?@.a[*] == 1]", false)]
    [InlineData("$[?1]", false)]
    [InlineData("$[01]", false)]
    [InlineData("$[-0]", false)]
    [InlineData("$[9007199254740992]", false)]
    [InlineData("$ .a", true)]
    [InlineData("$. a", false)]
    [InlineData("$.a ", false)]
    [InlineData("$['a]", false)]
    [InlineData("$['\\\"']", false)]
    [InlineData("$[\"\\u00e9\"]", true)]
    [InlineData("$[\"\\ud800\"]", false)]
    [InlineData("a", false)]
    [InlineData("", false)]
    [InlineData("$[", false)]
    [InlineData("$..", false)]
    [InlineData("$[?!(@.a) && !@.b]", true)]
    [InlineData("$[?!1 == 1]", false)]
    public void TryParse_TakesWhatTheStandardTakes(string path, bool isValid)
    {
        var parsed = JsonPath.TryParse(path, out var problem);
        Assert.Equal((isValid, isValid), (parsed is not null, problem is null));
    }

    [Fact]
    public void TryParse_OfDeepNesting_IsRefusedNotOverflowed()
    {
        Assert.Null(JsonPath.TryParse("$[?" + new string('(', 4000) + "@" + new string(')', 4000) + "]", out var problem));
        Assert.Contains("nested deeper", problem, StringComparison.Ordinal);
        Assert.Null(JsonPath.TryParse("$" + string.Concat(Enumerable.Repeat("[?@", 2000)), out _));
    }

    [Theory]
    [InlineData("$.store.bok[", "column 13")]
    [InlineData("$[?@.a = 1]", "column 8")]
    public void TryParse_SaysWhere(string path, string place)
    {
        JsonPath.TryParse(path, out var problem);
        Assert.Contains(place, problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Select_OfManyDescendants_EndsAtItsBound()
    {
        var document = "[" + string.Join(',', Enumerable.Repeat("[[[[1,2],[3,4]]]]", 200)) + "]";
        Assert.True(Nodes("$..*..*..*..*", document).Count < JsonPath.MaxVisits);
    }

    private static IReadOnlyList<JsonPathNode> Nodes(string path, string json)
    {
        var parsed = JsonPath.TryParse(path, out var problem);
        Assert.True(parsed is not null, problem);
        return parsed.Select(JsonDocument.Parse(json).RootElement);
    }

    private static string Paths(string path, string json) => string.Join(' ', Nodes(path, json).Select(x => x.NormalizedPath));
}

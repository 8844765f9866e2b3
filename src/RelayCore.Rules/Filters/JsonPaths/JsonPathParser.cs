using System.Globalization;
using System.Text;

namespace RelayCore.Rules.Filters.JsonPaths;

/// <summary>What is wrong with a path.</summary>
internal sealed class JsonPathSyntaxException(int offset, string message) : Exception(message)
{
    /// <summary>0-based, in characters.</summary>
    public int Offset => offset;
}

/// <summary>Reads a path by the grammar of RFC 9535 (collected in its appendix A).</summary>
internal sealed class JsonPathParser(string text)
{
    private const long MaxInteger = 9007199254740991; // 2^53 - 1, RFC 9535 §2.1

    private int _at;
    private int _depth;

    private char Here => _at < text.Length ? text[_at] : '\0';

    public List<JsonPathSegment> ParseWhole()
    {
        if (text.Length > RegexSource.MaxPattern)
        {
            throw Error($"the path is longer than {RegexSource.MaxPattern} characters");
        }

        if (Here != '$')
        {
            throw Error("a path begins with '$'");
        }

        _at++;
        var segments = Segments();
        return _at == text.Length ? segments : throw Error($"'{Here}' cannot stand here; expected '.', '..' or '['");
    }

    private List<JsonPathSegment> Segments()
    {
        var segments = new List<JsonPathSegment>();
        while (true)
        {
            var start = _at;
            Space();
            if (Here == '[')
            {
                segments.Add(new(false, Bracket()));
            }
            else if (Take(".."))
            {
                segments.Add(new(true, Here == '[' ? Bracket() : [Dotted()]));
            }
            else if (Take("."))
            {
                segments.Add(new(false, [Dotted()]));
            }
            else
            {
                // White space behind the last segment belongs to whatever follows.
                _at = start;
                return segments;
            }
        }
    }

    private JsonPathSelector Dotted()
    {
        if (Take("*"))
        {
            return new JsonPathSelector.Wildcard();
        }

        var start = _at;
        while (Here == '_' || char.IsAsciiLetter(Here) || Here >= 0x80 || (_at > start && char.IsAsciiDigit(Here)))
        {
            _at++;
        }

        return _at > start ? new JsonPathSelector.Name(text[start.._at])
            : throw Error("a name, '*' or '[' must follow; other names are written ['…']");
    }

    private List<JsonPathSelector> Bracket()
    {
        _at++;
        var selectors = new List<JsonPathSelector>();
        do
        {
            Space();
            selectors.Add(Selector());
            Space();
        }
        while (Take(","));
        return Take("]") ? selectors : throw Error(_at == text.Length ? "the '[' is never closed" : $"'{Here}' cannot stand here; expected ',' or ']'");
    }

    private JsonPathSelector Selector()
    {
        if (Take("*"))
        {
            return new JsonPathSelector.Wildcard();
        }

        if (Take("?"))
        {
            Space();
            return new JsonPathSelector.Filter(Or());
        }

        if (Here is '\'' or '"')
        {
            return new JsonPathSelector.Name(Quoted());
        }

        var start = Here == ':' ? (long?)null : Integer();
        var mark = _at;
        Space();
        if (Here != ':')
        {
            _at = mark;
            return new JsonPathSelector.Index(start!.Value);
        }

        _at++;
        Space();
        var end = Here == '-' || char.IsAsciiDigit(Here) ? Integer() : (long?)null;
        Space();
        var step = 1L;
        if (Take(":"))
        {
            Space();
            step = Here == '-' || char.IsAsciiDigit(Here) ? Integer() : 1;
        }

        return new JsonPathSelector.Slice(start, end, step);
    }

    private long Integer()
    {
        var start = _at;
        _at += Here == '-' ? 1 : 0;
        var digits = _at;
        while (char.IsAsciiDigit(Here))
        {
            _at++;
        }

        var number = text.AsSpan(start, _at - start);
        if (_at == digits)
        {
            throw Error("a selector is an index, a slice, '*', '?…' or a quoted name");
        }

        if ((text[digits] == '0' && _at - digits > 1) || number is "-0")
        {
            throw new JsonPathSyntaxException(start, $"'{number}' is not an integer: no leading zeros, no -0");
        }

        return number.Length <= 17 && long.Parse(number, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture) is >= -MaxInteger and <= MaxInteger and var value
            ? value : throw new JsonPathSyntaxException(start, $"'{number}' is beyond 2^53 - 1");
    }

    private JsonPathTest Or()
    {
        if (++_depth > JsonPath.MaxDepth)
        {
            throw Error($"the filter is nested deeper than {JsonPath.MaxDepth} levels");
        }

        var left = And();
        for (Space(); Take("||"); Space())
        {
            Space();
            left = new JsonPathTest.Or(left, And());
        }

        _depth--;
        return left;
    }

    private JsonPathTest And()
    {
        var left = Basic();
        for (Space(); Take("&&"); Space())
        {
            Space();
            left = new JsonPathTest.And(left, Basic());
        }

        return left;
    }

    private JsonPathTest Basic()
    {
        if (Here == '!')
        {
            _at++;
            Space();
            return new JsonPathTest.Not(Here == '(' ? Parenthesized() : Test(mayCompare: false));
        }

        return Here == '(' ? Parenthesized() : Test(mayCompare: true);
    }

    private JsonPathTest Parenthesized()
    {
        _at++;
        Space();
        var inner = Or();
        Space();
        return Take(")") ? inner : throw Error("the '(' is never closed");
    }

    // A comparison, a query that must find something, or match() and search().
    private JsonPathTest Test(bool mayCompare)
    {
        var start = _at;
        var (value, query, test) = Operand();
        if (test is not null)
        {
            return test;
        }

        var mark = _at;
        Space();
        if (mayCompare && Operator() is { } comparison)
        {
            value ??= AsValue(query!, start);
            Space();
            var right = _at;
            var (other, otherQuery, otherTest) = Operand();
            return otherTest is not null
                ? throw new JsonPathSyntaxException(right, "match() and search() say true or false; they cannot be compared")
                : new JsonPathTest.Comparison(value, comparison, other ?? AsValue(otherQuery!, right));
        }

        _at = mark;
        return query is not null ? new JsonPathTest.Exists(query)
            : throw new JsonPathSyntaxException(start, "a value alone is no condition; compare it with something");
    }

    private string? Operator()
    {
        foreach (var candidate in (ReadOnlySpan<string>)["==", "!=", "<=", ">=", "<", ">"])
        {
            if (Take(candidate))
            {
                return candidate;
            }
        }

        return null;
    }

    private static JsonPathValue.Query AsValue(JsonPathQuery query, int at) => query.Path.IsSingular
        ? new JsonPathValue.Query(query)
        : throw new JsonPathSyntaxException(at, "only a path to one place can be compared: names and indices, no '*', '..', slices or filters");

    private (JsonPathValue? Value, JsonPathQuery? Query, JsonPathTest? Test) Operand()
    {
        if (Here is '$' or '@')
        {
            return (null, Query(), null);
        }

        if (Here is '\'' or '"')
        {
            var quoted = System.Text.Json.Nodes.JsonValue.Create(Quoted()).ToJsonString();
            return (new JsonPathValue.Literal(JsonPathValue.Parse(quoted)), null, null);
        }

        if (Here == '-' || char.IsAsciiDigit(Here))
        {
            return (new JsonPathValue.Literal(JsonPathValue.Parse(Number())), null, null);
        }

        var start = _at;
        while (char.IsAsciiLetterLower(Here) || (_at > start && (Here == '_' || char.IsAsciiDigit(Here))))
        {
            _at++;
        }

        var word = text[start.._at];
        if (Here == '(' && word.Length > 0)
        {
            return Function(word, start);
        }

        return word is "true" or "false" or "null"
            ? (new JsonPathValue.Literal(JsonPathValue.Parse(word)), null, null)
            : throw new JsonPathSyntaxException(start, "expected '@…', '$…', a literal or a function");
    }

    private JsonPathQuery Query()
    {
        var (start, isFromRoot) = (_at, Here == '$');
        _at++;
        if (++_depth > JsonPath.MaxDepth)
        {
            throw Error($"the filter is nested deeper than {JsonPath.MaxDepth} levels");
        }

        var segments = Segments();
        _depth--;
        return new(isFromRoot, new(text[start.._at], segments));
    }

    private (JsonPathValue? Value, JsonPathQuery? Query, JsonPathTest? Test) Function(string name, int start)
    {
        if (++_depth > JsonPath.MaxDepth)
        {
            throw Error($"the filter is nested deeper than {JsonPath.MaxDepth} levels");
        }

        _at++;
        Space();
        var places = new List<int>();
        var arguments = new List<(JsonPathValue? Value, JsonPathQuery? Query, JsonPathTest? Test)>();
        while (Here != ')')
        {
            places.Add(_at);
            arguments.Add(Operand());
            Space();
            if (!Take(","))
            {
                break;
            }

            Space();
        }

        if (!Take(")"))
        {
            throw Error("the '(' is never closed");
        }

        _depth--;
        return (name, arguments.Count) switch
        {
            ("length", 1) => (new JsonPathValue.Length(Value(0)), null, null),
            ("count", 1) => (new JsonPathValue.Count(Nodes(0)), null, null),
            ("value", 1) => (new JsonPathValue.Only(Nodes(0)), null, null),
            ("match", 2) => (null, null, new JsonPathTest.Pattern(Value(0), Value(1), IsWhole: true)),
            ("search", 2) => (null, null, new JsonPathTest.Pattern(Value(0), Value(1), IsWhole: false)),
            ("length" or "count" or "value", _) => throw new JsonPathSyntaxException(start, $"{name}() takes one argument"),
            ("match" or "search", _) => throw new JsonPathSyntaxException(start, $"{name}() takes two arguments"),
            _ => throw new JsonPathSyntaxException(start, $"there is no function {name}(); there are length, count, match, search and value"),
        };

        JsonPathValue Value(int index) => arguments[index] switch
        {
            { Value: { } value } => value,
            { Query: { } query } => AsValue(query, places[index]),
            _ => throw new JsonPathSyntaxException(places[index], $"{name}() takes a value here"),
        };

        JsonPathQuery Nodes(int index) => arguments[index].Query ?? throw new JsonPathSyntaxException(places[index], $"{name}() takes a path here");
    }

    private string Number()
    {
        var start = _at;
        _at += Here == '-' ? 1 : 0;
        var digits = _at;
        Digits();
        if (_at - digits == 0 || (text[digits] == '0' && _at - digits > 1))
        {
            throw new JsonPathSyntaxException(start, "this is not a number as JSON writes them");
        }

        if (Take("."))
        {
            Digits(isNeeded: true);
        }

        if (Here is 'e' or 'E')
        {
            _at++;
            _at += Here is '+' or '-' ? 1 : 0;
            Digits(isNeeded: true);
        }

        return text[start.._at];

        void Digits(bool isNeeded = false)
        {
            var first = _at;
            while (char.IsAsciiDigit(Here))
            {
                _at++;
            }

            if (isNeeded && _at == first)
            {
                throw Error("a digit must follow");
            }
        }
    }

    private string Quoted()
    {
        var (start, quote) = (_at++, text[_at - 1]);
        var result = new StringBuilder();
        while (true)
        {
            if (_at >= text.Length)
            {
                throw new JsonPathSyntaxException(start, "the quoted name or text never ends");
            }

            var character = text[_at++];
            if (character == quote)
            {
                break;
            }

            if (character < ' ')
            {
                _at--;
                throw Error("control characters must be escaped");
            }

            result.Append(character == '\\' ? Escape(quote) : character);
        }

        for (var i = 0; i < result.Length; i++)
        {
            if (char.IsHighSurrogate(result[i]) && i + 1 < result.Length && char.IsLowSurrogate(result[i + 1]))
            {
                i++;
            }
            else if (char.IsSurrogate(result[i]))
            {
                throw new JsonPathSyntaxException(start, "it has half a surrogate pair");
            }
        }

        return result.ToString();
    }

    private char Escape(char quote)
    {
        var escaped = Here;
        _at++;
        switch (escaped)
        {
            case 'b':
                return '\b';
            case 'f':
                return '\f';
            case 'n':
                return '\n';
            case 'r':
                return '\r';
            case 't':
                return '\t';
            case '/' or '\\':
                return escaped;
            case 'u' when _at + 4 <= text.Length && ushort.TryParse(text.AsSpan(_at, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var code):
                _at += 4;
                return (char)code;
            default:
                return escaped == quote ? escaped : throw new JsonPathSyntaxException(_at - 2, $"'\\{escaped}' is not an escape here");
        }
    }

    private void Space()
    {
        while (Here is ' ' or '\t' or '\n' or '\r')
        {
            _at++;
        }
    }

    private bool Take(string token)
    {
        if (string.CompareOrdinal(text, _at, token, 0, token.Length) != 0)
        {
            return false;
        }

        _at += token.Length;
        return true;
    }

    private JsonPathSyntaxException Error(string message) => new(_at, message);
}

using System.Globalization;
using System.Text;
using RelayCore.Rules.Filters.JsonPaths;

namespace RelayCore.Rules.Filters.Language;

/// <summary>
/// Reads our filter language:
/// <code>
/// filter = and { ("or" / "||") and }
/// and    = not { ["and" / "&amp;&amp;"] not }
/// not    = { "not" / "!" } ( "(" filter ")" / term )
/// term   = key operator value / flag / word / quoted
/// </code>
/// A value ends at white space or at a parenthesis that was not opened in it; quoted it may have both.
/// </summary>
internal sealed class RelayFilterParser(string text)
{
    private static readonly string[] s_operators = ["==", "!=", "!~", "!:", ">=", "<=", ":", "=", "~", ">", "<"];

    private int _at;
    private int _depth;

    private char Here => _at < text.Length ? text[_at] : '\0';

    public FilterExpression ParseWhole()
    {
        Space();
        if (_at == text.Length)
        {
            return new FilterExpression.Term(FilterKey.All, "all");
        }

        var whole = Or();
        return _at == text.Length ? whole : throw new FilterSyntaxException(_at, $"'{Here}' closes nothing");
    }

    private FilterExpression Or()
    {
        if (++_depth > FilterExpression.MaxDepth)
        {
            throw new FilterSyntaxException(_at, $"the filter is nested deeper than {FilterExpression.MaxDepth} levels");
        }

        List<FilterExpression> parts = [And()];
        while (Word("or", "||"))
        {
            parts.Add(And());
        }

        _depth--;
        return parts is [var only] ? only : new FilterExpression.Or(parts);
    }

    private FilterExpression And()
    {
        List<FilterExpression> parts = [Not()];
        while (true)
        {
            if (Word("and", "&&"))
            {
                parts.Add(Not());
                continue;
            }

            var start = _at;
            if (_at == text.Length || Here == ')' || Word("or", "||"))
            {
                _at = start;
                return parts is [var only] ? only : new FilterExpression.And(parts);
            }

            parts.Add(Not());
        }
    }

    private FilterExpression Not()
    {
        var isNot = false;
        for (Space(); Word("not", "not") || (Here == '!' && Skip()); Space())
        {
            isNot = !isNot;
        }

        FilterExpression part;
        if (Here == '(')
        {
            var open = _at++;
            Space();
            part = Or();
            if (Here != ')')
            {
                throw new FilterSyntaxException(open, "the '(' is never closed");
            }

            _at++;
        }
        else
        {
            part = Term();
        }

        Space();
        return isNot ? new FilterExpression.Not(part) : part;

        bool Skip() => ++_at > 0;
    }

    private FilterExpression Term()
    {
        var start = _at;
        if (_at == text.Length || Here == ')')
        {
            throw new FilterSyntaxException(_at, "a condition is missing here", "Write for example host:example.com or status>=400.");
        }

        if (Here is '"' or '\'')
        {
            var end = Quoted(out var quoted);
            return new FilterExpression.Term(FilterKey.Word, text[start..end]) { Matcher = Contains(quoted) };
        }

        while (char.IsAsciiLetterOrDigit(Here) || Here == '_')
        {
            _at++;
        }

        var key = text[start.._at];
        var word = FilterWord.Find(key);
        string? name = null;
        if (word is { IsNamed: true } && Here == '.')
        {
            var from = ++_at;
            while (_at < text.Length && !char.IsWhiteSpace(Here) && !":=~<>!()\"'".Contains(Here, StringComparison.Ordinal))
            {
                _at++;
            }

            name = _at > from ? text[from.._at] : throw new FilterSyntaxException(from, $"a name is missing behind '{key}.'", $"Write {key}.name:value.");
        }

        var place = _at;
        var @operator = Array.Find(s_operators, x => string.CompareOrdinal(text, _at, x, 0, x.Length) == 0);
        if (word is null)
        {
            return Free(start, key, @operator);
        }

        if (@operator is null)
        {
            // The word of a key may also be looked for: "host" alone is any other word, "header.etag" asks whether it is there.
            var ends = _at == text.Length || char.IsWhiteSpace(Here) || Here == ')';
            return !ends ? Free(start, key, null)
                : word.Kind == FilterKeyKind.Flag || name is not null ? new FilterExpression.Term(word.Key, text[start.._at]) { Name = name }
                : Free(start, key, null);
        }

        if (word.Kind == FilterKeyKind.Flag)
        {
            throw new FilterSyntaxException(place, $"'{key}' is written alone, without a value", $"Write {key}, or not {key}.");
        }

        _at += @operator.Length;
        return Compare(word, name, @operator, start, place);
    }

    private FilterExpression Compare(FilterWord word, string? name, string @operator, int start, int place)
    {
        if (word.Kind == FilterKeyKind.Json)
        {
            return @operator == ":" ? Json(start) : throw new FilterSyntaxException(place, "a JSON path stands behind 'json:'", "Write json:$.user.name=\"Ann\" or json:$.error.");
        }

        var from = _at;
        var value = Value();
        if (word.Kind != FilterKeyKind.Text)
        {
            return Number(word, @operator, value, start, place, from);
        }

        if (@operator is ">" or "<" or ">=" or "<=")
        {
            throw new FilterSyntaxException(place, $"'{word.Names[0]}' is a text, which is neither greater nor smaller", $"Write {word.Names[0]}:{value}.");
        }

        // A word that has few values is compared whole.
        var isWhole = word.Key is FilterKey.Method or FilterKey.Scheme or FilterKey.Version;
        if (word.Key == FilterKey.Version && @operator is not ("~" or "!~"))
        {
            value = RequestFilters.ReadVersion(value) ?? throw new FilterSyntaxException(from, $"'{value}' is no HTTP version", "Write http:1.0, http:1.1 or http:2.");
        }

        var mode = @operator switch
        {
            "~" or "!~" => MatcherMode.Regex,
            "=" or "==" or "!=" => MatcherMode.Exact,
            _ => value.Contains('*', StringComparison.Ordinal) ? MatcherMode.Glob : isWhole ? MatcherMode.Exact : MatcherMode.Contains,
        };
        return Negated(@operator, new FilterExpression.Term(word.Key, text[start.._at]) { Name = name, Matcher = Matcher(mode, value, @operator != "==", from) });
    }

    private FilterExpression Number(FilterWord word, string @operator, string value, int start, int place, int from)
    {
        if (@operator is "~" or "!~")
        {
            throw new FilterSyntaxException(place, $"'{word.Names[0]}' is a number, which no regex matches", $"Write {word.Names[0]}>={value}.");
        }

        // status:>=400 is how it has been written.
        if (@operator is ":" or "!:" && Array.Find([">=", "<=", ">", "<"], x => value.StartsWith(x, StringComparison.Ordinal)) is { } inner)
        {
            var isNegated = @operator == "!:";
            var result = new FilterExpression.Term(word.Key, text[start.._at]) { Range = Bounded(inner, Read(value[inner.Length..])) };
            return isNegated ? new FilterExpression.Not(result) : result;
        }

        return Negated(@operator, new FilterExpression.Term(word.Key, text[start.._at]) { Range = Bounded(@operator, Read(value)) });

        Interval Read(string number)
        {
            var dash = number.IndexOf('-', StringComparison.Ordinal);
            var range = word.Kind switch
            {
                FilterKeyKind.Status => ResponseFilters.ReadStatus(number),
                FilterKeyKind.Number => RequestFilters.ReadPorts(number),
                _ => Unit(dash < 0 ? number : number[..dash]) is { } min && Unit(dash < 0 ? number : number[(dash + 1)..]) is { } max && min <= max ? new(min, max) : null,
            };
            return range ?? throw new FilterSyntaxException(from, $"'{number}' cannot be compared with {word.Names[0]}", word.Kind switch
            {
                FilterKeyKind.Status => "Write status:404, status:4xx, status>=400 or status:400-499.",
                FilterKeyKind.Size => $"Write {word.Names[0]}>10KiB, with B, KB, KiB, MB, MiB, GB or GiB.",
                FilterKeyKind.Duration => "Write duration>250ms, with us, ms, s, m or h.",
                _ => "Write port:443 or port:8000-8999.",
            });
        }

        double? Unit(string number) => word.Kind == FilterKeyKind.Size ? Units.Octets(number) : Units.Milliseconds(number);
    }

    private static Interval Bounded(string @operator, Interval range) => @operator switch
    {
        ">=" => new(range.Min, double.PositiveInfinity),
        ">" => new(Math.BitIncrement(range.Max), double.PositiveInfinity),
        "<=" => new(double.NegativeInfinity, range.Max),
        "<" => new(double.NegativeInfinity, Math.BitDecrement(range.Min)),
        _ => range,
    };

    // The path ends where an operator or white space follows outside of its brackets.
    private FilterExpression Json(int start)
    {
        var (from, depth) = (_at, 0);
        while (_at < text.Length && (depth > 0 || !(char.IsWhiteSpace(Here) || Here is '=' or '~' or '!' or ')')))
        {
            depth += Here == '[' ? 1 : Here == ']' ? -1 : 0;
            if (Here is '\'' or '"' && depth > 0)
            {
                _ = Quoted(out _);
            }
            else
            {
                _at++;
            }
        }

        var path = JsonPath.TryParse(text[from.._at], out var problem) ?? throw new FilterSyntaxException(from, $"the JSON path cannot be used: {problem}");
        var @operator = Array.Find(["==", "!=", "!~", "=", "~"], x => string.CompareOrdinal(text, _at, x, 0, x.Length) == 0);
        if (@operator is null)
        {
            return new FilterExpression.Term(FilterKey.Json, text[start.._at]) { Path = path };
        }

        _at += @operator.Length;
        var place = _at;
        var matcher = Matcher(@operator.Contains('~', StringComparison.Ordinal) ? MatcherMode.Regex : MatcherMode.Exact, Value(), @operator != "==", place);
        return Negated(@operator, new FilterExpression.Term(FilterKey.Json, text[start.._at]) { Path = path, Matcher = matcher });
    }

    private static FilterExpression Negated(string @operator, FilterExpression.Term term) =>
        @operator.StartsWith('!') ? new FilterExpression.Not(term) : term;

    private FilterExpression.Term Free(int start, string key, string? @operator)
    {
        if (@operator is not null && key.Length > 0)
        {
            // "https://…" and "localhost:8080" are words; what looks like a key is a slip.
            var behind = text.AsSpan(_at + @operator.Length);
            var isAddress = @operator == ":" && (behind.StartsWith("//") || behind is [>= '0' and <= '9', ..]);
            if (FilterWord.Nearest(key) is { } nearest && !behind.StartsWith("//"))
            {
                throw new FilterSyntaxException(start, $"there is no '{key}' to filter by", $"Did you mean '{nearest}'? To look for the text, write it in quotes.");
            }

            if (@operator == ":" && !isAddress)
            {
                throw new FilterSyntaxException(
                    start, $"there is no '{key}' to filter by", "There are url, host, path, method, status, header.NAME, body, json and others; to look for the text, write it in quotes.");
            }
        }

        _at = start;
        var word = Value();
        return new(FilterKey.Word, word) { Matcher = Contains(word) };
    }

    private string Value()
    {
        if (Here is '"' or '\'')
        {
            _ = Quoted(out var quoted);
            return quoted;
        }

        var (start, depth) = (_at, 0);
        while (_at < text.Length && !char.IsWhiteSpace(Here) && !(Here == ')' && depth == 0))
        {
            depth += Here == '(' ? 1 : Here == ')' ? -1 : 0;
            _at++;
        }

        return _at > start ? text[start.._at]
            : throw new FilterSyntaxException(_at, "a value is missing here", "Write \"\" for an empty text.");
    }

    private int Quoted(out string value)
    {
        var (start, quote) = (_at++, text[_at - 1]);
        var result = new StringBuilder();
        while (_at < text.Length && Here != quote)
        {
            if (Here == '\\' && _at + 1 < text.Length && (text[_at + 1] == quote || text[_at + 1] == '\\'))
            {
                _at++;
            }

            result.Append(text[_at++]);
        }

        if (_at == text.Length)
        {
            throw new FilterSyntaxException(start, "the quotes are never closed");
        }

        value = result.ToString();
        return ++_at;
    }

    private static Matcher Contains(string word) => Filters.Matcher.Create(MatcherMode.Contains, word, ignoreCase: true, out _)!;

    private static Matcher Matcher(MatcherMode mode, string value, bool ignoreCase, int place) =>
        Filters.Matcher.Create(mode, value, ignoreCase, out var problem)
        ?? throw new FilterSyntaxException(place + Math.Max(0, problem!.Offset), string.Create(CultureInfo.InvariantCulture, $"the pattern cannot be used: {problem.Message}"));

    private bool Word(string word, string sign)
    {
        Space();
        foreach (var candidate in (ReadOnlySpan<string>)[word, sign])
        {
            if (string.Compare(text, _at, candidate, 0, candidate.Length, StringComparison.OrdinalIgnoreCase) == 0
                && (_at + candidate.Length == text.Length || char.IsWhiteSpace(text[_at + candidate.Length]) || text[_at + candidate.Length] is '(' or '!'))
            {
                _at += candidate.Length;
                Space();
                return true;
            }
        }

        return false;
    }

    private void Space()
    {
        while (char.IsWhiteSpace(Here))
        {
            _at++;
        }
    }
}

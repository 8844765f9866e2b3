using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace RelayCore.Rules.Filters.Language;

/// <summary>
/// Reads mitmproxy's filters (reference: filters §1): <c>!</c> binds closer than <c>&amp;</c>, that than <c>|</c>, that than standing side by side,
/// which is allowed outermost only. Regexes are found anywhere, without case.
/// </summary>
internal sealed class MitmproxyFilterParser(string text)
{
    private const string Operators = "~a ~all ~b ~bq ~bs ~c ~comment ~d ~dns ~dst ~e ~h ~hq ~hs ~http ~m ~marked ~marker ~meta ~q ~replay ~replayq ~replays ~s ~src ~t ~tcp ~tq ~ts ~u ~udp ~websocket";

    private static readonly Matcher s_assets = Filters.Matcher.Create(
        MatcherMode.Regex, "text/javascript|application/x-javascript|application/javascript|text/css|image/.*|font/.*|application/font.*", ignoreCase: false, out _)!;

    private int _at;
    private int _depth;

    private char Here => _at < text.Length ? text[_at] : '\0';

    public FilterExpression ParseWhole()
    {
        List<FilterExpression> parts = [];
        for (Space(); _at < text.Length; Space())
        {
            parts.Add(Here == ')' ? throw new FilterSyntaxException(_at, "the ')' closes nothing") : Or());
        }

        return parts switch
        {
            [] => throw new FilterSyntaxException(0, "the filter is empty", "Write ~all for everything."),
            [var only] => only,
            _ => new FilterExpression.And(parts),
        };
    }

    private FilterExpression Or()
    {
        if (++_depth > FilterExpression.MaxDepth)
        {
            throw new FilterSyntaxException(_at, $"the filter is nested deeper than {FilterExpression.MaxDepth} levels");
        }

        var parts = List('|', And);
        _depth--;
        return parts is [var only] ? only : new FilterExpression.Or(parts);
    }

    private FilterExpression And()
    {
        var parts = List('&', Not);
        return parts is [var only] ? only : new FilterExpression.And(parts);
    }

    private List<FilterExpression> List(char sign, Func<FilterExpression> part)
    {
        List<FilterExpression> parts = [part()];
        while (true)
        {
            var mark = _at;
            Space();
            if (Here != sign)
            {
                _at = mark;
                return parts;
            }

            _at++;
            Space();
            parts.Add(part());
        }
    }

    private FilterExpression Not()
    {
        var isNot = false;
        for (Space(); Here == '!'; Space())
        {
            isNot = !isNot;
            _at++;
        }

        var atom = Atom();
        return isNot ? new FilterExpression.Not(atom) : atom;
    }

    private FilterExpression Atom()
    {
        var start = _at;
        switch (Here)
        {
            case '\0':
                throw new FilterSyntaxException(_at, "a condition is missing at the end");
            case '(':
                _at++;
                Space();
                var inner = Or();
                Space();
                if (Here != ')')
                {
                    throw _at == text.Length
                        ? new FilterSyntaxException(start, "the '(' is never closed")
                        : new FilterSyntaxException(_at, "within parentheses '&' or '|' must stand between conditions", "Write (a & b).");
                }

                _at++;
                return inner;
            case ')':
                throw new FilterSyntaxException(_at, "a condition is missing before the ')'");
            case '~':
                return Operator();
            default:
                return Text(FilterKey.Url, start, RegexOptions.None);
        }
    }

    private FilterExpression.Term Operator()
    {
        var start = _at++;
        while (char.IsAsciiLetterOrDigit(Here) || Here == '_')
        {
            _at++;
        }

        var name = text[start.._at];
        return name switch
        {
            "~a" => Flag(FilterKey.Asset, s_assets),
            "~all" => Flag(FilterKey.All),
            "~dns" => Flag(FilterKey.Dns),
            "~http" => Flag(FilterKey.Http),
            "~tcp" => Flag(FilterKey.Tcp),
            "~udp" => Flag(FilterKey.Udp),
            "~e" => Flag(FilterKey.Error),
            "~marked" => Flag(FilterKey.Marked),
            "~q" => Flag(FilterKey.NoResponse),
            "~s" => Flag(FilterKey.HasResponse),
            "~replay" => Flag(FilterKey.Replay),
            "~replayq" => Flag(FilterKey.ReplayedRequest),
            "~replays" => Flag(FilterKey.ReplayedResponse),
            "~websocket" => Flag(FilterKey.WebSocket),
            "~b" => Text(FilterKey.Body, start, RegexOptions.Singleline),
            "~bq" => Text(FilterKey.RequestBody, start, RegexOptions.Singleline),
            "~bs" => Text(FilterKey.ResponseBody, start, RegexOptions.Singleline),
            "~comment" => Text(FilterKey.Comment, start, RegexOptions.Multiline),
            "~d" => Text(FilterKey.Domain, start, RegexOptions.None),
            "~dst" => Text(FilterKey.Server, start, RegexOptions.None),
            "~src" => Text(FilterKey.Client, start, RegexOptions.None),
            "~h" => Text(FilterKey.Header, start, RegexOptions.Multiline),
            "~hq" => Text(FilterKey.RequestHeader, start, RegexOptions.Multiline),
            "~hs" => Text(FilterKey.ResponseHeader, start, RegexOptions.Multiline),
            "~m" => Text(FilterKey.Method, start, RegexOptions.None),
            "~marker" => Text(FilterKey.Marker, start, RegexOptions.None),
            "~meta" => Text(FilterKey.Metadata, start, RegexOptions.Multiline),
            "~t" => Text(FilterKey.ContentType, start, RegexOptions.None),
            "~tq" => Text(FilterKey.RequestContentType, start, RegexOptions.None),
            "~ts" => Text(FilterKey.ResponseContentType, start, RegexOptions.None),
            "~u" => Text(FilterKey.Url, start, RegexOptions.None),
            "~c" => Code(start),
            _ => throw new FilterSyntaxException(start, $"there is no operator '{name}'", $"There are {Operators}."),
        };

        FilterExpression.Term Flag(FilterKey key, Matcher? matcher = null) => new(key, name) { Matcher = matcher, IsLenient = true };
    }

    private FilterExpression.Term Code(int start)
    {
        Space();
        var from = _at;
        while (char.IsAsciiDigit(Here))
        {
            _at++;
        }

        return int.TryParse(text.AsSpan(from, _at - from), NumberStyles.None, CultureInfo.InvariantCulture, out var code)
            ? new(FilterKey.Status, text[start.._at]) { Range = new(code, code), IsLenient = true }
            : throw new FilterSyntaxException(from, "a status code must follow ~c", "Write ~c 404.");
    }

    private FilterExpression.Term Text(FilterKey key, int start, RegexOptions options)
    {
        Space();
        var from = _at;
        var pattern = Here is '"' or '\'' ? Quoted() : Bareword();
        var matcher = Filters.Matcher.Create(MatcherMode.Regex, pattern, ignoreCase: true, out var problem, options, isPython: true)
            ?? throw new FilterSyntaxException(from + Math.Max(0, problem!.Offset), $"the regex cannot be used: {problem.Message}");
        return new(key, text[start.._at]) { Matcher = matcher, IsLenient = true };
    }

    private string Bareword()
    {
        var start = _at;
        while (_at < text.Length && !char.IsWhiteSpace(Here) && !"()~'\"".Contains(Here, StringComparison.Ordinal))
        {
            _at++;
        }

        return _at > start ? text[start.._at]
            : throw new FilterSyntaxException(_at, "a regex must follow", "Quote one that has parentheses, white space, '~' or quotes.");
    }

    private string Quoted()
    {
        var (start, quote) = (_at++, text[_at - 1]);
        var result = new StringBuilder();
        while (_at < text.Length && Here != quote)
        {
            if (Here == '\\' && _at + 1 < text.Length)
            {
                _at++;
                result.Append(Here switch { 'n' => '\n', 't' => '\t', 'r' => '\r', 'f' => '\f', _ => Here });
            }
            else
            {
                result.Append(Here);
            }

            _at++;
        }

        if (_at == text.Length)
        {
            throw new FilterSyntaxException(start, "the quotes are never closed");
        }

        _at++;
        return result.ToString();
    }

    private void Space()
    {
        while (char.IsWhiteSpace(Here))
        {
            _at++;
        }
    }
}

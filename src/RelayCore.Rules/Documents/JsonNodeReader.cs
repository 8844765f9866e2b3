using System.Text;
using System.Text.Json;

namespace RelayCore.Rules.Documents;

/// <summary>Reads JSON with comments and trailing commas into nodes that know their line and column.</summary>
internal ref struct JsonNodeReader
{
    private readonly NodeBuilder _builder;
    private readonly ReadOnlySpan<byte> _octets;
    private Utf8JsonReader _reader;
    private int _at;
    private long _line = 1;
    private long _column = 1;

    private JsonNodeReader(ReadOnlySpan<byte> octets, NodeBuilder builder)
    {
        _octets = octets;
        _builder = builder;

        // One deeper than allowed, so that our own bound speaks first.
        _reader = new(octets, new JsonReaderOptions { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip, MaxDepth = NodeBuilder.MaxDepth + 2 });
    }

    /// <summary>Reads the one value of a file.</summary>
    /// <param name="octets">Valid UTF-8 without byte order mark.</param>
    /// <param name="builder">Bounds, and where problems go.</param>
    /// <exception cref="RuleFileException">It is not JSON, or beyond a bound.</exception>
    public static RuleNode Read(ReadOnlySpan<byte> octets, NodeBuilder builder)
    {
        var reader = new JsonNodeReader(octets, builder);
        try
        {
            reader._reader.Read();
            var root = reader.Value("$", 1);
            while (reader._reader.Read())
            {
            }

            return root;
        }
        catch (JsonException fault)
        {
            throw reader.Syntax(fault);
        }
    }

    private RuleNode Value(string path, int depth)
    {
        var at = Place();
        _builder.Count(1, at, path);
        switch (_reader.TokenType)
        {
            case JsonTokenType.StartObject:
                NodeBuilder.CheckDepth(depth, at, path);
                return Map(at, path, depth);
            case JsonTokenType.StartArray:
                NodeBuilder.CheckDepth(depth, at, path);
                return List(at, path, depth);
            case JsonTokenType.String:
                return new(NodeKind.Text, at, path) { Text = Unescaped(at, path) };
            case JsonTokenType.Number:
                return new(NodeKind.Number, at, path) { Text = Encoding.UTF8.GetString(_reader.ValueSpan) };
            case JsonTokenType.True or JsonTokenType.False:
                return new(NodeKind.Boolean, at, path) { Text = _reader.TokenType == JsonTokenType.True ? "true" : "false" };
            default:
                return new(NodeKind.Null, at, path);
        }
    }

    private RuleNode Map(SourceLocation at, string path, int depth)
    {
        var members = new List<(RuleNode, RuleNode)>();
        var seen = new Dictionary<string, RuleNode>(StringComparer.Ordinal);
        while (_reader.Read() && _reader.TokenType != JsonTokenType.EndObject)
        {
            var place = Place();
            var text = Unescaped(place, path);
            var name = new RuleNode(NodeKind.Text, place, NodeBuilder.Member(path, text)) { Text = text };
            _reader.Read();
            _builder.TryAddMember(members, seen, name, Value(name.Path, depth + 1));
        }

        return new(NodeKind.Map, at, path) { Members = members };
    }

    private RuleNode List(SourceLocation at, string path, int depth)
    {
        var items = new List<RuleNode>();
        while (_reader.Read() && _reader.TokenType != JsonTokenType.EndArray)
        {
            items.Add(Value(NodeBuilder.Item(path, items.Count), depth + 1));
        }

        return new(NodeKind.List, at, path) { Items = items };
    }

    private readonly string Unescaped(SourceLocation at, string path)
    {
        try
        {
            return _reader.GetString()!;
        }
        catch (InvalidOperationException)
        {
            // The octets are valid; only an escape like \ud800 alone is no character.
            throw new RuleFileException(RuleCodes.Encoding, at, path, "the string has half a surrogate pair, which is no character", "Write both halves, \\ud83d\\ude00, or the character itself.");
        }
    }

    /// <summary>Place of the token that was read. Moves on from the one before, so that a file is walked once.</summary>
    private SourceLocation Place()
    {
        var target = (int)_reader.TokenStartIndex;
        while (_at < target)
        {
            var octet = _octets[_at++];
            if (octet == '\n')
            {
                (_line, _column) = (_line + 1, 1);
            }
            else if ((octet & 0xC0) != 0x80)
            {
                _column++;
            }
        }

        return _builder.At(_line, _column);
    }

    private readonly RuleFileException Syntax(JsonException fault)
    {
        var line = fault.LineNumber.GetValueOrDefault();
        var start = 0;
        for (var i = 0L; i < line; i++)
        {
            var length = _octets[start..].IndexOf((byte)'\n');
            start = length < 0 ? _octets.Length : start + length + 1;
        }

        var octets = (int)Math.Min(fault.BytePositionInLine.GetValueOrDefault(), _octets.Length - start);
        var column = 1;
        foreach (var octet in _octets.Slice(start, octets))
        {
            column += (octet & 0xC0) != 0x80 ? 1 : 0;
        }

        // Behind the sentence stand path and place in the reader's own counting.
        var message = fault.Message;
        var end = message.IndexOf(" LineNumber:", StringComparison.Ordinal);
        message = (end < 0 ? message : message[..end]).TrimEnd('.', ' ');
        return new(RuleCodes.Syntax, _builder.At(line + 1, column), "$", $"this is not JSON: {char.ToLowerInvariant(message[0])}{message[1..]}");
    }
}

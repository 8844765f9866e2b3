using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace RelayCore.Rules.Actions.Json;

/// <summary>One value of a JSON text: where it stands and how it hangs together with others. Indexes point into the outline, -1 is none.</summary>
internal struct JsonPlace
{
    public JsonTokenType Kind;

    /// <summary>Offset of its name with quotes; -1 when it has none.</summary>
    public int NameStart;
    public int NameEnd;
    public int Start;
    public int End;
    public int FirstChild;
    public int LastChild;
    public int Previous;
    public int Next;
    public int Count;
}

/// <summary>
/// Where every value of a JSON text stands, so that edits can be spliced in and every octet that is not meant stays. RFC 8259 as Utf8JsonReader
/// reads it, at most <see cref="MaxDepth"/> deep; a byte order mark before it is left alone.
/// </summary>
internal sealed class JsonOutline
{
    /// <summary>Deepest nesting; deeper text counts as not JSON. System.Text.Json stops at 64 by default.</summary>
    public const int MaxDepth = 256;

    private readonly List<JsonPlace> _places = new(64);

    private JsonOutline(ReadOnlyMemory<byte> text) => Text = text;

    /// <summary>The text, byte order mark included.</summary>
    public ReadOnlyMemory<byte> Text { get; }

    public JsonPlace this[int index] => _places[index];

    /// <summary>Reads a text; the root is at index 0.</summary>
    /// <param name="text">UTF-8.</param>
    /// <param name="outline">The places.</param>
    /// <param name="problem">Why it is not JSON, one line.</param>
    public static bool TryRead(ReadOnlyMemory<byte> text, [NotNullWhen(true)] out JsonOutline? outline, [NotNullWhen(false)] out string? problem)
    {
        outline = new(text);
        try
        {
            outline.Read();
            problem = null;
            return true;
        }
        catch (JsonException error)
        {
            (outline, problem) = (null, text.IsEmpty ? "the content is empty, not JSON" : $"the content is not JSON: {error.Message}");
            return false;
        }
    }

    /// <summary>The member of an object with a name; the last one when the name is repeated, because that is the one parsers keep.</summary>
    public int Member(int parent, string name)
    {
        for (var i = _places[parent].LastChild; i >= 0; i = _places[i].Previous)
        {
            if (IsNamed(i, name))
            {
                return i;
            }
        }

        return -1;
    }

    /// <summary>Whether a member has a name, escapes undone.</summary>
    public bool IsNamed(int index, string name)
    {
        var reader = new Utf8JsonReader(Text.Span[_places[index].NameStart.._places[index].NameEnd]);
        return reader.Read() && reader.ValueTextEquals(name);
    }

    /// <summary>An item of an array; -1 when there is none. Negative indexes count from the end.</summary>
    public int ItemAt(int parent, int index)
    {
        var array = _places[parent];
        index = index < 0 ? array.Count + index : index;
        if (index < 0 || index >= array.Count)
        {
            return -1;
        }

        var at = array.FirstChild;
        for (; index > 0; index--)
        {
            at = _places[at].Next;
        }

        return at;
    }

    public ReadOnlySpan<byte> Value(int index) => Text.Span[_places[index].Start.._places[index].End];

    private void Read()
    {
        var mark = Text.Span.StartsWith((ReadOnlySpan<byte>)[0xEF, 0xBB, 0xBF]) ? 3 : 0;
        var reader = new Utf8JsonReader(Text.Span[mark..], new JsonReaderOptions { MaxDepth = MaxDepth });
        Span<int> open = stackalloc int[MaxDepth + 1];
        var depth = 0;
        var (nameStart, nameEnd) = (-1, -1);
        while (reader.Read())
        {
            var (start, end) = (mark + (int)reader.TokenStartIndex, mark + (int)reader.BytesConsumed);
            switch (reader.TokenType)
            {
                case JsonTokenType.PropertyName:
                    // What is consumed with a name includes its colon.
                    (nameStart, nameEnd) = (start, start + reader.ValueSpan.Length + 2);
                    continue;
                case JsonTokenType.EndObject or JsonTokenType.EndArray:
                    System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_places)[open[--depth]].End = end;
                    continue;
            }

            var index = Add(reader.TokenType, nameStart, nameEnd, start, end, depth == 0 ? -1 : open[depth - 1]);
            (nameStart, nameEnd) = (-1, -1);
            if (reader.TokenType is JsonTokenType.StartObject or JsonTokenType.StartArray)
            {
                open[depth++] = index;
            }
        }
    }

    private int Add(JsonTokenType kind, int nameStart, int nameEnd, int start, int end, int parent)
    {
        var index = _places.Count;
        var previous = parent < 0 ? -1 : _places[parent].LastChild;
        _places.Add(new()
        {
            Kind = kind,
            NameStart = nameStart,
            NameEnd = nameEnd,
            Start = start,
            End = end,
            FirstChild = -1,
            LastChild = -1,
            Previous = previous,
            Next = -1,
        });
        var places = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_places);
        if (previous >= 0)
        {
            places[previous].Next = index;
        }

        if (parent >= 0)
        {
            places[parent].LastChild = index;
            places[parent].FirstChild = places[parent].FirstChild < 0 ? index : places[parent].FirstChild;
            places[parent].Count++;
        }

        return index;
    }
}

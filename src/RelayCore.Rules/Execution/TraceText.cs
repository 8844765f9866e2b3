using System.Collections.Concurrent;
using System.Text.Json;
using RelayCore.Rules.Filters;

namespace RelayCore.Rules.Execution;

/// <summary>Texts of conditions as UTF-8 JSON, made when a condition first fails and kept with its rule set. Safe for concurrent use.</summary>
internal sealed class TraceText
{
    /// <summary>Characters of any text in a trace; the rest is cut.</summary>
    public const int Max = 256;

    // There are as many entries as conditions in the set; a filter that makes conditions as it goes may not fill the memory with them.
    private const int MaxEntries = 64 * 1024;

    private readonly ConcurrentDictionary<Condition, JsonEncodedText> _texts = new(ReferenceEqualityComparer.Instance);
    private int _entries;

    /// <summary>How a condition reads.</summary>
    public JsonEncodedText Of(Condition condition)
    {
        if (_texts.TryGetValue(condition, out var known))
        {
            return known;
        }

        var text = JsonEncodedText.Encode(Cut(condition.Text));
        if (Volatile.Read(ref _entries) < MaxEntries && _texts.TryAdd(condition, text))
        {
            Interlocked.Increment(ref _entries);
        }

        return text;
    }

    /// <summary>A text that is not too long for a trace.</summary>
    public static string Cut(string text)
    {
        if (text.Length <= Max)
        {
            return text;
        }

        var end = char.IsHighSurrogate(text[Max - 2]) ? Max - 2 : Max - 1;
        return string.Concat(text.AsSpan(0, end), "…");
    }
}

using System.Buffers;

namespace RelayCore.Rules.Actions.Streams;

/// <summary>
/// Many literals, found in one pass: at the first place where any of them stands the longest one wins. A trie over octets, entered only where a first
/// octet is found by vector search. Immutable, shared by all flows.
/// </summary>
internal sealed class LiteralSet
{
    private readonly SearchValues<byte> _first;
    private readonly int[] _roots = new int[256];
    private readonly Dictionary<int, int> _next = [];
    private readonly List<int> _literalOf = [-1];
    private readonly List<bool> _hasNext = [false];
    private readonly bool _ignoreCase;

    /// <param name="literals">Not empty, none of them empty. Of two equal ones the first counts.</param>
    /// <param name="ignoreCase">Whether ASCII letters match in either case.</param>
    public LiteralSet(IReadOnlyList<byte[]> literals, bool ignoreCase)
    {
        _ignoreCase = ignoreCase;
        for (var i = 0; i < literals.Count; i++)
        {
            Add(literals[i], i);
        }

        _first = SearchValues.Create([.. Enumerable.Range(0, 256).Where(x => _roots[Fold((byte)x)] != 0).Select(x => (byte)x)]);
        MaxLength = literals.Max(x => x.Length);
    }

    /// <summary>Length of the longest.</summary>
    public int MaxLength { get; }

    /// <summary>Offset of the next octet that may begin one, or -1.</summary>
    public int IndexOfFirst(ReadOnlySpan<byte> text) => text.IndexOfAny(_first);

    /// <summary>The longest literal at the beginning.</summary>
    /// <param name="text">Not empty.</param>
    /// <param name="length">Its length; 0 without.</param>
    /// <param name="wantsMore">Whether the text ended where a longer one was still possible.</param>
    /// <returns>Number of the literal, or -1.</returns>
    public int Match(ReadOnlySpan<byte> text, out int length, out bool wantsMore)
    {
        (length, wantsMore) = (0, false);
        var found = -1;
        var node = _roots[Fold(text[0])];
        for (var i = 1; node != 0; i++)
        {
            if (_literalOf[node] >= 0)
            {
                (found, length) = (_literalOf[node], i);
            }

            if (i == text.Length)
            {
                wantsMore = _hasNext[node];
                break;
            }

            node = _hasNext[node] ? _next.GetValueOrDefault((node << 8) | Fold(text[i])) : 0;
        }

        return found;
    }

    private void Add(byte[] literal, int number)
    {
        ref var root = ref _roots[Fold(literal[0])];
        root = root == 0 ? Node() : root;
        var node = root;
        foreach (var octet in literal.AsSpan(1))
        {
            var key = (node << 8) | Fold(octet);
            if (!_next.TryGetValue(key, out var next))
            {
                next = Node();
                _next.Add(key, next);
                _hasNext[node] = true;
            }

            node = next;
        }

        _literalOf[node] = _literalOf[node] < 0 ? number : _literalOf[node];
    }

    private int Node()
    {
        _literalOf.Add(-1);
        _hasNext.Add(false);
        return _literalOf.Count - 1;
    }

    private byte Fold(byte octet) => _ignoreCase && octet is >= (byte)'A' and <= (byte)'Z' ? (byte)(octet | 0x20) : octet;
}

/// <summary>Replaces literals; holds back only what may still become one.</summary>
internal sealed class LiteralStep(LiteralSet literals, byte[][] replacements) : StreamStep
{
    public override int MaxHeld { get; } = literals.MaxLength - 1;

    protected override int Process(ReadOnlySpan<byte> buffer, bool isLast, IBufferWriter<byte> output)
    {
        var (at, copied) = (0, 0);
        while (at < buffer.Length)
        {
            var next = literals.IndexOfFirst(buffer[at..]);
            if (next < 0)
            {
                at = buffer.Length;
                break;
            }

            at += next;
            var found = literals.Match(buffer[at..], out var length, out var wantsMore);
            if (wantsMore && !isLast)
            {
                break;
            }

            if (found < 0)
            {
                at++;
                continue;
            }

            output.Write(buffer[copied..at]);
            output.Write(replacements[found]);
            at += length;
            copied = at;
        }

        output.Write(buffer[copied..at]);
        return at;
    }
}

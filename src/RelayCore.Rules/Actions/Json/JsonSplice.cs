using System.Buffers;

namespace RelayCore.Rules.Actions.Json;

/// <summary>
/// Edits of one JSON text, gathered and then applied at once. New members and items take the white space of their neighbours, so that what was
/// indented stays indented; everything not meant keeps its octets. A container may be edited once.
/// </summary>
internal sealed class JsonSplice(JsonOutline outline)
{
    private readonly List<(int Start, int End, byte[] Text)> _edits = [];

    /// <summary>Whether nothing is to be done.</summary>
    public bool IsEmpty => _edits.Count == 0;

    public int Count => _edits.Count;

    /// <summary>Puts another value in the place of one.</summary>
    public void Replace(int index, ReadOnlySpan<byte> value) => _edits.Add((outline[index].Start, outline[index].End, value.ToArray()));

    /// <summary>Puts an item before the one at an index; at the end when the index is the number of items.</summary>
    public void InsertItem(int array, int index, ReadOnlySpan<byte> value)
    {
        if (index >= outline[array].Count)
        {
            Change(array, static _ => false, [value.ToArray()]);
            return;
        }

        var at = outline[outline.ItemAt(array, index)];
        _edits.Add((at.Start, at.Start, [.. value, (byte)',', .. Lead(array, at)]));
    }

    /// <summary>Removes children for which a condition holds, and puts others behind the last one.</summary>
    /// <param name="container">An object or array.</param>
    /// <param name="isRemoved">Asked with the index of a child.</param>
    /// <param name="added">For an object with name and colon (<see cref="Named"/>).</param>
    public void Change(int container, Func<int, bool> isRemoved, IReadOnlyList<byte[]> added)
    {
        var parent = outline[container];
        if (parent.Count == 0)
        {
            if (added.Count > 0)
            {
                _edits.Add((parent.Start + 1, parent.End - 1, Join(added, [])));
            }

            return;
        }

        var (kept, runStart) = (-1, -1);
        for (var i = parent.FirstChild; i >= 0; i = outline[i].Next)
        {
            if (isRemoved(i))
            {
                runStart = runStart < 0 ? i : runStart;
                continue;
            }

            if (runStart >= 0)
            {
                // Behind a kept one the comma before the run goes, at the beginning the one behind it.
                _edits.Add(kept >= 0 ? (outline[kept].End, outline[outline[i].Previous].End, []) : (Begin(runStart), Begin(i), []));
            }

            (kept, runStart) = (i, -1);
        }

        var lead = Lead(container, outline[parent.LastChild]);
        if (kept < 0)
        {
            _edits.Add(added.Count == 0 ? (parent.Start + 1, parent.End - 1, []) : (Begin(parent.FirstChild), outline[parent.LastChild].End, Join(added, lead)));
            return;
        }

        if (runStart >= 0 || added.Count > 0)
        {
            _edits.Add((outline[kept].End, outline[parent.LastChild].End, added.Count == 0 ? [] : [(byte)',', .. lead, .. Join(added, lead)]));
        }
    }

    /// <summary>A member as text, its colon as the neighbours have it.</summary>
    public byte[] Named(int container, string name, ReadOnlySpan<byte> value)
    {
        var last = outline[container].LastChild;
        return [.. JsonValue.Quote(name), .. last < 0 ? ":"u8 : outline.Text.Span[outline[last].NameEnd..outline[last].Start], .. value];
    }

    /// <summary>The edited text.</summary>
    public ReadOnlyMemory<byte> Apply()
    {
        _edits.Sort(static (a, b) => a.Start != b.Start ? a.Start.CompareTo(b.Start) : a.End.CompareTo(b.End));
        var output = new ArrayBufferWriter<byte>(outline.Text.Length + 64);
        var at = 0;
        foreach (var (start, end, text) in _edits)
        {
            output.Write(outline.Text.Span[at..start]);
            output.Write(text);
            at = end;
        }

        output.Write(outline.Text.Span[at..]);
        return output.WrittenMemory;
    }

    private static byte[] Join(IReadOnlyList<byte[]> items, ReadOnlySpan<byte> lead)
    {
        var output = new ArrayBufferWriter<byte>();
        for (var i = 0; i < items.Count; i++)
        {
            if (i > 0)
            {
                output.Write(","u8);
                output.Write(lead);
            }

            output.Write(items[i]);
        }

        return output.WrittenSpan.ToArray();
    }

    private int Begin(int index) => outline[index].NameStart >= 0 ? outline[index].NameStart : outline[index].Start;

    // White space before a child, behind the bracket or comma.
    private ReadOnlySpan<byte> Lead(int container, in JsonPlace child)
    {
        var begin = child.NameStart >= 0 ? child.NameStart : child.Start;
        var from = child.Previous >= 0 ? outline[child.Previous].End : outline[container].Start + 1;
        var between = outline.Text.Span[from..begin];
        return between[(between.IndexOf((byte)',') + 1)..];
    }
}

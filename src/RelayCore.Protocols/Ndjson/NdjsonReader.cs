namespace RelayCore.Protocols.Ndjson;

/// <summary>
/// Cuts newline-delimited JSON (JSON Lines) into lines. Each octet is looked at once, whatever the splits. A field of its owner; never copied while
/// in use.
/// </summary>
/// <remarks>
/// <code>
/// stream = *( line LF ) [ line ]
/// </code>
/// A line of nothing but white space is a <see cref="UnitStatus.Filler"/>. The last line needs no LF: what is open when the body ends is a line.
/// The texts are not checked: a line that is no JSON is a line. Memory: none besides two fields; who collects the octets of a line bounds them.
/// </remarks>
public struct NdjsonReader
{
    private bool _isOpen;
    private bool _hasText;

    /// <summary>Whether no line is open.</summary>
    public readonly bool IsBetween => !_isOpen;

    /// <summary>Whether the open line has anything but white space.</summary>
    public readonly bool HasText => _hasText;

    /// <summary>Takes the next step.</summary>
    /// <param name="source">Octets behind those read so far.</param>
    public UnitStep Read(ReadOnlySpan<byte> source)
    {
        var end = source.IndexOf((byte)'\n');
        var line = end < 0 ? source : source[..end];
        _hasText = _hasText || line.IndexOfAnyExcept(" \t\r"u8) >= 0;
        if (end < 0)
        {
            _isOpen |= !source.IsEmpty;
            return new(UnitStatus.NeedMore, source.Length);
        }

        var step = new UnitStep(_hasText ? UnitStatus.Message : UnitStatus.Filler, end + 1);
        (_isOpen, _hasText) = (false, false);
        return step;
    }

    /// <summary>Octets of the text at the front of a line: its line end left out.</summary>
    public static int TextLength(ReadOnlySpan<byte> line) =>
        line.EndsWith("\r\n"u8) ? line.Length - 2 : line.EndsWith("\n"u8) ? line.Length - 1 : line.Length;
}

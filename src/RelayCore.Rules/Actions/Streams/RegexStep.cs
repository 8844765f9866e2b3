using System.Buffers;
using System.Text;
using System.Text.RegularExpressions;

namespace RelayCore.Rules.Actions.Streams;

/// <summary>
/// Replaces what a regex matches, whatever the pieces are. The text is looked at in windows whose places depend on the text alone: within each the
/// matches that begin in its first <c>maxMatch</c> octets are settled, because at least as many, and what a match may look at behind itself, follow in
/// the same window. So a match of up to <c>maxMatch</c> octets is found as in the whole text; a longer one is left as it is.
/// </summary>
internal sealed class RegexStep(Regex regex, (string? Text, int Group)[] replacement, int maxMatch) : StreamStep
{
    /// <summary>Octets a pattern sees behind the longest match, for \b.</summary>
    private const int Ahead = 2;

    // The octet before the window, so that \b and ^ see where they are.
    private byte? _before;

    public override int MaxHeld { get; } = (2 * maxMatch) + Ahead;

    protected override int Process(ReadOnlySpan<byte> buffer, bool isLast, IBufferWriter<byte> output)
    {
        var at = 0;
        while (at < buffer.Length && (isLast || buffer.Length - at > MaxHeld))
        {
            at += Window(buffer[at..Math.Min(buffer.Length, at + MaxHeld)], isLast && buffer.Length - at <= MaxHeld, output);
        }

        return at;
    }

    // Returns how much of the window is settled: its first half, or to the end of the last match begun there; all at the end of the body.
    private int Window(ReadOnlySpan<byte> window, bool isEnd, IBufferWriter<byte> output)
    {
        var lead = _before is null ? 0 : 1;
        var text = string.Create(window.Length + lead, new State(window, _before), static (span, state) =>
        {
            var from = state.Before is null ? 0 : 1;
            if (state.Before is { } octet)
            {
                span[0] = (char)octet;
            }

            Encoding.Latin1.GetChars(state.Window, span[from..]);
        });
        var (at, copied) = (lead, lead);
        var limit = isEnd ? text.Length + 1 : lead + maxMatch;
        while (at < limit && at <= text.Length)
        {
            var match = regex.Match(text, at);
            if (!match.Success || match.Index >= limit)
            {
                break;
            }

            // An empty match at the end of a window that is not the last is looked at again from the next one.
            var end = match.Index + match.Length;
            if (match.Length <= maxMatch)
            {
                output.Write(window[(copied - lead)..(match.Index - lead)]);
                Write(match, output);
                copied = end;
            }

            at = match.Length == 0 ? end + 1 : end;
        }

        var settled = isEnd ? text.Length : Math.Min(Math.Max(at, limit), text.Length);
        output.Write(window[(copied - lead)..(settled - lead)]);
        _before = settled > lead ? window[settled - lead - 1] : _before;
        return settled - lead;
    }

    private void Write(Match match, IBufferWriter<byte> output)
    {
        foreach (var (text, group) in replacement)
        {
            if (text is not null)
            {
                Encoding.UTF8.GetBytes(text, output);
            }
            else
            {
                Encoding.Latin1.GetBytes(match.Groups[group].ValueSpan, output);
            }
        }
    }

    private readonly ref struct State(ReadOnlySpan<byte> window, byte? before)
    {
        public ReadOnlySpan<byte> Window { get; } = window;

        public byte? Before { get; } = before;
    }
}

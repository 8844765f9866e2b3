using RelayCore.Protocols;

namespace RelayCore.Engine.Capture;

/// <summary>
/// One flow taken out of the store: its record copied, its large bodies and messages pinned until <see cref="Dispose"/>. Later eviction does not touch it.
/// For one reader at a time.
/// </summary>
public sealed partial class CapturedFlow : IDisposable
{
    private readonly FlowEntry _entry;
    private readonly ReadOnlyMemory<byte> _sections;
    private readonly byte[] _client;
    private readonly byte[] _server;
    private BodyBlocks? _blocks;
    private PinnedMessages? _messages;

    internal CapturedFlow(
        in FlowEntry entry, ReadOnlyMemory<byte> sections, byte[] client, byte[] server, BodyBlocks? blocks, PinnedMessages? messages)
    {
        (_entry, _sections, _client, _server, _blocks, _messages) = (entry, sections, client, server, blocks, messages);
        if (blocks is null)
        {
            GC.SuppressFinalize(this);
        }
    }

    /// <summary>Lets the blocks go that a caller forgot.</summary>
    ~CapturedFlow() => Unpin();

    /// <summary>Id of the flow.</summary>
    public Core.Flows.FlowId Id => new(_entry.Id);

    /// <summary>Whether it had not ended when it was taken.</summary>
    public bool IsRunning => (_entry.Flags & FlowEntry.IsRunning) != 0;

    internal FlowView View => new(_entry, _sections.Span, _client, _server);

    /// <summary>Octets captured of a body.</summary>
    /// <param name="sender">Whose.</param>
    /// <param name="sent">As sent after an actor changed it, or as received.</param>
    /// <returns>-1 when an actor changed nothing and <paramref name="sent"/> is asked for.</returns>
    public long BodyLength(PeerRole sender, bool sent)
    {
        var facts = FlowFacts.Read(View);
        var slot = (int)sender + (sent ? 2 : 0);
        return sent && !facts.Bodies[slot].IsUsed ? -1
            : sent ? facts.Bodies[slot].Prefix <= ViewLength((int)sender) ? facts.Bodies[slot].Prefix + ViewLength(slot) : ViewLength((int)sender)
            : ViewLength(slot);
    }

    /// <summary>Copies captured octets of a body: transfer coding removed, content coding not.</summary>
    /// <param name="sender">Whose.</param>
    /// <param name="sent">As sent after an actor changed it, or as received.</param>
    /// <param name="offset">Where to begin.</param>
    /// <param name="destination">Filled as far as there is something.</param>
    /// <returns>Octets copied; 0 behind the end.</returns>
    public int ReadBody(PeerRole sender, bool sent, long offset, Span<byte> destination)
    {
        var slot = (int)sender + (sent ? 2 : 0);
        if (!sent)
        {
            return ReadView(slot, offset, destination);
        }

        var state = FlowFacts.Read(View).Bodies[slot];
        var prefix = state.IsUsed ? Math.Min(state.Prefix, ViewLength((int)sender)) : 0;
        var copied = offset < prefix ? ReadView((int)sender, offset, destination[..(int)Math.Min(destination.Length, prefix - offset)]) : 0;

        // A prefix that is not captured whole may not be followed by anything: that would hide the hole.
        return prefix < state.Prefix ? copied : copied + ReadView(slot, offset + copied - prefix, destination[copied..]);
    }

    /// <summary>All captured octets of a body, up to a bound.</summary>
    public byte[] ReadBody(PeerRole sender, bool sent, int maxOctets)
    {
        var octets = new byte[(int)Math.Clamp(BodyLength(sender, sent), 0, maxOctets)];
        var length = 0;
        while (length < octets.Length && ReadBody(sender, sent, length, octets.AsSpan(length)) is > 0 and var copied)
        {
            length += copied;
        }

        return length == octets.Length ? octets : octets[..length];
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Unpin();
        GC.SuppressFinalize(this);
    }

    private void Unpin()
    {
        Interlocked.Exchange(ref _messages, null)?.Release();
        Interlocked.Exchange(ref _blocks, null)?.Release();
    }

    private long ViewLength(int slot)
    {
        var length = _blocks?.Length(slot) ?? 0;
        var reader = new RecordReader(_sections.Span);
        while (reader.TryTakeSection(out var tag, out var payload))
        {
            length += tag == SectionTag.Body && payload.Octet() == slot ? payload.Rest.Length : 0;
        }

        return length;
    }

    private int ReadView(int slot, long offset, Span<byte> destination)
    {
        var (start, copied) = (0L, 0);
        var reader = new RecordReader(_sections.Span);
        while (copied < destination.Length && reader.TryTakeSection(out var tag, out var payload))
        {
            if (tag != SectionTag.Body || payload.Octet() != slot)
            {
                continue;
            }

            var piece = payload.Rest;
            var skip = offset + copied - start;
            start += piece.Length;
            if (skip < piece.Length)
            {
                piece = piece[(int)skip..];
                piece = piece[..Math.Min(piece.Length, destination.Length - copied)];
                piece.CopyTo(destination[copied..]);
                copied += piece.Length;
            }
        }

        return copied == destination.Length || _blocks is null ? copied : copied + _blocks.Read(slot, offset + copied - start, destination[copied..]);
    }
}

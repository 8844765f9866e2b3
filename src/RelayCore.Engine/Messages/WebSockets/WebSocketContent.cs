using RelayCore.Engine.Memory;
using RelayCore.Protocols.WebSockets;

namespace RelayCore.Engine.Messages.WebSockets;

/// <summary>
/// The content of one sender's messages: inflates, checks text, and keeps the first octets. Holds no buffer between messages, and of the
/// compression only the window.
/// </summary>
/// <param name="maxDecoded">Octets a message may inflate to; beyond that it is not decoded any more.</param>
internal sealed class WebSocketContent(long maxDecoded)
{
    private const int ChunkOctets = 16 * 1024;

    private MessageInflater? _inflater;
    private Utf8Validator _text;
    private OctetBuffer _kept;
    private bool _isText;
    private bool _isCompressed;
    private bool _hasInput;
    private bool _dropsContext;

    /// <summary>Octets to keep of a message.</summary>
    public required int Limit { get; set; }

    /// <summary>Octets of the message so far, decoded.</summary>
    public long Total { get; private set; }

    /// <summary>
    /// Whether a message inflated beyond its bound, so that neither it nor, with context takeover, what follows can be decoded: octets are kept
    /// as received.
    /// </summary>
    public bool IsUndecodable { get; private set; }

    /// <summary>What is kept.</summary>
    public ReadOnlySpan<byte> Kept => _kept.Span;

    /// <summary>What is kept.</summary>
    public ReadOnlyMemory<byte> KeptMemory => _kept.Memory;

    /// <summary>Begins a message.</summary>
    /// <param name="isText">Whether it must be UTF-8.</param>
    /// <param name="isCompressed">Whether it is compressed.</param>
    /// <param name="dropsContext">Whether the sender begins each with an empty window.</param>
    public void Begin(bool isText, bool isCompressed, bool dropsContext)
    {
        (_isText, _isCompressed, _dropsContext, _hasInput, Total) = (isText, isCompressed, dropsContext, false, 0);
        _text.Reset();
        _kept.Clear();
        if (isCompressed)
        {
            IsUndecodable &= !dropsContext;
            _inflater ??= IsUndecodable ? null : new();
        }
    }

    /// <summary>Checks text that is a whole message in one piece, without keeping it.</summary>
    public static WebSocketFault CheckWhole(bool isText, ReadOnlySpan<byte> content) =>
        isText && !System.Text.Unicode.Utf8.IsValid(content) ? WebSocketFault.InvalidUtf8 : WebSocketFault.None;

    /// <summary>Takes the next unmasked octets.</summary>
    public WebSocketFault Append(ReadOnlySpan<byte> payload)
    {
        _hasInput |= !payload.IsEmpty;
        return _isCompressed && !IsUndecodable ? Inflate(payload) : Take(payload);
    }

    /// <summary>The message is whole.</summary>
    public WebSocketFault End()
    {
        if (_isCompressed && !IsUndecodable)
        {
            // An empty payload is no DEFLATE, but there is only one thing it can mean.
            var fault = _hasInput ? Inflate(PerMessageDeflate.Tail) : WebSocketFault.None;
            if (fault != WebSocketFault.None || IsUndecodable)
            {
                return fault;
            }

            if (!_inflater!.IsAtBoundary)
            {
                return WebSocketFault.BadCompression;
            }

            if (_dropsContext)
            {
                _inflater.DropContext();
            }
        }

        return _isText && !IsUndecodable && !_text.IsComplete ? WebSocketFault.InvalidUtf8 : WebSocketFault.None;
    }

    /// <summary>Forgets what is kept, within a message, and keeps the room.</summary>
    public void Clear() => _kept.Clear();

    /// <summary>Gives the room back.</summary>
    public void Release() => _kept.Release();

    private WebSocketFault Inflate(ReadOnlySpan<byte> payload)
    {
        var chunk = BufferPool.Rent(ChunkOctets);
        try
        {
            while (true)
            {
                var status = _inflater!.Inflate(payload, chunk, out var consumed, out var written);
                if (Take(chunk.AsSpan(0, written)) is not WebSocketFault.None and var fault)
                {
                    return fault;
                }

                if (status != InflateStatus.NeedOutput)
                {
                    return status == InflateStatus.Damaged ? WebSocketFault.BadCompression : WebSocketFault.None;
                }

                if (Total > maxDecoded)
                {
                    (IsUndecodable, _inflater) = (true, null);
                    return WebSocketFault.None;
                }

                payload = payload[consumed..];
            }
        }
        finally
        {
            BufferPool.Return(chunk);
        }
    }

    private WebSocketFault Take(ReadOnlySpan<byte> content)
    {
        Total += content.Length;
        if (_isText && !IsUndecodable && !_text.TryAppend(content))
        {
            return WebSocketFault.InvalidUtf8;
        }

        _kept.Append(content[..Math.Clamp(Limit - _kept.Length, 0, content.Length)]);
        return WebSocketFault.None;
    }
}

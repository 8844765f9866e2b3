using System.Buffers;

namespace RelayCore.Protocols.WebSockets;

/// <summary>How far a reader got.</summary>
public enum WebSocketStatus : byte
{
    /// <summary>Nothing to be done with what is there.</summary>
    NeedMore,

    /// <summary>A frame, or a part of one.</summary>
    Frame,

    /// <summary>A rule is broken; the connection cannot go on.</summary>
    Invalid,
}

/// <summary>One step of a <see cref="WebSocketFrameReader"/>.</summary>
/// <param name="Status">What it found.</param>
/// <param name="Consumed">Octets of the source it covers, header included.</param>
/// <param name="PayloadStart">Where the payload part begins in the source; it ends at <paramref name="Consumed"/>.</param>
/// <param name="Offset">Offset of that part within the frame's payload.</param>
/// <param name="IsFrameStart">Whether the header is in this step.</param>
/// <param name="IsFrameEnd">Whether the frame ends here.</param>
/// <param name="Fault">The rule broken.</param>
public readonly record struct WebSocketStep(
    WebSocketStatus Status, int Consumed, int PayloadStart, long Offset, bool IsFrameStart, bool IsFrameEnd, WebSocketFault Fault);

/// <summary>
/// Reads what one peer sends, frame by frame, and keeps the rules that span frames (RFC 6455 §5.4). A data frame comes in as many steps as it
/// was received in, so that nothing waits for its end; a control frame comes whole. Sans-I/O; allocates nothing.
/// </summary>
/// <remarks>
/// <code>
/// message = single / first *continuation last     ; control frames may stand between
/// </code>
/// </remarks>
public sealed class WebSocketFrameReader(WebSocketFrameRules rules)
{
    private WebSocketFrameHeader _header;
    private long _remaining;
    private bool _isInFrame;

    /// <summary>The frame of the last step.</summary>
    public WebSocketFrameHeader Header => _header;

    /// <summary>
    /// Type of the message that is under way, or of the one that ended with the last step; <see cref="WebSocketOpcode.Continuation"/> before the first.
    /// </summary>
    public WebSocketOpcode MessageOpcode { get; private set; }

    /// <summary>Whether that message is compressed (RFC 7692 §6).</summary>
    public bool IsMessageCompressed { get; private set; }

    /// <summary>Whether a message was begun and its last frame has not ended.</summary>
    public bool IsInMessage { get; private set; }

    /// <summary>Whether a frame was begun and has not ended.</summary>
    public bool IsInFrame => _isInFrame;

    /// <summary>Takes the next step.</summary>
    /// <param name="source">Octets received and not consumed.</param>
    public WebSocketStep Read(ReadOnlySpan<byte> source)
    {
        if (_isInFrame)
        {
            return source.IsEmpty ? default : Payload(source, 0, isStart: false);
        }

        var status = WebSocketFrameHeader.TryRead(source, rules, out var header, out var octets, out var fault);
        if (status == OperationStatus.Done)
        {
            fault = Sequence(header);
        }

        if (fault != WebSocketFault.None)
        {
            return new(WebSocketStatus.Invalid, 0, 0, 0, false, false, fault);
        }

        if (status == OperationStatus.NeedMoreData || (header.IsControl && source.Length - octets < header.PayloadLength))
        {
            return default;
        }

        (_header, _remaining, _isInFrame) = (header, header.PayloadLength, true);
        if (header.Opcode is WebSocketOpcode.Text or WebSocketOpcode.Binary || (rules.AllowsAnything && !header.IsControl && !IsInMessage))
        {
            (MessageOpcode, IsMessageCompressed, IsInMessage) = (header.Opcode, (header.Reserved & WebSocketFrameHeader.Compressed) != 0, true);
        }

        return Payload(source, octets, isStart: true);
    }

    private WebSocketFault Sequence(in WebSocketFrameHeader header) => header.Opcode switch
    {
        _ when rules.AllowsAnything => WebSocketFault.None,
        WebSocketOpcode.Continuation => IsInMessage ? WebSocketFault.None : WebSocketFault.UnexpectedContinuation,
        WebSocketOpcode.Text or WebSocketOpcode.Binary => IsInMessage ? WebSocketFault.MessageInMessage : WebSocketFault.None,
        _ => WebSocketFault.None,
    };

    private WebSocketStep Payload(ReadOnlySpan<byte> source, int start, bool isStart)
    {
        var length = (int)Math.Min(_remaining, source.Length - start);
        var offset = _header.PayloadLength - _remaining;
        _remaining -= length;
        _isInFrame = _remaining > 0;
        if (!_isInFrame && _header.IsFinal && !_header.IsControl)
        {
            IsInMessage = false;
        }

        return new(WebSocketStatus.Frame, start + length, start, offset, isStart, !_isInFrame, WebSocketFault.None);
    }
}

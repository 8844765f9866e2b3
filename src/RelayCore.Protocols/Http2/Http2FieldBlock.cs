using System.Buffers;

namespace RelayCore.Protocols.Http2;

/// <summary>What a frame was to <see cref="Http2FieldBlock"/>.</summary>
public enum Http2FieldBlockStep : byte
{
    /// <summary>Not part of a field block, and none is open: handle it as it is.</summary>
    Unrelated,

    /// <summary>A fragment; the block goes on in CONTINUATION.</summary>
    More,

    /// <summary>The block is complete.</summary>
    Complete,

    /// <summary>A rule is broken; the connection cannot continue, the state of field compression being lost.</summary>
    Invalid,
}

/// <summary>
/// Gathers a field block from HEADERS or PUSH_PROMISE and the CONTINUATION frames behind (RFC 9113 §4.3, §6.10). One per direction of a
/// connection; every frame goes through <see cref="Take"/>, so that nothing can come in between.
/// </summary>
/// <remarks>Memory: none for a block in one frame, otherwise one pooled buffer up to <see cref="Http2Limits.MaxFieldBlockOctets"/> until <see cref="Release"/>.</remarks>
public sealed class Http2FieldBlock(Http2Limits limits) : IDisposable
{
    private byte[]? _buffer;
    private int _length;
    private int _continuations;
    private bool _endsStream;

    /// <summary>Whether fragments are missing: only their CONTINUATION may follow.</summary>
    public bool IsOpen { get; private set; }

    /// <summary>HEADERS or PUSH_PROMISE: what the block taken last began with.</summary>
    public Http2FrameType Type { get; private set; }

    /// <summary>The stream of the block taken last.</summary>
    public int StreamId { get; private set; }

    /// <summary>PUSH_PROMISE: the promised stream; otherwise 0.</summary>
    public int PromisedStreamId { get; private set; }

    /// <summary>Whether its HEADERS carry END_STREAM: the stream ends when the block is complete (§6.2).</summary>
    public bool EndsStream => _endsStream;

    /// <summary>The priority of RFC 7540 in its HEADERS, or <see langword="null"/>.</summary>
    public Http2Priority? Priority { get; private set; }

    /// <summary>Takes one frame.</summary>
    /// <param name="frame">Every frame received, in order.</param>
    /// <param name="block">With <see cref="Http2FieldBlockStep.Complete"/> the whole block: borrows the frame, or is valid until <see cref="Release"/>.</param>
    /// <param name="error">With <see cref="Http2FieldBlockStep.Invalid"/> the connection error.</param>
    public Http2FieldBlockStep Take(scoped in Http2Frame frame, out ReadOnlySpan<byte> block, out Http2Error error)
    {
        block = default;
        error = default;
        if (frame.Type is Http2FrameType.Headers or Http2FrameType.PushPromise && !IsOpen)
        {
            (Type, StreamId, Priority, _endsStream) = (frame.Type, frame.StreamId, frame.Priority, frame.EndsStream);
            PromisedStreamId = frame.Type == Http2FrameType.PushPromise ? frame.PromisedStreamId : 0;
            Release();
            if (frame.Payload.Length > limits.MaxFieldBlockOctets)
            {
                error = Http2Error.Calm(Http2Fault.FieldBlockTooLarge);
                return Http2FieldBlockStep.Invalid;
            }

            if (frame.EndsHeaders)
            {
                block = frame.Payload;
                return Http2FieldBlockStep.Complete;
            }

            IsOpen = true;
            Append(frame.Payload);
            return Http2FieldBlockStep.More;
        }

        if (frame.Type != Http2FrameType.Continuation && !IsOpen)
        {
            return Http2FieldBlockStep.Unrelated;
        }

        error = !IsOpen ? Http2Error.Protocol(Http2Fault.UnexpectedContinuation)
            : frame.Type != Http2FrameType.Continuation || frame.StreamId != StreamId ? Http2Error.Protocol(Http2Fault.FieldBlockInterrupted)
            : ++_continuations > limits.MaxContinuations ? Http2Error.Calm(Http2Fault.TooManyContinuations)
            : frame.Payload.Length > limits.MaxFieldBlockOctets - _length ? Http2Error.Calm(Http2Fault.FieldBlockTooLarge)
            : default;
        if (error.IsError)
        {
            Release();
            return Http2FieldBlockStep.Invalid;
        }

        Append(frame.Payload);
        if (!frame.EndsHeaders)
        {
            return Http2FieldBlockStep.More;
        }

        IsOpen = false;
        block = _buffer.AsSpan(0, _length);
        return Http2FieldBlockStep.Complete;
    }

    /// <summary>Gives the buffer back once a complete block has been decoded. A second call does nothing.</summary>
    public void Release()
    {
        if (_buffer is not null)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
        }

        (_buffer, _length, _continuations, IsOpen) = (null, 0, 0, false);
    }

    /// <inheritdoc/>
    public void Dispose() => Release();

    private void Append(ReadOnlySpan<byte> fragment)
    {
        if (_buffer is null || _buffer.Length - _length < fragment.Length)
        {
            var larger = ArrayPool<byte>.Shared.Rent(Math.Max(_length + fragment.Length, 2 * _length));
            if (_buffer is not null)
            {
                _buffer.AsSpan(0, _length).CopyTo(larger);
                ArrayPool<byte>.Shared.Return(_buffer);
            }

            _buffer = larger;
        }

        fragment.CopyTo(_buffer.AsSpan(_length));
        _length += fragment.Length;
    }
}

using RelayCore.Core.Limits;
using RelayCore.Engine.Capture;
using RelayCore.Engine.Messages;
using RelayCore.Protocols;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http1;

namespace RelayCore.Engine.Http;

/// <summary>Follows one body through the octets of its connection, whatever its framing: tells what belongs to it, where the data lies, where it ends.</summary>
/// <param name="sender">Whose body.</param>
/// <param name="recorder">Sees data and trailers as they are found; <see langword="null"/> when somebody else records them.</param>
internal sealed class BodyScanner(PeerRole sender, FlowRecorder? recorder)
{
    private readonly FieldSection _trailers = new();
    private Http1Limits _limits = Http1Limits.Default;
    private Http1Repairs _allowed;
    private ChunkedReader _chunked;
    private long _remaining;
    private int _trailerOctets;

    public BodyFraming Framing { get; private set; }

    /// <summary>The messages of the body, when it is a stream of them; unless they are edited they are shown the data as it passes.</summary>
    public BodyMessages? Messages { get; set; }

    /// <summary>Whether the body was ended before its end.</summary>
    public bool IsAbandoned { get; private set; }

    /// <summary>Whether a chunk of another's may stand behind the octets consumed so far.</summary>
    public bool IsBetweenChunks => Framing.Kind != BodyFramingKind.Chunked || _chunked.IsBetweenChunks;

    /// <summary>Whether the last octet was seen.</summary>
    public bool IsComplete { get; private set; }

    /// <summary>Octets of data seen.</summary>
    public long DataOctets { get; private set; }

    /// <summary>Trailers, once complete; no lines when there were none.</summary>
    public FieldSection Trailers => _trailers;

    /// <summary>
    /// The trailer section as it is to be forwarded, when the one received had to be repaired; behind
    /// <see cref="Advance"/> its octets are still unconsumed and the body is not complete before <see cref="TakeTrailers"/>.
    /// </summary>
    public byte[]? RepairedTrailers { get; private set; }

    /// <summary>Completes the body behind repaired trailers.</summary>
    /// <returns>Octets the received section occupies.</returns>
    public int TakeTrailers()
    {
        (RepairedTrailers, IsComplete) = (null, true);
        EndMessages();
        return _trailerOctets;
    }

    public void Begin(BodyFraming framing, EngineLimits limits, Http1Repairs allowed)
    {
        (Framing, _limits, _allowed) = (framing, limits.Http1, allowed);
        _remaining = framing.Length;
        _chunked = new(limits.Http1, lenient: (allowed & Http1Repairs.SpaceBeforeColon) != 0);
        _trailers.Clear();
        (RepairedTrailers, Messages, IsAbandoned) = (null, null, false);
        DataOctets = 0;
        IsComplete = framing.IsEmpty;
    }

    /// <summary>The peer ended its side.</summary>
    /// <returns>Whether the body is complete by that.</returns>
    public bool End()
    {
        IsComplete |= Framing.Kind == BodyFramingKind.UntilClose;
        EndMessages();
        return IsComplete;
    }

    /// <summary>Ends the body before its end: nothing more of it is wanted.</summary>
    public void Abandon() => (IsComplete, IsAbandoned) = (true, true);

    /// <summary>Takes the next step; data is shown to the recorder?.</summary>
    /// <param name="source">Octets not consumed.</param>
    public ChunkedStep Step(ReadOnlySpan<byte> source)
    {
        if (Framing.Kind == BodyFramingKind.Chunked)
        {
            var step = _chunked.Read(source);
            if (step.Status == ChunkedStatus.Data)
            {
                DataOctets += step.Length;
                Show(source.Slice(step.Start, step.Length));
            }
            else if (step.Status == ChunkedStatus.End)
            {
                IsComplete = true;
                EndMessages();
                if (step.Length > 2)
                {
                    var section = source.Slice(step.Start, step.Length);
                    recorder?.Trailers(sender, section);
                    var error = Http1HeadReader.ReadTrailers(section, _limits, _allowed, _trailers, out var repairs);
                    if (error.IsError)
                    {
                        return new(ChunkedStatus.Invalid, 0, Error: new(Http1Fault.InvalidTrailer, step.Start + error.Offset));
                    }

                    if (repairs != Http1Repairs.None)
                    {
                        var repaired = new byte[_trailers.WrittenBound + Http1HeadWriter.Overhead];
                        var written = Http1HeadWriter.WriteFields(repaired, _trailers, default, ConnectionOptions.None);
                        (RepairedTrailers, _trailerOctets) = (repaired[..written], step.Length);
                    }
                }
            }

            return step;
        }

        var length = Framing.Kind == BodyFramingKind.UntilClose ? source.Length : (int)Math.Min(_remaining, source.Length);
        if (length == 0)
        {
            return new(ChunkedStatus.NeedMore, 0);
        }

        _remaining -= length;
        DataOctets += length;
        IsComplete = Framing.Kind == BodyFramingKind.Length && _remaining == 0;
        Show(source[..length]);
        EndMessages();
        return new(ChunkedStatus.Data, length, 0, length);
    }

    private void Show(ReadOnlySpan<byte> data)
    {
        recorder?.Body(sender, data);
        if (Messages is { IsTransformed: false } messages)
        {
            messages.Observe(data);
        }
    }

    private void EndMessages()
    {
        if (IsComplete && Messages is { IsTransformed: false } messages)
        {
            messages.End(isWhole: true);
        }
    }

    /// <summary>Goes as far as the octets reach.</summary>
    /// <returns>Octets that may be forwarded as they are.</returns>
    public int Advance(ReadOnlySpan<byte> source, out Http1Error error)
    {
        error = default;
        var total = 0;
        while (!IsComplete && RepairedTrailers is null && total < source.Length)
        {
            var step = Step(source[total..]);
            if (step.Status == ChunkedStatus.Invalid)
            {
                error = step.Error with { Offset = total + step.Error.Offset };
                return total + step.Consumed;
            }

            if (RepairedTrailers is not null)
            {
                IsComplete = false;
                return total + step.Start;
            }

            total += step.Consumed;
            if (step.Status == ChunkedStatus.NeedMore)
            {
                break;
            }
        }

        return total;
    }
}

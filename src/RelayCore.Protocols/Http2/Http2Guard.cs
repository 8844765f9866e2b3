namespace RelayCore.Protocols.Http2;

/// <summary>
/// Counts what a peer can send cheaply and we handle dearly, over time, and names the flood when one begins (RFC 9113 §10.5). One for each
/// connection. Moments are given, on any monotonic clock.
/// </summary>
/// <remarks>Memory: one bucket of two numbers per kind. Allocates nothing after construction.</remarks>
public sealed class Http2Guard
{
    private const int PrioritiesPerStream = 5;
    private const int UpdatesPerData = 2; // one for the stream, one for the connection

    private readonly Http2Limits _limits;
    private Bucket _resets;
    private Bucket _rapidResets;
    private Bucket _provokedResets;
    private Bucket _settings;
    private Bucket _pings;
    private Bucket _emptyData;
    private Bucket _emptyFieldBlocks;
    private Bucket _priorities;
    private Bucket _smallWindowUpdates;
    private Bucket _unknownFrames;

    /// <summary>A connection at its start: every burst is there.</summary>
    public Http2Guard(Http2Limits limits, TimeSpan now)
    {
        _limits = limits;
        _resets = new(limits.Resets, now);
        _rapidResets = new(limits.RapidResets, now);
        _provokedResets = new(limits.ProvokedResets, now);
        _settings = new(limits.Settings, now);
        _pings = new(limits.Pings, now);
        _emptyData = new(limits.EmptyData, now);
        _emptyFieldBlocks = new(limits.EmptyFieldBlocks, now);
        _priorities = new(limits.Priorities, now);
        _smallWindowUpdates = new(limits.SmallWindowUpdates, now);
        _unknownFrames = new(limits.UnknownFrames, now);
    }

    /// <summary>Counts one frame, or piece of one.</summary>
    /// <param name="frame">Every frame received.</param>
    /// <param name="now">The moment.</param>
    /// <returns>None, or a connection error ENHANCE_YOUR_CALM whose fault names the flood.</returns>
    public Http2Error Receive(in Http2Frame frame, TimeSpan now)
    {
        if (!frame.IsFirstPiece)
        {
            return default;
        }

        switch (frame.Type)
        {
            case Http2FrameType.Data:
                // An empty frame may say END_STREAM, once a stream. Padding is no content.
                if (frame.Length > frame.PadLength + ((frame.Flags & Http2FrameFlags.Padded) != 0 ? 1 : 0))
                {
                    _pings.Credit(1, _limits.Pings);
                    return default;
                }

                return (frame.Flags & Http2FrameFlags.EndStream) != 0 ? default : Count(ref _emptyData, _limits.EmptyData, Http2Fault.EmptyDataFlood, now);

            case Http2FrameType.Headers or Http2FrameType.PushPromise or Http2FrameType.Continuation:
                if (frame.Type == Http2FrameType.Headers)
                {
                    _priorities.Credit(PrioritiesPerStream, _limits.Priorities);
                }

                return !frame.Payload.IsEmpty || frame.EndsHeaders ? default
                    : Count(ref _emptyFieldBlocks, _limits.EmptyFieldBlocks, Http2Fault.EmptyFieldBlockFlood, now);

            case Http2FrameType.Priority or Http2FrameType.PriorityUpdate:
                return Count(ref _priorities, _limits.Priorities, Http2Fault.PriorityFlood, now);

            case Http2FrameType.RstStream:
                return Count(ref _resets, _limits.Resets, Http2Fault.ResetFlood, now);

            case Http2FrameType.Settings:
                return frame.IsAck ? default : Count(ref _settings, _limits.Settings, Http2Fault.SettingsFlood, now);

            case Http2FrameType.Ping:
                return frame.IsAck ? default : Count(ref _pings, _limits.Pings, Http2Fault.PingFlood, now);

            case Http2FrameType.WindowUpdate:
                return frame.Increment >= _limits.SmallIncrement ? default
                    : Count(ref _smallWindowUpdates, _limits.SmallWindowUpdates, Http2Fault.WindowUpdateFlood, now);

            case Http2FrameType.GoAway:
                return default; // costs no more than its octets: it only lowers a number

            default:
                return Count(ref _unknownFrames, _limits.UnknownFrames, Http2Fault.UnknownFrameFlood, now);
        }
    }

    /// <summary>A DATA frame was sent to the peer: it answers with WINDOW_UPDATE, and may measure with PING.</summary>
    /// <param name="isCutByWindow">
    /// Whether only the window kept it from being longer. It earns no updates then: the peer would pay for an octet with an octet (CVE-2019-9511).
    /// </param>
    public void DataSent(bool isCutByWindow) => DataSent(1, isCutByWindow ? 0 : 1);

    /// <summary>As many DATA frames were sent to the peer since it was last said.</summary>
    /// <param name="frames">All of them.</param>
    /// <param name="uncut">Those that not only the window kept from being longer.</param>
    public void DataSent(int frames, int uncut)
    {
        _smallWindowUpdates.Credit(uncut * UpdatesPerData, _limits.SmallWindowUpdates);
        _pings.Credit(frames, _limits.Pings);
    }

    /// <summary>The peer reset a stream it had opened (besides <see cref="Receive"/> of the frame).</summary>
    /// <param name="opened">When it opened it.</param>
    /// <param name="isAnswered">Whether a response head had been sent on it.</param>
    /// <param name="now">The moment.</param>
    /// <returns>None, or a connection error.</returns>
    public Http2Error ResetByPeer(TimeSpan opened, bool isAnswered, TimeSpan now) => isAnswered || now - opened > _limits.RapidResetAge ? default
        : Count(ref _rapidResets, _limits.RapidResets, Http2Fault.RapidReset, now);

    /// <summary>We are about to reset a stream for a stream error of the peer, a malformed message included.</summary>
    /// <param name="now">The moment.</param>
    /// <returns>None, or a connection error.</returns>
    public Http2Error ResetByUs(TimeSpan now) => Count(ref _provokedResets, _limits.ProvokedResets, Http2Fault.ProvokedResets, now);

    private static Http2Error Count(ref Bucket bucket, Http2Rate rate, Http2Fault fault, TimeSpan now) =>
        bucket.TryTake(rate, now) ? default : Http2Error.Calm(fault);

    private struct Bucket(Http2Rate rate, TimeSpan now)
    {
        private double _level = rate.Burst;
        private TimeSpan _filled = now;

        public bool TryTake(Http2Rate rate, TimeSpan now)
        {
            if (now > _filled)
            {
                _level = Math.Min(rate.Burst, _level + ((now - _filled).TotalSeconds * rate.PerSecond));
                _filled = now;
            }

            if (_level < 1)
            {
                return false;
            }

            _level--;
            return true;
        }

        public void Credit(int number, Http2Rate rate) => _level = Math.Min(rate.Burst, _level + number);
    }
}

using System.Buffers;
using System.Text;
using RelayCore.Fuzz.Oracles;
using RelayCore.Protocols;
using RelayCore.Protocols.Http2;

namespace RelayCore.Fuzz;

/// <summary>
/// HTTP/2 frames and field blocks, fed in one piece and in pieces. The first octet of an input chooses the mode (bits: 1 frames of at most 40
/// octets, 2 small limits, 4 the sender is a server), the second the cuts. Behind the comparison the frames go through the stream rules, settings
/// and the guard, which have to end in an answer and keep their invariants.
/// </summary>
internal sealed class Http2FramesTarget : IFuzzTarget
{
    private static readonly Http2Limits s_small = new() { MaxFieldBlockOctets = 48, MaxContinuations = 3, MaxSettings = 8 };

    public string Name => "http2-frames";

    public void Run(ReadOnlySpan<byte> input)
    {
        if (input.Length < 2)
        {
            return;
        }

        var (mode, cuts) = (input[0], input[1]);
        var wire = input[2..].ToArray();
        var (maxFrameSize, limits) = ((mode & 1) != 0 ? 40 : Http2Settings.MinMaxFrameSize, (mode & 2) != 0 ? s_small : Http2Limits.Default);
        var expected = string.Join('\n', FrameOracle.Read(wire, maxFrameSize, limits));
        FindingException.ThrowIfDifferent(expected, string.Join('\n', Decode(wire, [wire.Length], maxFrameSize, limits)), "frames");
        FindingException.ThrowIfDifferent(expected, string.Join('\n', Decode(wire, Cuts(new Random(cuts), wire.Length), maxFrameSize, limits)), "frames in pieces");
        Behave(wire, maxFrameSize, limits, (mode & 4) != 0 ? PeerRole.Server : PeerRole.Client);
    }

    /// <summary>
    /// Reads as a connection does: a buffer that receives pieces, up to each of <paramref name="ends"/>, and drops what was consumed. Pieces of a
    /// frame are put together again.
    /// </summary>
    internal static List<string> Decode(byte[] wire, IEnumerable<int> ends, int maxFrameSize, Http2Limits limits)
    {
        var lines = new List<string>();
        var reader = default(Http2FrameReader);
        var block = new Http2FieldBlock(limits);
        var (content, received, head) = (new StringBuilder(), 0, "");
        var at = 0;
        foreach (var end in ends)
        {
            while (true)
            {
                var status = reader.TryRead(wire.AsSpan(at, end - at), maxFrameSize, out var frame, out var consumed, out var error);
                if (status == OperationStatus.InvalidData)
                {
                    return [.. lines, FrameOracle.Text(error)];
                }

                if (status != OperationStatus.Done)
                {
                    FindingException.ThrowIfDifferent((0, false), (consumed, error.IsError), "what an unfinished frame consumed");
                    break;
                }

                FindingException.ThrowIfDifferent(reader.IsInsideFrame, !frame.IsLastPiece, "whether the frame goes on");
                FindingException.ThrowIfDifferent(frame.Type == Http2FrameType.Data ? frame.PayloadOctets : 0, frame.FlowControlledOctets, "octets against the window");
                at += consumed;
                if (frame.IsFirstPiece)
                {
                    content.Clear();
                    received = 0;
                    head = error.IsError ? " " + FrameOracle.Text(error) : "";
                }
                else
                {
                    lines.RemoveAt(lines.Count - 1);
                }

                content.Append(Convert.ToHexString(frame.Payload));
                received += frame.PayloadOctets;
                lines.Add(FrameOracle.Line(
                    (int)frame.Type, (int)frame.Flags, frame.StreamId, frame.Length, frame.PadLength, Facts(frame), content.ToString(), received) + head);

                switch (block.Take(frame, out var octets, out error))
                {
                    case Http2FieldBlockStep.Invalid:
                        lines.RemoveAt(lines.Count - 1); // how much of it was there depends on the cuts
                        return [.. lines, FrameOracle.Text(error)];

                    case Http2FieldBlockStep.Complete:
                        lines.Add($"BLOCK {block.StreamId} {Convert.ToHexString(octets)}");
                        block.Release();
                        break;

                    default:
                        break;
                }
            }
        }

        return [.. lines, "MORE"];
    }

    private static IEnumerable<int> Cuts(Random random, int length)
    {
        var end = 0;
        do
        {
            end = Math.Min(length, end + random.Next(1, random.Next(2, 40)));
            yield return end;
        }
        while (end < length);
    }

    /// <summary>The facts of a frame, written again from what its properties say; reserved bits are gone.</summary>
    private static string Facts(in Http2Frame frame)
    {
        static string Hex(uint word) => word.ToString("X8", System.Globalization.CultureInfo.InvariantCulture);
        return frame.Type switch
        {
            Http2FrameType.Headers or Http2FrameType.Priority when frame.Priority is { } priority =>
                Hex((uint)priority.DependsOn | (priority.IsExclusive ? 1u << 31 : 0)) + ((byte)(priority.Weight - 1)).ToString("X2", System.Globalization.CultureInfo.InvariantCulture),
            Http2FrameType.RstStream => Hex((uint)frame.ErrorCode),
            Http2FrameType.PushPromise => Hex((uint)frame.PromisedStreamId),
            Http2FrameType.WindowUpdate => Hex((uint)frame.Increment),
            Http2FrameType.PriorityUpdate => Hex((uint)frame.PrioritizedStreamId),
            Http2FrameType.GoAway => Hex((uint)frame.LastStreamId) + Hex((uint)frame.ErrorCode),
            _ => "",
        };
    }

    /// <summary>A small engine: enough to take every frame where the real one would.</summary>
    private static void Behave(byte[] wire, int maxFrameSize, Http2Limits limits, PeerRole sender)
    {
        var reader = default(Http2FrameReader);
        var block = new Http2FieldBlock(limits);
        var streams = new Http2Streams(sender);
        var live = new Dictionary<int, Http2StreamState>();
        var settings = new Http2Settings();
        var guard = new Http2Guard(limits, TimeSpan.Zero);
        var connection = new ReceiveWindow(Http2Settings.DefaultWindowSize, 1 << 20, TimeSpan.Zero);
        var send = new SendWindow(Http2Settings.DefaultWindowSize);
        for (var own = 0; own < 3; own++)
        {
            var state = default(Http2StreamState);
            state.TrySend(Http2FrameType.Headers, endsStream: own == 0);
            live[streams.OpenOwn()] = state;
        }

        var at = 0;
        while (reader.TryRead(wire.AsSpan(at), maxFrameSize, out var frame, out var consumed, out _) == OperationStatus.Done)
        {
            at += consumed;
            var now = TimeSpan.FromMilliseconds(at);
            if (guard.Receive(frame, now).IsError || block.Take(frame, out _, out _) == Http2FieldBlockStep.Invalid)
            {
                return;
            }

            switch (frame.Type)
            {
                case Http2FrameType.Settings when settings.Apply(frame, sender, limits).IsError:
                    return;

                case Http2FrameType.Settings:
                    var record = Http2SettingsRecord.From(frame.Settings);
                    FindingException.ThrowIfDifferent(record.IsTruncated ? null : record, record.IsTruncated ? null : Http2SettingsRecord.Parse(record.ToString()), "settings as text");
                    break;

                case Http2FrameType.WindowUpdate when frame.StreamId == 0 && !send.TryIncrease(frame.Increment):
                    return;

                case Http2FrameType.PriorityUpdate when StreamPriority.Parse(frame.Payload).Urgency > 7:
                    throw new FindingException("urgency above 7");

                case Http2FrameType.Data when !connection.TryReceive(frame.FlowControlledOctets):
                    return;

                case Http2FrameType.Data:
                    connection.Release(frame.FlowControlledOctets, now, TimeSpan.FromMilliseconds(1));
                    FindingException.ThrowIfDifferent(connection.Size, connection.Available + connection.Pending + connection.Held, "the parts of the window");
                    break;

                default:
                    break;
            }

            if (frame.StreamId != 0 && frame.Type != Http2FrameType.Continuation && !TakeOnStream(streams, live, frame))
            {
                return;
            }
        }
    }

    private static bool TakeOnStream(Http2Streams streams, Dictionary<int, Http2StreamState> live, in Http2Frame frame)
    {
        if (!live.TryGetValue(frame.StreamId, out var state))
        {
            var lookup = streams.Receive(frame.Type, frame.StreamId, out var lookupError);
            FindingException.ThrowIfDifferent(lookup is Http2StreamLookup.ConnectionError, lookupError.IsConnectionError, "look-up and error");
            if (lookup == Http2StreamLookup.Opened)
            {
                state.Receive(frame.Type, frame.EndsStream, frame.StreamId, out _);
                live[frame.StreamId] = state;
            }

            return lookup != Http2StreamLookup.ConnectionError;
        }

        var ruling = state.Receive(frame.Type, frame.EndsStream, frame.StreamId, out var error);
        FindingException.ThrowIfDifferent(ruling == Http2Ruling.StreamError, error.IsStreamError, "ruling and error");
        if (ruling == Http2Ruling.StreamError && !state.TrySend(Http2FrameType.RstStream, endsStream: false))
        {
            throw new FindingException($"a live stream that cannot be reset: {state.Phase}");
        }

        live[frame.StreamId] = state;
        if (state.Phase == Http2StreamPhase.Closed)
        {
            live.Remove(frame.StreamId);
            streams.Close(frame.StreamId, state.End);
        }

        return ruling != Http2Ruling.ConnectionError;
    }
}

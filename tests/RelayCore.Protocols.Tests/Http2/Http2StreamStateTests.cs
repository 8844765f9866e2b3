using RelayCore.Protocols.Http2;
using Xunit;

namespace RelayCore.Protocols.Tests.Http2;

/// <summary>RFC 9113 §5.1, every phase with every frame.</summary>
public sealed class Http2StreamStateTests
{
    // One letter per frame: d DATA, D DATA with END_STREAM, h HEADERS, H HEADERS with END_STREAM, r RST_STREAM, w WINDOW_UPDATE, p PRIORITY,
    // u PUSH_PROMISE, x unknown. History: capital S before a letter means sent.
    public static TheoryData<string, string, string, string> Received => new()
    {
        { "§5.1 idle", "", "hHpx", "dDrwu" },
        { "§5.1 reserved (local)", "Sq", "rwpx", "dDhHu" },
        { "§5.1 reserved (remote)", "q", "hHrpx", "dDwu" },
        { "§5.1 open, peer's", "h", "dDhHrwpux", "" },
        { "§5.1 open, ours", "Sh", "dDhHrwpux", "" },
        { "§5.1 half-closed (local)", "SH", "dDhHrwpux", "" },
    };

    [Theory]
    [MemberData(nameof(Received))]
    public void Receive_Phase_AllowsSomeFramesAndEndsTheConnectionOnOthers(string clause, string history, string fine, string refused)
    {
        foreach (var frame in fine)
        {
            var state = After(history);
            Assert.True(Http2Ruling.Fine == Receive(ref state, frame, out var error), $"{clause}: {frame} {error}");
            Assert.Equal(default, error);
        }

        foreach (var frame in refused)
        {
            var state = After(history);
            Assert.True(Http2Ruling.ConnectionError == Receive(ref state, frame, out var error), $"{clause}: {frame}");
            Assert.Equal(new(Http2Fault.StreamNotOpen, Http2ErrorCode.ProtocolError), error);
        }
    }

    [Theory]
    [InlineData("§5.1 half-closed (remote) by HEADERS", "H")]
    [InlineData("§5.1 half-closed (remote) by DATA", "hD")]
    [InlineData("§5.1 half-closed (remote) after a response head", "HSh")]
    public void Receive_HalfClosedRemote_MoreIsAStreamErrorStreamClosed(string clause, string history)
    {
        foreach (var frame in "dDhHu")
        {
            var state = After(history);
            Assert.True(Http2Ruling.StreamError == Receive(ref state, frame, out var error), $"{clause}: {frame}");
            Assert.Equal(new(Http2Fault.StreamEnded, Http2ErrorCode.StreamClosed, 5), error);
            Assert.True(state.TrySend(Http2FrameType.RstStream, false));
        }

        foreach (var frame in "rwpx")
        {
            var state = After(history);
            Assert.Equal(Http2Ruling.Fine, Receive(ref state, frame, out _));
        }
    }

    [Theory]
    [InlineData("HSH", Http2StreamEnd.Complete, Http2Ruling.ConnectionError)]
    [InlineData("SHhD", Http2StreamEnd.Complete, Http2Ruling.ConnectionError)]
    [InlineData("hr", Http2StreamEnd.ResetByPeer, Http2Ruling.StreamError)]
    [InlineData("SHr", Http2StreamEnd.ResetByPeer, Http2Ruling.StreamError)]
    [InlineData("qr", Http2StreamEnd.ResetByPeer, Http2Ruling.StreamError)]
    [InlineData("hSr", Http2StreamEnd.ResetByUs, Http2Ruling.Ignore)]
    [InlineData("SHSr", Http2StreamEnd.ResetByUs, Http2Ruling.Ignore)]
    [InlineData("qSr", Http2StreamEnd.ResetByUs, Http2Ruling.Ignore)]
    [InlineData("HSr", Http2StreamEnd.ResetByUsAfterEnd, Http2Ruling.ConnectionError)]
    public void Receive_Section5_1_Closed_DependsOnHow(string history, Http2StreamEnd end, Http2Ruling ruling)
    {
        var state = After(history);
        Assert.Equal((Http2StreamPhase.Closed, end, true, true), (state.Phase, state.End, state.IsReceiveDone, state.IsSendDone));
        foreach (var frame in "dDhHu")
        {
            Assert.Equal(ruling, Receive(ref state, frame, out var error));
            var expected = ruling == Http2Ruling.Ignore ? default : new Http2Error(Http2Fault.StreamEnded, Http2ErrorCode.StreamClosed, ruling == Http2Ruling.StreamError ? 5 : 0);
            Assert.Equal(expected, error);
        }

        // §5.1: they may have crossed what closed the stream.
        Assert.Equal(Http2Ruling.Ignore, Receive(ref state, 'w', out _));
        Assert.Equal(Http2Ruling.Ignore, Receive(ref state, 'r', out _));
        Assert.Equal(Http2Ruling.Fine, Receive(ref state, 'p', out _));
        Assert.Equal(Http2StreamPhase.Closed, state.Phase);
    }

    [Theory]
    [InlineData("", Http2StreamPhase.Idle)]
    [InlineData("p", Http2StreamPhase.Idle)]
    [InlineData("h", Http2StreamPhase.Open)]
    [InlineData("hhd", Http2StreamPhase.Open)]
    [InlineData("H", Http2StreamPhase.HalfClosedRemote)]
    [InlineData("hH", Http2StreamPhase.HalfClosedRemote)]
    [InlineData("hSh", Http2StreamPhase.Open)]
    [InlineData("hSH", Http2StreamPhase.HalfClosedLocal)]
    [InlineData("Sh", Http2StreamPhase.Open)]
    [InlineData("SH", Http2StreamPhase.HalfClosedLocal)]
    [InlineData("ShSD", Http2StreamPhase.HalfClosedLocal)]
    [InlineData("q", Http2StreamPhase.ReservedRemote)]
    [InlineData("qh", Http2StreamPhase.HalfClosedLocal)]
    [InlineData("qH", Http2StreamPhase.Closed)]
    [InlineData("hw", Http2StreamPhase.Open)]
    [InlineData("hSw", Http2StreamPhase.Open)]
    [InlineData("hSHD", Http2StreamPhase.Closed)]
    public void Transitions_Section5_1_LeadTo(string history, Http2StreamPhase expected) => Assert.Equal(expected, After(history).Phase);

    [Theory]
    [InlineData("", "hHp", "dDrwu")]
    [InlineData("q", "rwp", "dDhHu")]
    [InlineData("h", "dDhHrwpu", "")]
    [InlineData("H", "dDhHrwpu", "")]
    [InlineData("SH", "rwp", "dDhHu")]
    [InlineData("HSH", "p", "dDhHrwu")]
    [InlineData("hr", "p", "dDhHrwu")]
    [InlineData("hSr", "p", "dDhHrwu")]
    public void TrySend_Section5_1_OnlyWhatThePhaseAllows(string history, string may, string mayNot)
    {
        foreach (var frame in may)
        {
            var state = After(history);
            Assert.True(state.TrySend(Type(frame), char.IsUpper(frame)), $"{frame}");
        }

        foreach (var frame in mayNot)
        {
            var state = After(history);
            var phase = state.Phase;
            Assert.False(state.TrySend(Type(frame), char.IsUpper(frame)), $"{frame}");
            Assert.Equal(phase, state.Phase);
        }
    }

    private static Http2StreamState After(string history)
    {
        var state = default(Http2StreamState);
        for (var i = 0; i < history.Length; i++)
        {
            if (history[i] == 'S' && history[++i] == 'q')
            {
                state = Http2StreamState.ReservedByUs;
            }
            else if (history[i] == 'q')
            {
                state = Http2StreamState.ReservedByPeer;
            }
            else if (i > 0 && history[i - 1] == 'S')
            {
                Assert.True(state.TrySend(Type(history[i]), char.IsUpper(history[i])));
            }
            else
            {
                Assert.Equal(Http2Ruling.Fine, Receive(ref state, history[i], out _));
            }
        }

        return state;
    }

    private static Http2Ruling Receive(ref Http2StreamState state, char frame, out Http2Error error) =>
        state.Receive(Type(frame), char.IsUpper(frame), 5, out error);

    private static Http2FrameType Type(char frame) => char.ToLowerInvariant(frame) switch
    {
        'd' => Http2FrameType.Data,
        'h' => Http2FrameType.Headers,
        'r' => Http2FrameType.RstStream,
        'w' => Http2FrameType.WindowUpdate,
        'p' => Http2FrameType.Priority,
        'u' => Http2FrameType.PushPromise,
        _ => (Http2FrameType)0x21,
    };
}

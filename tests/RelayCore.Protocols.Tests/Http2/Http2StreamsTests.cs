using RelayCore.Protocols.Http2;
using Xunit;

namespace RelayCore.Protocols.Tests.Http2;

public sealed class Http2StreamsTests
{
    private readonly Http2Streams _ofClient = new(PeerRole.Client);
    private readonly Http2Streams _ofServer = new(PeerRole.Server);

    [Fact]
    public void Receive_Section5_1_1_RisingOddStreamsOfAClient_AreOpened()
    {
        foreach (var id in (int[])[1, 3, 99, int.MaxValue])
        {
            Assert.Equal(Http2StreamLookup.Opened, _ofClient.Receive(Http2FrameType.Headers, id, out var error));
            Assert.Equal((default, id), (error, _ofClient.HighestOfPeer));
        }
    }

    [Fact]
    public void Receive_Section5_1_1_LowerIdleStream_IsClosedAndEndsTheConnection()
    {
        _ofClient.Receive(Http2FrameType.Headers, 5, out _);
        Assert.Equal(Http2StreamLookup.ConnectionError, _ofClient.Receive(Http2FrameType.Headers, 3, out var error));
        Assert.Equal(new(Http2Fault.StreamIdReused, Http2ErrorCode.ProtocolError), error);
    }

    [Theory]
    [InlineData(PeerRole.Client, 2)] // even streams are ours to promise
    [InlineData(PeerRole.Server, 1)] // odd ones are ours to open
    [InlineData(PeerRole.Server, 2)] // a server opens none with HEADERS
    public void Receive_Section5_1_1_HeadersOfTheWrongParity_EndTheConnection(PeerRole peer, int streamId)
    {
        var streams = peer == PeerRole.Client ? _ofClient : _ofServer;
        Assert.Equal(Http2StreamLookup.ConnectionError, streams.Receive(Http2FrameType.Headers, streamId, out var error));
        Assert.Equal(new(Http2Fault.WrongStreamParity, Http2ErrorCode.ProtocolError), error);
    }

    [Theory]
    [InlineData(Http2FrameType.Data)]
    [InlineData(Http2FrameType.RstStream)]
    [InlineData(Http2FrameType.WindowUpdate)]
    [InlineData(Http2FrameType.PushPromise)]
    public void Receive_Section5_1_OtherFrameOnAnIdleStream_EndsTheConnection(Http2FrameType type)
    {
        foreach (var (streams, id) in ((Http2Streams, int)[])[(_ofClient, 1), (_ofClient, 2), (_ofServer, 1), (_ofServer, 2)])
        {
            Assert.Equal(Http2StreamLookup.ConnectionError, streams.Receive(type, id, out var error));
            Assert.Equal(new(Http2Fault.StreamNotOpen, Http2ErrorCode.ProtocolError), error);
        }
    }

    [Fact]
    public void Receive_Section6_3_PriorityOfAnyStream_IsNothing()
    {
        foreach (var id in (int[])[1, 2, 77])
        {
            Assert.Equal(Http2StreamLookup.Nothing, _ofClient.Receive(Http2FrameType.Priority, id, out _));
            Assert.Equal(Http2StreamLookup.Nothing, _ofClient.Receive((Http2FrameType)0x21, id, out _));
        }

        Assert.Equal(Http2StreamLookup.Opened, _ofClient.Receive(Http2FrameType.Headers, 1, out _));
    }

    [Theory]
    [InlineData(Http2StreamEnd.Complete, Http2StreamLookup.ConnectionError)]
    [InlineData(Http2StreamEnd.ResetByPeer, Http2StreamLookup.StreamError)]
    [InlineData(Http2StreamEnd.ResetByUs, Http2StreamLookup.Ignore)]
    [InlineData(Http2StreamEnd.ResetByUsAfterEnd, Http2StreamLookup.ConnectionError)]
    public void Receive_Section5_1_ClosedStream_DependsOnHow(Http2StreamEnd end, Http2StreamLookup expected)
    {
        _ofClient.Receive(Http2FrameType.Headers, 1, out _);
        _ofClient.Close(1, end);
        foreach (var type in (Http2FrameType[])[Http2FrameType.Data, Http2FrameType.Headers])
        {
            Assert.Equal(expected, _ofClient.Receive(type, 1, out var error));
            Assert.Equal(expected == Http2StreamLookup.Ignore ? default : new(Http2Fault.StreamEnded, Http2ErrorCode.StreamClosed, expected == Http2StreamLookup.StreamError ? 1 : 0), error);
        }

        Assert.Equal(Http2StreamLookup.Ignore, _ofClient.Receive(Http2FrameType.WindowUpdate, 1, out _));
        Assert.Equal(Http2StreamLookup.Ignore, _ofClient.Receive(Http2FrameType.RstStream, 1, out _));
    }

    [Fact]
    public void EndGrace_Section5_1_AfterAnAnswerToWhatFollowedTheReset_NothingIsInFlight()
    {
        var own = _ofServer.OpenOwn();
        _ofServer.Close(own, Http2StreamEnd.ResetByUs);
        Assert.Equal(Http2StreamLookup.Ignore, _ofServer.Receive(Http2FrameType.Data, own, out _));
        _ofServer.EndGrace(own);
        Assert.Equal(Http2StreamLookup.ConnectionError, _ofServer.Receive(Http2FrameType.Data, own, out _));
    }

    [Fact]
    public void Receive_ForgottenStreams_AreIgnoredAndNeverOpenedAgain()
    {
        for (var id = 1; id <= 2001; id += 2)
        {
            Assert.Equal(Http2StreamLookup.Opened, _ofClient.Receive(Http2FrameType.Headers, id, out _));
            _ofClient.Close(id, id == 7 ? Http2StreamEnd.ResetByUs : Http2StreamEnd.Complete);
        }

        Assert.Equal(Http2StreamLookup.Ignore, _ofClient.Receive(Http2FrameType.Data, 9, out _));
        Assert.Equal(Http2StreamLookup.Ignore, _ofClient.Receive(Http2FrameType.Headers, 7, out _)); // trailers that were in flight
        Assert.Equal(Http2StreamLookup.ConnectionError, _ofClient.Receive(Http2FrameType.Headers, 9, out var error)); // ended by the peer itself
        Assert.Equal(Http2Fault.StreamIdReused, error.Fault);
        Assert.Equal(2001, _ofClient.HighestOfPeer);
    }

    [Fact]
    public void StopAccepting_Section6_8_StreamsAboveTheGoAway_AreIgnored()
    {
        _ofClient.Receive(Http2FrameType.Headers, 1, out _);
        _ofClient.StopAccepting(1);
        Assert.Equal(Http2StreamLookup.Ignore, _ofClient.Receive(Http2FrameType.Headers, 3, out var error));
        Assert.Equal(Http2StreamLookup.Ignore, _ofClient.Receive(Http2FrameType.Data, 3, out error));
        Assert.Equal(Http2StreamLookup.Ignore, _ofClient.Receive(Http2FrameType.Headers, 3, out error)); // its trailers
        Assert.Equal(default, error);
        _ofClient.StopAccepting(int.MaxValue); // §6.8: never raised again
        Assert.Equal(Http2StreamLookup.Ignore, _ofClient.Receive(Http2FrameType.Headers, 5, out _));
    }

    [Fact]
    public void OpenOwn_Section5_1_1_IdentifiersRiseAndRunOut()
    {
        Assert.Equal([1, 3, 5], [_ofServer.OpenOwn(), _ofServer.OpenOwn(), _ofServer.OpenOwn()]);
        Assert.Equal([2, 4], [_ofClient.OpenOwn(), _ofClient.OpenOwn()]);
        Assert.Equal((1 << 30) - 3, _ofServer.OwnLeft);
        var last = new Http2Streams(nextOwn: int.MaxValue - 2);
        Assert.Equal([2, int.MaxValue - 2, 1, int.MaxValue, 0, 0], [last.OwnLeft, last.OpenOwn(), last.OwnLeft, last.OpenOwn(), last.OwnLeft, last.OpenOwn()]);
        Assert.Equal(Http2StreamLookup.Ignore, last.Receive(Http2FrameType.Data, int.MaxValue, out _)); // none is idle any more
    }

    [Fact]
    public void Streams_Rfc7540Section3_2_Upgraded_StreamOneIsTaken()
    {
        Assert.Equal(3, new Http2Streams(PeerRole.Server, upgraded: true).OpenOwn());
        var streams = new Http2Streams(PeerRole.Client, upgraded: true);
        Assert.Equal(1, streams.HighestOfPeer);
        Assert.Equal(Http2StreamLookup.ConnectionError, streams.Receive(Http2FrameType.Headers, 1, out _));
        Assert.Equal(Http2StreamLookup.Opened, streams.Receive(Http2FrameType.Headers, 3, out _));
    }

    [Fact]
    public void Prioritize_Rfc9218Section7_1_FromAServerOrForAnIdlePush_EndsTheConnection()
    {
        var invalid = new Http2Error(Http2Fault.InvalidPriorityUpdate, Http2ErrorCode.ProtocolError);
        Assert.Equal(invalid, _ofServer.Prioritize(1));
        Assert.Equal(invalid, _ofClient.Prioritize(2));
        Assert.Equal(default, _ofClient.Prioritize(1)); // ahead of its request
        Assert.Equal(2, _ofClient.OpenOwn());
        Assert.Equal(default, _ofClient.Prioritize(2));
    }

    [Fact]
    public void Promise_Section6_6_OnOurOpenStream_ReservesAndRises()
    {
        var open = default(Http2StreamState);
        open.TrySend(Http2FrameType.Headers, endsStream: true);
        var own = _ofServer.OpenOwn();
        Assert.Equal(default, _ofServer.Promise(open, own, 2, isPushEnabled: true));
        Assert.Equal(default, _ofServer.Promise(open, own, 6, isPushEnabled: true));
        Assert.Equal(6, _ofServer.HighestOfPeer);
        foreach (var id in (int[])[2, 4, 6, 7])
        {
            Assert.Equal(new(Http2Fault.InvalidPromisedStreamId, Http2ErrorCode.ProtocolError), _ofServer.Promise(open, own, id, isPushEnabled: true));
        }
    }

    [Fact]
    public void Promise_Section8_4_ByAClientOrTurnedOff_EndsTheConnection()
    {
        var open = default(Http2StreamState);
        open.TrySend(Http2FrameType.Headers, endsStream: false);
        var notAllowed = new Http2Error(Http2Fault.PushNotAllowed, Http2ErrorCode.ProtocolError);
        Assert.Equal(notAllowed, _ofClient.Promise(open, 1, 2, isPushEnabled: true));
        Assert.Equal(notAllowed, _ofServer.Promise(open, 1, 2, isPushEnabled: false));
        Assert.Equal(notAllowed, _ofServer.Promise(null, 1, 2, isPushEnabled: true)); // idle
        Assert.Equal(notAllowed, _ofServer.Promise(Http2StreamState.ReservedByPeer, 2, 4, isPushEnabled: true)); // pushed itself
        open.Receive(Http2FrameType.Headers, true, 1, out _);
        Assert.Equal(notAllowed, _ofServer.Promise(open, 1, 2, isPushEnabled: true)); // half-closed (remote)
    }

    [Fact]
    public void Promise_Section5_1_OnAStreamWeReset_IsStillReserved()
    {
        var own = _ofServer.OpenOwn();
        _ofServer.Close(own, Http2StreamEnd.ResetByUs);
        Assert.Equal(default, _ofServer.Promise(null, own, 2, isPushEnabled: true));
        var ended = _ofServer.OpenOwn();
        _ofServer.Close(ended, Http2StreamEnd.Complete);
        Assert.Equal(Http2Fault.PushNotAllowed, _ofServer.Promise(null, ended, 4, isPushEnabled: true).Fault);
    }
}

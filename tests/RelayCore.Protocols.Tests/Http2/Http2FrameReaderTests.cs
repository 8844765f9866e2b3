using System.Buffers;
using CsCheck;
using RelayCore.Fuzz;
using RelayCore.Protocols.Http2;
using Xunit;

namespace RelayCore.Protocols.Tests.Http2;

public sealed class Http2FrameReaderTests
{
    private static readonly byte[] s_conversation =
    [
        .. Frames.Settings((1, 65536), (4, 131072), (0x4a4a, 7)), .. Frames.Frame(8, 0, 0, Frames.Word(15663105)),
        .. Frames.Frame(1, 0x2D, 1, [2, 0x80, 0, 0, 3, 41, .. "block"u8, 0, 0]), .. Frames.Frame(0, 0x08, 1, [3, .. "hello"u8, 1, 2, 3]),
        .. Frames.Frame(0, 0, 1), .. Frames.Frame(0, 0x09, 1, [1, 0]), .. Frames.Frame(1, 0, 3, [.. "one"u8]), .. Frames.Frame(9, 0, 3),
        .. Frames.Frame(9, 4, 3, [.. "two"u8]), .. Frames.Frame(0xFA, 0xFF, 9, [.. "grease"u8]), .. Frames.Frame(0x10, 0, 0, [0, 0, 0, 1, .. "u=1"u8]),
        .. Frames.Frame(6, 1, 0, [.. "12345678"u8]), .. Frames.Frame(3, 0, 1, Frames.Word(8)), .. Frames.Frame(7, 0, 0, [0, 0, 0, 3, 0, 0, 0, 0, .. "bye"u8]),
    ];

    /// <summary>Connection errors that one frame shows. Stream errors are in <see cref="StreamErrors"/>.</summary>
    public static TheoryData<string, byte[], Http2Fault, Http2ErrorCode> Refusals => new()
    {
        { "§4.2 HEADERS above the maximum", Frames.Frame(1, 4, 1, new byte[16385]), Http2Fault.FrameTooLarge, Http2ErrorCode.FrameSizeError },
        { "§4.2 SETTINGS above the maximum", Frames.Frame(4, 0, 0, new byte[16386]), Http2Fault.FrameTooLarge, Http2ErrorCode.FrameSizeError },
        { "§4.2 PING above the maximum", Frames.Frame(6, 0, 0, new byte[16385]), Http2Fault.FrameTooLarge, Http2ErrorCode.FrameSizeError },
        { "§4.2 unknown above the maximum", Frames.Frame(0x21, 0, 1, new byte[16385]), Http2Fault.FrameTooLarge, Http2ErrorCode.FrameSizeError },
        { "§6.1 DATA on 0", Frames.Frame(0, 0, 0, 1), Http2Fault.StreamIdMissing, Http2ErrorCode.ProtocolError },
        { "§6.1 padding as long as the payload", Frames.Frame(0, 8, 1, 4, 0, 0, 0), Http2Fault.PaddingTooLong, Http2ErrorCode.ProtocolError },
        { "§6.1 padded without length", Frames.Frame(0, 8, 1), Http2Fault.WrongLength, Http2ErrorCode.FrameSizeError },
        { "§6.2 HEADERS on 0", Frames.Frame(1, 4, 0, 0x82), Http2Fault.StreamIdMissing, Http2ErrorCode.ProtocolError },
        { "§6.2 padding longer than the rest", Frames.Frame(1, 0x0C, 1, 3, 1, 2), Http2Fault.PaddingTooLong, Http2ErrorCode.ProtocolError },
        { "§6.2 padding into the priority", Frames.Frame(1, 0x2C, 1, 1, 0, 0, 0, 0, 0), Http2Fault.PaddingTooLong, Http2ErrorCode.ProtocolError },
        { "§6.2 shorter than its priority", Frames.Frame(1, 0x24, 1, 0, 0, 0, 0), Http2Fault.WrongLength, Http2ErrorCode.FrameSizeError },
        { "§6.2 padded without length", Frames.Frame(1, 0x0C, 1), Http2Fault.WrongLength, Http2ErrorCode.FrameSizeError },
        { "§6.3 PRIORITY on 0", Frames.Frame(2, 0, 0, 0, 0, 0, 1, 1), Http2Fault.StreamIdMissing, Http2ErrorCode.ProtocolError },
        { "§6.4 RST_STREAM on 0", Frames.Frame(3, 0, 0, 0, 0, 0, 8), Http2Fault.StreamIdMissing, Http2ErrorCode.ProtocolError },
        { "§6.4 RST_STREAM of 3", Frames.Frame(3, 0, 1, 0, 0, 8), Http2Fault.WrongLength, Http2ErrorCode.FrameSizeError },
        { "§6.4 RST_STREAM of 5", Frames.Frame(3, 0, 1, 0, 0, 0, 8, 0), Http2Fault.WrongLength, Http2ErrorCode.FrameSizeError },
        { "§6.5 SETTINGS on a stream", Frames.Frame(4, 0, 1), Http2Fault.StreamIdNotAllowed, Http2ErrorCode.ProtocolError },
        { "§6.5 SETTINGS of 5", Frames.Frame(4, 0, 0, 0, 1, 0, 0, 0), Http2Fault.WrongLength, Http2ErrorCode.FrameSizeError },
        { "§6.5 ACK with payload", Frames.Frame(4, 1, 0, 0, 1, 0, 0, 0, 0), Http2Fault.SettingsAckWithPayload, Http2ErrorCode.FrameSizeError },
        { "§6.5.2 ENABLE_PUSH 2", Frames.Settings((2, 2)), Http2Fault.InvalidEnablePush, Http2ErrorCode.ProtocolError },
        { "§6.5.2 INITIAL_WINDOW_SIZE 2^31", Frames.Settings((4, 1u << 31)), Http2Fault.InvalidInitialWindowSize, Http2ErrorCode.FlowControlError },
        { "§6.5.2 MAX_FRAME_SIZE 2^14-1", Frames.Settings((5, 16383)), Http2Fault.InvalidMaxFrameSize, Http2ErrorCode.ProtocolError },
        { "§6.5.2 MAX_FRAME_SIZE 2^24", Frames.Settings((3, 1), (5, 1 << 24)), Http2Fault.InvalidMaxFrameSize, Http2ErrorCode.ProtocolError },
        { "RFC 8441 §3 value 2", Frames.Settings((8, 2)), Http2Fault.InvalidEnableConnectProtocol, Http2ErrorCode.ProtocolError },
        { "RFC 9218 §2.1 value 2", Frames.Settings((9, 2)), Http2Fault.InvalidNoRfc7540Priorities, Http2ErrorCode.ProtocolError },
        { "§6.6 PUSH_PROMISE on 0", Frames.Frame(5, 4, 0, 0, 0, 0, 2), Http2Fault.StreamIdMissing, Http2ErrorCode.ProtocolError },
        { "§6.6 promise of 0", Frames.Frame(5, 4, 1, 0x80, 0, 0, 0), Http2Fault.InvalidPromisedStreamId, Http2ErrorCode.ProtocolError },
        { "§5.1.1 promise of an odd one", Frames.Frame(5, 4, 1, 0, 0, 0, 3), Http2Fault.InvalidPromisedStreamId, Http2ErrorCode.ProtocolError },
        { "§6.6 padding longer than the rest", Frames.Frame(5, 0x0C, 1, 2, 0, 0, 0, 2, 9), Http2Fault.PaddingTooLong, Http2ErrorCode.ProtocolError },
        { "§6.6 without promised stream", Frames.Frame(5, 4, 1, 0, 0, 2), Http2Fault.WrongLength, Http2ErrorCode.FrameSizeError },
        { "§6.7 PING on a stream", Frames.Frame(6, 0, 1, new byte[8]), Http2Fault.StreamIdNotAllowed, Http2ErrorCode.ProtocolError },
        { "§6.7 PING of 7", Frames.Frame(6, 0, 0, new byte[7]), Http2Fault.WrongLength, Http2ErrorCode.FrameSizeError },
        { "§6.8 GOAWAY on a stream", Frames.Frame(7, 0, 1, new byte[8]), Http2Fault.StreamIdNotAllowed, Http2ErrorCode.ProtocolError },
        { "§6.8 GOAWAY of 7", Frames.Frame(7, 0, 0, new byte[7]), Http2Fault.WrongLength, Http2ErrorCode.FrameSizeError },
        { "§6.9 increment 0 of the connection", Frames.Frame(8, 0, 0, 0x80, 0, 0, 0), Http2Fault.ZeroIncrement, Http2ErrorCode.ProtocolError },
        { "§6.9 WINDOW_UPDATE of 5", Frames.Frame(8, 0, 1, 0, 0, 0, 1, 0), Http2Fault.WrongLength, Http2ErrorCode.FrameSizeError },
        { "§6.10 CONTINUATION on 0", Frames.Frame(9, 4, 0, 1), Http2Fault.StreamIdMissing, Http2ErrorCode.ProtocolError },
        { "RFC 9218 §7.1 on a stream", Frames.Frame(0x10, 0, 1, 0, 0, 0, 1), Http2Fault.StreamIdNotAllowed, Http2ErrorCode.ProtocolError },
        { "RFC 9218 §7.1 of 3", Frames.Frame(0x10, 0, 0, 0, 0, 1), Http2Fault.WrongLength, Http2ErrorCode.FrameSizeError },
        { "RFC 9218 §7.1 for stream 0", Frames.Frame(0x10, 0, 0, 0x80, 0, 0, 0), Http2Fault.InvalidPriorityUpdate, Http2ErrorCode.ProtocolError },
    };

    public static TheoryData<string, byte[], Http2Fault, Http2ErrorCode> StreamErrors => new()
    {
        { "§4.2 DATA above the maximum", Frames.Frame(0, 0, 5, new byte[16385]), Http2Fault.FrameTooLarge, Http2ErrorCode.FrameSizeError },
        { "§6.3 PRIORITY of 4", Frames.Frame(2, 0, 5, 0, 0, 0, 1), Http2Fault.WrongLength, Http2ErrorCode.FrameSizeError },
        { "§6.3 PRIORITY of 6", Frames.Frame(2, 0, 5, 0, 0, 0, 1, 0, 0), Http2Fault.WrongLength, Http2ErrorCode.FrameSizeError },
        { "RFC 7540 §5.3.1 PRIORITY on itself", Frames.Frame(2, 0, 5, 0x80, 0, 0, 5, 1), Http2Fault.SelfDependency, Http2ErrorCode.ProtocolError },
        { "RFC 7540 §5.3.1 HEADERS on themselves", Frames.Frame(1, 0x24, 5, 0, 0, 0, 5, 1, 0x82), Http2Fault.SelfDependency, Http2ErrorCode.ProtocolError },
        { "§6.9 increment 0 of a stream", Frames.Frame(8, 0, 5, 0, 0, 0, 0), Http2Fault.ZeroIncrement, Http2ErrorCode.ProtocolError },
    };

    [Theory]
    [MemberData(nameof(Refusals))]
    public void TryRead_BrokenRule_EndsTheConnection(string clause, byte[] wire, Http2Fault fault, Http2ErrorCode code)
    {
        var status = default(Http2FrameReader).TryRead(wire, Http2Settings.MinMaxFrameSize, out _, out var consumed, out var error);
        Assert.True((status, consumed, error) == (OperationStatus.InvalidData, 0, new Http2Error(fault, code)), $"{clause}: {status} {error}");
    }

    [Theory]
    [MemberData(nameof(StreamErrors))]
    public void TryRead_BrokenRuleOfAStream_ResetsItAndGoesOn(string clause, byte[] wire, Http2Fault fault, Http2ErrorCode code)
    {
        var reader = default(Http2FrameReader);
        var status = reader.TryRead([.. wire, .. Frames.Frame(6, 0, 0, new byte[8])], Http2Settings.MinMaxFrameSize, out var frame, out var consumed, out var error);
        Assert.True((status, consumed, error) == (OperationStatus.Done, wire.Length, new Http2Error(fault, code, 5)), $"{clause}: {status} {error}");
        Assert.Equal((5, wire.Length - 9), (frame.StreamId, frame.PayloadOctets));
        Assert.Equal(OperationStatus.Done, reader.TryRead(Frames.Frame(6, 0, 0, new byte[8]), Http2Settings.MinMaxFrameSize, out frame, out _, out error));
        Assert.Equal((Http2FrameType.Ping, default), (frame.Type, error));
    }

    [Theory]
    [MemberData(nameof(Refusals))]
    public void TryRead_BrokenRule_IsTheSameAtEverySplitPoint(string clause, byte[] wire, Http2Fault fault, Http2ErrorCode code)
    {
        for (var cut = 0; cut < Math.Min(wire.Length, 64); cut++)
        {
            var status = default(Http2FrameReader).TryRead(wire.AsSpan(0, cut), Http2Settings.MinMaxFrameSize, out _, out var consumed, out var error);
            Assert.True(status == OperationStatus.NeedMoreData || (status, error) == (OperationStatus.InvalidData, new Http2Error(fault, code)), $"{clause} at {cut}: {status}");
            Assert.Equal((0, status == OperationStatus.InvalidData), (consumed, error.IsError));
        }
    }

    [Theory]
    [InlineData(1, 16385)]
    [InlineData(4, 7)]
    [InlineData(6, 9)]
    public void TryRead_LengthIsWrong_IsRefusedBeforeThePayload(int type, int length)
    {
        var header = Frames.Frame(type, 0, type == 1 ? 1 : 0, new byte[length]).AsSpan(0, 9);
        Assert.Equal(OperationStatus.InvalidData, default(Http2FrameReader).TryRead(header, Http2Settings.MinMaxFrameSize, out _, out _, out _));
    }

    [Fact]
    public void TryRead_EverySplitPoint_FindsTheSameFrames()
    {
        var expected = Decode(s_conversation.Length);
        Assert.Equal(14 + 2 + 1, expected.Count); // frames, field blocks, and what the end of input says
        Assert.Contains("BLOCK 3 6F6E6574776F", expected);
        for (var first = 0; first <= s_conversation.Length; first++)
        {
            for (var second = first; second <= s_conversation.Length; second++)
            {
                Assert.Equal(expected, Decode(first, second, s_conversation.Length));
            }
        }
    }

    [Fact]
    public void TryRead_OneOctetPerSegment_FindsTheSameFrames() => Assert.Equal(
        Decode(s_conversation.Length), Decode(Enumerable.Range(1, s_conversation.Length)));

    [Fact]
    public void TryRead_EveryTruncation_NeedsMoreAndSaysWhetherAFrameIsOpen()
    {
        var wire = Frames.Frame(0, 8, 1, [2, .. "abc"u8, 0, 0]);
        for (var length = 0; length < wire.Length; length++)
        {
            var reader = default(Http2FrameReader);
            var at = 0;
            while (reader.TryRead(wire.AsSpan(at, length - at), Http2Settings.MinMaxFrameSize, out var frame, out var consumed, out _) == OperationStatus.Done)
            {
                Assert.False(frame.IsLastPiece);
                at += consumed;
            }

            Assert.Equal(length > 10, reader.IsInsideFrame);
            Assert.Equal(length > 10 ? length : 0, at);
        }
    }

    [Fact]
    public void TryRead_LargestData_ComesInPiecesThatCountEveryOctetOnce()
    {
        var reader = default(Http2FrameReader);
        byte[] start = [0xFF, 0xFF, 0xFF, 0, 0x09, 0, 0, 0, 7, 200, 1, 2, 3];
        Assert.Equal(OperationStatus.Done, reader.TryRead(start, Http2Settings.MaxMaxFrameSize, out var frame, out var consumed, out _));
        Assert.Equal((13, 4, true, false, false), (consumed, frame.FlowControlledOctets, frame.IsFirstPiece, frame.IsLastPiece, frame.EndsStream));
        Assert.Equal([1, 2, 3], frame.Payload.ToArray());
        var (counted, content) = (frame.FlowControlledOctets, frame.Payload.Length);
        var chunk = new byte[1_000_003];
        do
        {
            Assert.Equal(OperationStatus.Done, reader.TryRead(chunk, Http2Settings.MaxMaxFrameSize, out frame, out consumed, out _));
            Assert.Equal((7, Http2Settings.MaxMaxFrameSize, 200, consumed), (frame.StreamId, frame.Length, frame.PadLength, frame.FlowControlledOctets));
            counted += consumed;
            content += frame.Payload.Length;
        }
        while (!frame.IsLastPiece);

        Assert.True(frame.EndsStream);
        Assert.Equal((Http2Settings.MaxMaxFrameSize, Http2Settings.MaxMaxFrameSize - 201), (counted, content));
    }

    [Fact]
    public void TryRead_Section4_1_ReservedBitAndUndefinedFlags_AreIgnored()
    {
        var frame = Frames.Read([0, 0, 8, 6, 0xFE, 0x80, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
        Assert.Equal((Http2FrameType.Ping, 0, false), (frame.Type, frame.StreamId, frame.IsAck));
        Assert.Equal(int.MaxValue, Frames.Read([0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]).StreamId);
    }

    [Theory]
    [InlineData(0x0A)]
    [InlineData(0x0F)]
    [InlineData(0x11)]
    [InlineData(0xFF)]
    public void TryRead_Section5_5_UnknownType_IsDelivered_AsUnknown(int type)
    {
        var frame = Frames.Read(Frames.Frame(type, 0xFF, 0, 1, 2, 3));
        Assert.Equal((false, 3, 0, false, false), (frame.IsKnown, frame.Payload.Length, frame.FlowControlledOctets, frame.EndsStream, frame.IsAck));
    }

    [Fact]
    public void TryRead_EveryType_HasItsFacts()
    {
        var headers = Frames.Read(Frames.Frame(1, 0x2D, 9, [1, 0x80, 0, 0, 3, 255, 0x82, 0]));
        Assert.Equal((new Http2Priority(3, true, 256), true, true), (headers.Priority, headers.EndsStream, headers.EndsHeaders));
        Assert.Equal([0x82], headers.Payload.ToArray());
        Assert.Null(Frames.Read(Frames.Frame(1, 4, 9, 0x82)).Priority);
        Assert.Equal(new Http2Priority(11, false, 8), Frames.Read(Frames.Frame(2, 0, 9, 0, 0, 0, 11, 7)).Priority);
        Assert.Equal((Http2ErrorCode)0xFFFF_FFFF, Frames.Read(Frames.Frame(3, 0, 5, Frames.Word(uint.MaxValue))).ErrorCode); // §7: any value
        Assert.Equal(0x7FFF_FFFE, Frames.Read(Frames.Frame(5, 4, 1, Frames.Word(0xFFFF_FFFE))).PromisedStreamId);
        var goAway = Frames.Read(Frames.Frame(7, 0, 0, [0x80, 0, 0, 30, 0, 0, 0, 9, .. "why"u8]));
        Assert.Equal((30, Http2ErrorCode.CompressionError), (goAway.LastStreamId, goAway.ErrorCode));
        Assert.Equal("why"u8, goAway.Payload);
        Assert.Equal(int.MaxValue, Frames.Read(Frames.Frame(8, 0, 0, Frames.Word(uint.MaxValue))).Increment);
        var update = Frames.Read(Frames.Frame(0x10, 0, 0, [0x80, 0, 0, 1, .. "u=1"u8]));
        Assert.Equal((1, true), (update.PrioritizedStreamId, update.IsKnown));
        Assert.Equal("u=1"u8, update.Payload);
        var settings = new List<Http2Setting>();
        foreach (var setting in Frames.Read(Frames.Settings((3, 100), (0xFFFF, uint.MaxValue))).Settings)
        {
            settings.Add(setting);
        }

        Assert.Equal([new(Http2SettingId.MaxConcurrentStreams, 100), new((Http2SettingId)0xFFFF, uint.MaxValue)], settings);
    }

    [Fact]
    public void TryRead_Section4_2_FrameOfTheMaximum_IsRead()
    {
        Assert.Equal(16384, Frames.Read(Frames.Frame(1, 4, 1, new byte[16384])).Payload.Length);
        Assert.Equal(16384, Frames.Read(Frames.Frame(0, 0, 1, new byte[16384])).Payload.Length);
    }

    [Fact]
    public void TryRead_AnyOctetsAtAnySegmentation_AgreeWithTheOracle() =>
        Gen.Select(Gen.Int[0, 12], Gen.Int[0, 255], Gen.Int[0, 4], Gen.Byte.Array[0, 20]).Array[1, 8].Select(Gen.Byte, Gen.Byte).Sample((frames, mode, cuts) =>
            new Http2FramesTarget().Run([mode, cuts, .. frames.SelectMany(x => Frames.Frame(x.Item1, x.Item2, x.Item3, x.Item4))]));

    [Fact]
    public void TryRead_HotPath_AllocatesNothing()
    {
        var block = new Http2FieldBlock(Http2Limits.Default);
        var guard = new Http2Guard(Http2Limits.Default, TimeSpan.Zero);
        ReadAll(block, guard);
        var before = GC.GetAllocatedBytesForCurrentThread();
        ReadAll(block, guard);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        static void ReadAll(Http2FieldBlock block, Http2Guard guard)
        {
            var reader = default(Http2FrameReader);
            for (var at = 0; reader.TryRead(s_conversation.AsSpan(at), Http2Settings.MinMaxFrameSize, out var frame, out var consumed, out _) == OperationStatus.Done; at += consumed)
            {
                guard.Receive(frame, TimeSpan.Zero);
                block.Take(frame, out _, out _);
                block.Release();
                if (frame.Type == Http2FrameType.Headers && !frame.EndsHeaders)
                {
                    return; // its continuation would need the buffer that was just given back
                }
            }
        }
    }

    private static List<string> Decode(params IEnumerable<int> ends) =>
        Http2FramesTarget.Decode(s_conversation, ends, Http2Settings.MinMaxFrameSize, Http2Limits.Default);
}

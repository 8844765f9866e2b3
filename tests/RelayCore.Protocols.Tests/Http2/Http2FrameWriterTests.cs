using System.Buffers;
using CsCheck;
using RelayCore.Protocols.Http2;
using Xunit;

namespace RelayCore.Protocols.Tests.Http2;

public sealed class Http2FrameWriterTests
{
    private readonly byte[] _destination = new byte[200];

    [Fact]
    public void Write_EveryFrame_IsOnTheWireAsItsClauseSays()
    {
        AssertWritten("0000 0C 04 00 00000000 0001 00010000 0004 00020000", Http2FrameWriter.WriteSettings(
            _destination, [new(Http2SettingId.HeaderTableSize, 65536), new(Http2SettingId.InitialWindowSize, 131072)]));
        AssertWritten("0000 00 04 01 00000000", Http2FrameWriter.WriteSettingsAck(_destination));
        AssertWritten("0000 08 06 00 00000000 31323334 35363738", Http2FrameWriter.WritePing(_destination, "12345678"u8, ack: false));
        AssertWritten("0000 08 06 01 00000000 31323334 35363738", Http2FrameWriter.WritePing(_destination, "12345678"u8, ack: true));
        AssertWritten("0000 0B 07 00 00000000 00000005 0000000B 627965", Http2FrameWriter.WriteGoAway(_destination, 5, Http2ErrorCode.EnhanceYourCalm, "bye"u8));
        AssertWritten("0000 04 03 00 00000003 00000008", Http2FrameWriter.WriteRstStream(_destination, 3, Http2ErrorCode.Cancel));
        AssertWritten("0000 04 08 00 7FFFFFFF 7FFFFFFF", Http2FrameWriter.WriteWindowUpdate(_destination, int.MaxValue, int.MaxValue));
        AssertWritten("0040 00 00 01 01020304", Http2FrameWriter.WriteDataHeader(_destination, 16384, 0x01020304, endStream: true));
        AssertWritten("FFFF FF 00 00 00000001", Http2FrameWriter.WriteDataHeader(_destination, 16777215, 1, endStream: false));
        AssertWritten("0000 05 02 00 00000003 80000001 FF", Http2FrameWriter.WritePriority(_destination, 3, new(1, true, 256)));
        AssertWritten("0000 07 10 00 00000000 00000003 753D31", Http2FrameWriter.WritePriorityUpdate(_destination, 3, "u=1"u8));
        AssertWritten("0000 02 01 05 00000003 6162", Http2FrameWriter.WriteFieldBlock(_destination, "ab"u8, 3, endStream: true, 16384));
        AssertWritten("0000 06 01 24 00000003 00000001 00 61", Http2FrameWriter.WriteFieldBlock(_destination, "a"u8, 3, endStream: false, 16384, new(1, false, 1)));
    }

    [Fact]
    public void FrameFieldBlock_Section6_10_BeyondTheFrameSize_IsSplitWithoutLosingAnOctet() =>
        Gen.Select(Gen.Byte.Array[0, 300], Gen.Int[6, 100], Gen.Bool, Gen.Bool, Gen.Int[1, int.MaxValue]).Sample((content, maxFrameSize, endStream, withPriority, streamId) =>
        {
            Http2Priority? priority = withPriority ? new(streamId - 1, endStream, 42) : null;
            var destination = new byte[Http2FrameWriter.FieldBlockOctets(content.Length, maxFrameSize, withPriority)];
            Assert.Equal(destination.Length, Http2FrameWriter.WriteFieldBlock(destination, content, streamId, endStream, maxFrameSize, priority));
            var block = new Http2FieldBlock(new() { MaxContinuations = 300 });
            var (reader, at, frames) = (default(Http2FrameReader), 0, 0);
            Http2FieldBlockStep step;
            ReadOnlySpan<byte> octets;
            do
            {
                Assert.Equal(OperationStatus.Done, reader.TryRead(destination.AsSpan(at), maxFrameSize, out var frame, out var consumed, out var error));
                Assert.Equal((default, frames == 0 ? Http2FrameType.Headers : Http2FrameType.Continuation), (error, frame.Type));
                step = block.Take(frame, out octets, out error);
                Assert.Equal(default, error);
                Assert.True(step == Http2FieldBlockStep.Complete || frame.Length == maxFrameSize); // no frame more than needed
                at += consumed;
                frames++;
            }
            while (step == Http2FieldBlockStep.More);

            Assert.Equal(Http2FieldBlockStep.Complete, step);
            Assert.Equal(content, octets);
            Assert.Equal((destination.Length, streamId, endStream, priority), (at, block.StreamId, block.EndsStream, block.Priority));
        });

    [Fact]
    public void Write_WhatIsRead_IsTheSame() => Gen.Select(Gen.Int[0, 8], Gen.Int[1, int.MaxValue], Gen.UInt, Gen.Byte.Array[0, 60], Gen.Bool).Sample((what, id, word, octets, flag) =>
    {
        var wire = new byte[200];
        var length = what switch
        {
            0 => Http2FrameWriter.WriteDataHeader(wire, octets.Length, id, flag) + Copy(octets, wire.AsSpan(9)),
            1 => Http2FrameWriter.WriteRstStream(wire, id, (Http2ErrorCode)word),
            2 => Http2FrameWriter.WriteGoAway(wire, id, (Http2ErrorCode)word, octets),
            3 => Http2FrameWriter.WriteWindowUpdate(wire, flag ? id : 0, id),
            4 => Http2FrameWriter.WritePing(wire, [.. Frames.Word(word), .. Frames.Word(~word)], flag),
            5 => Http2FrameWriter.WritePriorityUpdate(wire, id, octets),
            6 => Http2FrameWriter.WritePriority(wire, id, new(id ^ 1, flag, (int)(word % 256) + 1)),
            7 => Http2FrameWriter.WriteSettings(wire, [new((Http2SettingId)0xF000, word), new(Http2SettingId.MaxConcurrentStreams, word)]),
            _ => Http2FrameWriter.WriteSettingsAck(wire),
        };
        var frame = Frames.Read(wire[..length]);
        switch (what)
        {
            case 0:
                Assert.Equal((Http2FrameType.Data, id, flag), (frame.Type, frame.StreamId, frame.EndsStream));
                Assert.Equal(octets, frame.Payload);
                break;
            case 1:
                Assert.Equal((Http2FrameType.RstStream, id, (Http2ErrorCode)word), (frame.Type, frame.StreamId, frame.ErrorCode));
                break;
            case 2:
                Assert.Equal((Http2FrameType.GoAway, id, (Http2ErrorCode)word), (frame.Type, frame.LastStreamId, frame.ErrorCode));
                Assert.Equal(octets, frame.Payload);
                break;
            case 3:
                Assert.Equal((Http2FrameType.WindowUpdate, flag ? id : 0, id), (frame.Type, frame.StreamId, frame.Increment));
                break;
            case 4:
                Assert.Equal((Http2FrameType.Ping, flag), (frame.Type, frame.IsAck));
                Assert.Equal([.. Frames.Word(word), .. Frames.Word(~word)], frame.Payload);
                break;
            case 5:
                Assert.Equal((Http2FrameType.PriorityUpdate, id), (frame.Type, frame.PrioritizedStreamId));
                Assert.Equal(octets, frame.Payload);
                break;
            case 6:
                Assert.Equal((Http2FrameType.Priority, id, new Http2Priority(id ^ 1, flag, (int)(word % 256) + 1)), (frame.Type, frame.StreamId, frame.Priority));
                break;
            case 7:
                Assert.Equal($"61440:{word};3:{word}", Http2SettingsRecord.From(frame.Settings).ToString());
                break;
            default:
                Assert.Equal((Http2FrameType.Settings, true, 0), (frame.Type, frame.IsAck, frame.Length));
                break;
        }
    });

    private static int Copy(byte[] octets, Span<byte> destination)
    {
        octets.CopyTo(destination);
        return octets.Length;
    }

    private void AssertWritten(string expected, int length) => Assert.Equal(Frames.Hex(expected), _destination[..length]);
}

using RelayCore.Protocols.Http2;
using Xunit;

namespace RelayCore.Protocols.Tests.Http2;

public sealed class Http2FieldBlockTests : IDisposable
{
    private readonly Http2FieldBlock _block = new(new() { MaxFieldBlockOctets = 10, MaxContinuations = 3 });

    public void Dispose() => _block.Release();

    [Fact]
    public void Take_BlockInOneFrame_IsNotCopied()
    {
        byte[] wire = Frames.Frame(1, 0x2D, 7, [1, 0x80, 0, 0, 5, 9, .. "abc"u8, 0]);
        Assert.Equal(Http2FieldBlockStep.Complete, _block.Take(Frames.Read(wire), out var octets, out _));
        Assert.True(octets.Overlaps(wire, out var offset) && offset == -15);
        Assert.Equal("abc"u8, octets);
        Assert.Equal((7, Http2FrameType.Headers, true, new Http2Priority(5, true, 10)), (_block.StreamId, _block.Type, _block.EndsStream, _block.Priority));
    }

    [Fact]
    public void Take_Section4_3_Fragments_AreOneBlockWithTheFactsOfTheFirst()
    {
        Assert.Equal(Http2FieldBlockStep.More, Take(Frames.Frame(1, 1, 3, [.. "abc"u8])));
        Assert.True(_block.IsOpen);
        Assert.Equal(Http2FieldBlockStep.More, Take(Frames.Frame(9, 0, 3)));
        Assert.Equal(Http2FieldBlockStep.Complete, _block.Take(Frames.Read(Frames.Frame(9, 4, 3, [.. "def"u8])), out var octets, out _));
        Assert.Equal("abcdef"u8, octets);
        Assert.Equal((3, true, false), (_block.StreamId, _block.EndsStream, _block.IsOpen)); // §6.2: END_STREAM of HEADERS
        _block.Release();
        Assert.Equal(Http2FieldBlockStep.Complete, _block.Take(Frames.Read(Frames.Frame(1, 4, 5, [.. "g"u8])), out octets, out _));
        Assert.Equal("g"u8, octets);
        Assert.Equal((5, false), (_block.StreamId, _block.EndsStream));
    }

    [Fact]
    public void Take_Section6_6_PushPromise_KeepsThePromisedStream()
    {
        Assert.Equal(Http2FieldBlockStep.More, Take(Frames.Frame(5, 0, 3, [0, 0, 0, 8, .. "ab"u8])));
        Assert.Equal(Http2FieldBlockStep.Complete, _block.Take(Frames.Read(Frames.Frame(9, 4, 3, [.. "c"u8])), out var octets, out _));
        Assert.Equal("abc"u8, octets);
        Assert.Equal((Http2FrameType.PushPromise, 3, 8, false), (_block.Type, _block.StreamId, _block.PromisedStreamId, _block.EndsStream));
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 3)]
    [InlineData(1, 5)]
    [InlineData(2, 3)]
    [InlineData(3, 3)]
    [InlineData(4, 0)]
    [InlineData(5, 3)]
    [InlineData(6, 0)]
    [InlineData(7, 0)]
    [InlineData(8, 3)]
    [InlineData(9, 5)]
    [InlineData(0x10, 0)]
    [InlineData(0x21, 3)]
    public void Take_Section6_10_AnythingElseWithinABlock_EndsTheConnection(int type, int streamId)
    {
        byte[] payload = type switch { 0 or 1 or 4 or 9 or 0x21 => [], 2 => new byte[5], 3 => new byte[4], 5 => [0, 0, 0, 2], 8 or 0x10 => [0, 0, 0, 1], _ => new byte[8] };
        Take(Frames.Frame(1, 0, 3, 1));
        Assert.Equal(Http2FieldBlockStep.Invalid, Take(Frames.Frame(type, 4 & (type == 4 ? 0 : 4), streamId, payload), Http2Fault.FieldBlockInterrupted));
    }

    [Fact]
    public void Take_Section6_10_ContinuationWithoutABlock_EndsTheConnection()
    {
        Assert.Equal(Http2FieldBlockStep.Invalid, Take(Frames.Frame(9, 4, 3, 1), Http2Fault.UnexpectedContinuation));
        Take(Frames.Frame(1, 4, 3, 1));
        Assert.Equal(Http2FieldBlockStep.Invalid, Take(Frames.Frame(9, 4, 3, 1), Http2Fault.UnexpectedContinuation));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(4)]
    [InlineData(0x21)]
    public void Take_OtherFramesOutsideABlock_AreUnrelated(int type) =>
        Assert.Equal(Http2FieldBlockStep.Unrelated, Take(Frames.Frame(type, 0, type == 4 ? 0 : 1)));

    [Fact]
    public void Take_Section10_5_ContinuationsWithoutEnd_AreBounded()
    {
        Take(Frames.Frame(1, 0, 3));
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal(Http2FieldBlockStep.More, Take(Frames.Frame(9, 0, 3)));
        }

        Assert.Equal(Http2FieldBlockStep.Invalid, Take(Frames.Frame(9, 4, 3), Http2Fault.TooManyContinuations, Http2ErrorCode.EnhanceYourCalm));
    }

    [Fact]
    public void Take_Section10_5_1_OctetsOfABlock_AreBounded()
    {
        Assert.Equal(Http2FieldBlockStep.Complete, Take(Frames.Frame(1, 4, 3, new byte[10])));
        Assert.Equal(Http2FieldBlockStep.Invalid, Take(Frames.Frame(1, 4, 3, new byte[11]), Http2Fault.FieldBlockTooLarge, Http2ErrorCode.EnhanceYourCalm));
        Take(Frames.Frame(1, 0, 3, new byte[5]));
        Assert.Equal(Http2FieldBlockStep.More, Take(Frames.Frame(9, 0, 3, new byte[5])));
        Assert.Equal(Http2FieldBlockStep.Invalid, Take(Frames.Frame(9, 4, 3, 1), Http2Fault.FieldBlockTooLarge, Http2ErrorCode.EnhanceYourCalm));
    }

    [Fact]
    public void Take_LargeBlockInManyFragments_KeepsEveryOctet()
    {
        var block = new Http2FieldBlock(Http2Limits.Default);
        var content = Enumerable.Range(0, 16 * 16384).Select(x => (byte)(x * 7 / 3)).ToArray();
        Assert.Equal(Http2FieldBlockStep.More, block.Take(Frames.Read(Frames.Frame(1, 0, 1, content[..16384])), out _, out _));
        for (var i = 1; i < 15; i++)
        {
            Assert.Equal(Http2FieldBlockStep.More, block.Take(Frames.Read(Frames.Frame(9, 0, 1, content[(i * 16384)..((i + 1) * 16384)])), out _, out _));
        }

        Assert.Equal(Http2FieldBlockStep.Complete, block.Take(Frames.Read(Frames.Frame(9, 4, 1, content[(15 * 16384)..])), out var octets, out _));
        Assert.Equal(content, octets);
    }

    private Http2FieldBlockStep Take(byte[] wire, Http2Fault fault = Http2Fault.None, Http2ErrorCode code = Http2ErrorCode.ProtocolError)
    {
        var step = _block.Take(Frames.Read(wire), out _, out var error);
        Assert.Equal(fault == Http2Fault.None ? default : new(fault, code), error);
        return step;
    }
}

using System.Buffers;
using RelayCore.Load.Http;
using Xunit;

namespace RelayCore.Load.Tests.Http;

public sealed class WebSocketFrameTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(125)]
    [InlineData(126)]
    [InlineData(65535)]
    [InlineData(65536)]
    public void TryRead_WhatWriteHeadWrote_IsTheSame(int payload)
    {
        foreach (var key in new uint?[] { null, 0x12345678 })
        {
            var head = new byte[WebSocketFrame.MaxHeadOctets];
            var octets = WebSocketFrame.WriteHead(head, WebSocketFrame.Text, payload, key);
            Assert.Equal(OperationStatus.NeedMoreData, WebSocketFrame.TryRead(head.AsSpan(0, octets - 1), out _));
            Assert.Equal(OperationStatus.Done, WebSocketFrame.TryRead(head, out var frame));
            Assert.Equal(new WebSocketFrame(WebSocketFrame.Text, true, payload, key, octets), frame);
        }
    }

    [Fact]
    public void TryRead_ReservedBit_IsInvalid() => Assert.Equal(OperationStatus.InvalidData, WebSocketFrame.TryRead([0xC1, 0x00], out _));

    [Fact]
    public void Mask_AnyLength_FollowsTheKeyOctetByOctet()
    {
        // RFC 6455 §5.7: "Hello" under the key 37 fa 21 3d.
        byte[] hello = [.. "Hello"u8];
        WebSocketFrame.Mask(hello, 0x3D21FA37);
        Assert.Equal([0x7F, 0x9F, 0x4D, 0x51, 0x58], hello);

        var long_ = new byte[64 + 3];
        WebSocketFrame.Mask(long_, 0x3D21FA37);
        Assert.Equal(Enumerable.Range(0, long_.Length).Select(i => new byte[] { 0x37, 0xFA, 0x21, 0x3D }[i % 4]), long_);
    }

    [Fact]
    public void Accept_KeyOfTheSpecification_IsItsAnswer() => Assert.Equal("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", WebSocketFrame.Accept("dGhlIHNhbXBsZSBub25jZQ=="));
}

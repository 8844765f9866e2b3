using System.Buffers;
using System.Text;
using CsCheck;
using RelayCore.Protocols.Http2;
using Xunit;

namespace RelayCore.Protocols.Tests.Http2;

public sealed class Http2PrefaceTests
{
    private const string Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    [Fact]
    public void Match_Section3_4_EveryPrefix_MayBecomeOne()
    {
        for (var length = 0; length < Preface.Length; length++)
        {
            Assert.Equal(OperationStatus.NeedMoreData, Http2Preface.Match(Encoding.ASCII.GetBytes(Preface[..length])));
        }

        Assert.Equal(OperationStatus.Done, Http2Preface.Match(Encoding.ASCII.GetBytes(Preface)));
        Assert.Equal(OperationStatus.Done, Http2Preface.Match(Encoding.ASCII.GetBytes(Preface + "more")));
        Assert.Equal(Http2Preface.Octets, Preface.Length);
    }

    [Fact]
    public void Match_Section3_4_EveryOtherOctet_IsSomethingElseAtOnce()
    {
        for (var at = 0; at < Preface.Length; at++)
        {
            var octets = Encoding.ASCII.GetBytes(Preface[..(at + 1)]);
            octets[at] ^= 0x20;
            Assert.Equal(OperationStatus.InvalidData, Http2Preface.Match(octets));
        }

        Assert.Equal(OperationStatus.InvalidData, Http2Preface.Match("GET / HTTP/1.1\r\n"u8));
    }

    [Fact]
    public void TryRead_Rfc7540Section3_2_1_Settings_AreDecoded()
    {
        var buffer = new byte[Http2UpgradeSettings.BufferOctets];
        Assert.True(Http2UpgradeSettings.TryRead("AAMAAABkAAQCAAAAAAIAAAAA"u8, buffer, out var parameters)); // 3:100, 4:2^25, 2:0
        Assert.Equal("3:100;4:33554432;2:0", Http2SettingsRecord.From(parameters).ToString());
        var settings = new Http2Settings();
        Assert.Equal(default, settings.Apply(parameters, PeerRole.Client, Http2Limits.Default));
        Assert.Equal((33554432, false), (settings.InitialWindowSize, settings.EnablePush));
        Assert.True(Http2UpgradeSettings.TryRead([], buffer, out parameters));
        Assert.Equal(0, parameters.Remaining);
    }

    [Theory]
    [InlineData("AAMAAABkAA")] // seven octets
    [InlineData("AAMAAABk=")] // padding must be left out
    [InlineData("AAMAAAB k")]
    [InlineData("AAMAAAB+")] // the alphabet of plain base64
    [InlineData("AAMAAAB\n")]
    [InlineData("A")]
    [InlineData("AAIAAAAC")] // ENABLE_PUSH 2
    public void TryRead_Rfc7540Section3_2_1_OtherValues_AreRefused(string value) =>
        Assert.False(Http2UpgradeSettings.TryRead(Encoding.ASCII.GetBytes(value), new byte[Http2UpgradeSettings.BufferOctets], out _));

    [Fact]
    public void TryRead_MoreThanTheBuffer_IsRefused() => Assert.False(Http2UpgradeSettings.TryRead(
        Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("AAMAAABk", 65))), new byte[Http2UpgradeSettings.BufferOctets], out _));

    [Fact]
    public void TryRead_WhatWasEncoded_IsTheSame() => Gen.Select(Gen.UShort[0x10, ushort.MaxValue], Gen.UInt).Array[0, 64].Sample(x =>
    {
        Http2Setting[] settings = [.. x.Select(y => new Http2Setting((Http2SettingId)y.Item1, y.Item2))];
        Assert.True(Http2UpgradeSettings.TryRead(Encoding.ASCII.GetBytes(Http2UpgradeSettings.ToFieldValue(settings)), new byte[Http2UpgradeSettings.BufferOctets], out var read));
        Assert.Equal(settings, Http2SettingsRecord.From(read).Settings);
    });
}

using CsCheck;
using RelayCore.Protocols.Http2;
using Xunit;

namespace RelayCore.Protocols.Tests.Http2;

public sealed class Http2SettingsTests
{
    [Fact]
    public void Default_Section6_5_2_HasTheInitialValues()
    {
        var settings = new Http2Settings();
        Assert.Equal((4096u, true, uint.MaxValue), (settings.HeaderTableSize, settings.EnablePush, settings.MaxConcurrentStreams));
        Assert.Equal((65535, 16384, uint.MaxValue), (settings.InitialWindowSize, settings.MaxFrameSize, settings.MaxHeaderListSize));
        Assert.Equal((false, false, false), (settings.EnableConnectProtocol, settings.NoRfc7540Priorities, settings.IsReceived));
    }

    [Fact]
    public void Apply_EveryParameter_IsInForce()
    {
        var settings = new Http2Settings();
        Assert.Equal(default, Apply(ref settings, PeerRole.Client, (1, 0), (2, 0), (3, 100), (4, int.MaxValue), (5, 16777215), (6, 7), (8, 1), (9, 1), (0x4a4a, 3)));
        Assert.Equal((0u, false, 100u), (settings.HeaderTableSize, settings.EnablePush, settings.MaxConcurrentStreams));
        Assert.Equal((int.MaxValue, 16777215, 7u), (settings.InitialWindowSize, settings.MaxFrameSize, settings.MaxHeaderListSize));
        Assert.Equal((true, true, true), (settings.EnableConnectProtocol, settings.NoRfc7540Priorities, settings.IsReceived));
    }

    [Fact]
    public void Apply_Section6_5_3_InOrder_TheLastOneCounts()
    {
        var settings = new Http2Settings();
        Apply(ref settings, PeerRole.Client, (4, 1), (3, 5), (4, 2));
        Assert.Equal((2, 5u), (settings.InitialWindowSize, settings.MaxConcurrentStreams));
        Apply(ref settings, PeerRole.Client);
        Assert.Equal((2, 5u), (settings.InitialWindowSize, settings.MaxConcurrentStreams));
    }

    [Fact]
    public void Apply_Rfc7541Section4_2_SmallestTableInBetween_IsRemembered()
    {
        var settings = new Http2Settings();
        Apply(ref settings, PeerRole.Client, (1, 8192), (1, 100), (1, 2048));
        Assert.Equal((100u, 2048u), (settings.SmallestHeaderTableSize, settings.HeaderTableSize));
        Apply(ref settings, PeerRole.Client, (3, 1));
        Assert.Equal((2048u, 2048u), (settings.SmallestHeaderTableSize, settings.HeaderTableSize));
        Apply(ref settings, PeerRole.Client, (1, 9000));
        Assert.Equal((9000u, 9000u), (settings.SmallestHeaderTableSize, settings.HeaderTableSize));
    }

    [Fact]
    public void Apply_Section6_5_2_PushOfferedByAServer_EndsTheConnection()
    {
        var settings = new Http2Settings();
        Assert.Equal(default, Apply(ref settings, PeerRole.Server, (2, 0)));
        Assert.Equal(new(Http2Fault.InvalidEnablePush, Http2ErrorCode.ProtocolError), Apply(ref settings, PeerRole.Server, (2, 1)));
        Assert.Equal(default, Apply(ref settings, PeerRole.Client, (2, 1)));
    }

    [Fact]
    public void Apply_Rfc8441Section3_ConnectProtocolTakenBack_EndsTheConnection()
    {
        var settings = new Http2Settings();
        Assert.Equal(default, Apply(ref settings, PeerRole.Server, (8, 0)));
        Assert.Equal(default, Apply(ref settings, PeerRole.Server, (8, 1)));
        Assert.Equal(new(Http2Fault.InvalidEnableConnectProtocol, Http2ErrorCode.ProtocolError), Apply(ref settings, PeerRole.Server, (8, 0)));
    }

    [Theory]
    [InlineData(1u, 0u)]
    [InlineData(0u, 1u)]
    public void Apply_Rfc9218Section2_1_PrioritiesChangedLater_EndsTheConnection(uint first, uint second)
    {
        var settings = new Http2Settings();
        Assert.Equal(default, Apply(ref settings, PeerRole.Client, (9, first)));
        Assert.Equal(default, Apply(ref settings, PeerRole.Client, (9, first), (3, 1)));
        Assert.Equal(new(Http2Fault.InvalidNoRfc7540Priorities, Http2ErrorCode.ProtocolError), Apply(ref settings, PeerRole.Client, (9, second)));
    }

    [Fact]
    public void Apply_Section10_5_TooManyParameters_EndTheConnection()
    {
        var settings = new Http2Settings();
        var parameters = Enumerable.Repeat((0x99, 0u), Http2Limits.Default.MaxSettings + 1).ToArray();
        Assert.Equal(default, Apply(ref settings, PeerRole.Client, parameters[1..]));
        Assert.Equal(new(Http2Fault.TooManySettings, Http2ErrorCode.EnhanceYourCalm), Apply(ref settings, PeerRole.Client, parameters));
    }

    [Fact]
    public void Record_TextForm_KeepsOrderRepetitionAndUnknown()
    {
        var record = Http2SettingsRecord.From(Frames.Read(Frames.Settings((1, 65536), (4, 131072), (0x4a4a, uint.MaxValue), (4, 1))).Settings);
        Assert.Equal("1:65536;4:131072;19018:4294967295;4:1", record.ToString());
        Assert.Equal((4, false), (record.Settings.Length, record.IsTruncated));
        Assert.Equal("", Http2SettingsRecord.From(Frames.Read(Frames.Settings()).Settings).ToString());
    }

    [Fact]
    public void Record_ManyParameters_AreBounded()
    {
        var record = Http2SettingsRecord.From(Frames.Read(Frames.Settings([.. Enumerable.Repeat((7, 1u), 65)])).Settings);
        Assert.Equal((64, true), (record.Settings.Length, record.IsTruncated));
        Assert.Null(Http2SettingsRecord.Parse(string.Join(';', Enumerable.Repeat("7:1", 65))));
    }

    [Theory]
    [InlineData("1")]
    [InlineData("1:")]
    [InlineData(":1")]
    [InlineData("1:2;")]
    [InlineData("65536:1")]
    [InlineData("1:4294967296")]
    [InlineData("1:-1")]
    [InlineData(" 1:1")]
    public void Record_OtherText_IsNone(string text) => Assert.Null(Http2SettingsRecord.Parse(text));

    [Fact]
    public void Record_TextAndWire_AreInverse() => Gen.Select(Gen.UShort, Gen.UInt).Array[0, 40].Sample(x =>
    {
        Http2Setting[] settings = [.. x.Select(y => new Http2Setting((Http2SettingId)y.Item1, y.Item2))];
        var wire = new byte[9 + (settings.Length * Http2Setting.Octets)];
        Assert.Equal(wire.Length, Http2FrameWriter.WriteSettings(wire, settings));
        default(Http2FrameReader).TryRead(wire, Http2Settings.MinMaxFrameSize, out var frame, out _, out var error);
        Assert.Equal(settings.Select(y => y.Check()).FirstOrDefault(y => y.IsError), error);
        if (error.IsError)
        {
            return;
        }

        var record = Http2SettingsRecord.From(frame.Settings);
        Assert.Equal(settings, record.Settings);
        Assert.Equal(record, Http2SettingsRecord.Parse(record.ToString()));
    });

    private static Http2Error Apply(ref Http2Settings settings, PeerRole sender, params (int Id, uint Value)[] parameters) =>
        settings.Apply(Frames.Read(Frames.Settings(parameters)), sender, Http2Limits.Default);
}

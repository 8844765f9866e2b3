using RelayCore.Protocols.Http2;
using Xunit;

namespace RelayCore.Protocols.Tests.Http2;

/// <summary>RFC 9113 §10.5: each way of being expensive has its limit.</summary>
public sealed class Http2GuardTests
{
    private static readonly Http2Limits s_limits = new()
    {
        Resets = new(5, 2),
        RapidResets = new(5, 2),
        ProvokedResets = new(5, 2),
        Settings = new(5, 2),
        Pings = new(5, 2),
        EmptyData = new(5, 2),
        EmptyFieldBlocks = new(5, 2),
        Priorities = new(5, 2),
        SmallWindowUpdates = new(5, 2),
        UnknownFrames = new(5, 2),
        SmallIncrement = 100,
    };

    private readonly Http2Guard _guard = new(s_limits, TimeSpan.FromHours(1));

    public static TheoryData<string, byte[], Http2Fault> Floods => new()
    {
        { "RST_STREAM (CVE-2019-9514)", Frames.Frame(3, 0, 1, Frames.Word(8)), Http2Fault.ResetFlood },
        { "SETTINGS (CVE-2019-9515)", Frames.Settings(), Http2Fault.SettingsFlood },
        { "PING (CVE-2019-9512)", Frames.Frame(6, 0, 0, new byte[8]), Http2Fault.PingFlood },
        { "empty DATA (CVE-2019-9518)", Frames.Frame(0, 0, 1), Http2Fault.EmptyDataFlood },
        { "padding only", Frames.Frame(0, 8, 1, [5, 0, 0, 0, 0, 0]), Http2Fault.EmptyDataFlood },
        { "padding of 0", Frames.Frame(0, 8, 1, 0), Http2Fault.EmptyDataFlood },
        { "empty CONTINUATION", Frames.Frame(9, 0, 1), Http2Fault.EmptyFieldBlockFlood },
        { "empty PUSH_PROMISE", Frames.Frame(5, 0, 1, 0, 0, 0, 2), Http2Fault.EmptyFieldBlockFlood },
        { "PRIORITY (CVE-2019-9513)", Frames.Frame(2, 0, 3, 0, 0, 0, 1, 1), Http2Fault.PriorityFlood },
        { "PRIORITY_UPDATE", Frames.Frame(0x10, 0, 0, 0, 0, 0, 1), Http2Fault.PriorityFlood },
        { "WINDOW_UPDATE of 1 (CVE-2019-9511)", Frames.Frame(8, 0, 1, 0, 0, 0, 1), Http2Fault.WindowUpdateFlood },
        { "WINDOW_UPDATE of 99", Frames.Frame(8, 0, 0, 0, 0, 0, 99), Http2Fault.WindowUpdateFlood },
        { "unknown", Frames.Frame(0x21, 0, 1, 1), Http2Fault.UnknownFrameFlood },
    };

    [Theory]
    [MemberData(nameof(Floods))]
    public void Receive_Flood_IsNamedAfterTheBurstAndRegainedOverTime(string name, byte[] wire, Http2Fault fault)
    {
        var now = TimeSpan.FromHours(1);
        Assert.True(5 == Fill(now), name);
        Assert.Equal(1, Fill(now + TimeSpan.FromSeconds(0.5))); // two a second
        Assert.Equal(5, Fill(now + TimeSpan.FromDays(1))); // a burst, however long it was quiet
        Assert.Equal(0, Fill(now)); // a clock that goes back gives nothing

        int Fill(TimeSpan at)
        {
            for (var count = 0; ; count++)
            {
                if (_guard.Receive(Frames.Read(wire), at) is { IsError: true } error)
                {
                    Assert.Equal(new(fault, Http2ErrorCode.EnhanceYourCalm), error);
                    return count;
                }

                Assert.True(count < 100, name);
            }
        }
    }

    [Theory]
    [InlineData("DATA", 0, 0, 1, 1)]
    [InlineData("padded DATA", 0, 8, 1, 2)]
    [InlineData("DATA with END_STREAM", 0, 1, 1, 0)]
    [InlineData("HEADERS", 1, 4, 1, 0)]
    [InlineData("CONTINUATION with content", 9, 0, 1, 1)]
    [InlineData("CONTINUATION with END_HEADERS", 9, 4, 1, 0)]
    [InlineData("SETTINGS ACK", 4, 1, 0, 0)]
    [InlineData("PING ACK", 6, 1, 0, 8)]
    [InlineData("WINDOW_UPDATE of 2^24", 8, 0, 1, 4)]
    [InlineData("GOAWAY", 7, 0, 0, 8)]
    public void Receive_UsefulFrames_AreNeverTooMany(string name, int type, int flags, int streamId, int length)
    {
        var payload = new byte[length];
        payload.AsSpan(0, Math.Min(1, length)).Fill((byte)(type == 0 ? 0 : 1));
        for (var i = 0; i < 1000; i++)
        {
            Assert.True(!_guard.Receive(Frames.Read(Frames.Frame(type, flags, streamId, payload)), TimeSpan.FromHours(1)).IsError, name);
        }
    }

    [Fact]
    public void Receive_PingsOfAPeerThatMeasuresWhileDataFlows_AreFine()
    {
        var (ping, data) = (Frames.Frame(6, 0, 0, new byte[8]), Frames.Frame(0, 0, 1, 1));
        for (var i = 0; i < 1000; i++)
        {
            Assert.Equal(default, _guard.Receive(Frames.Read(data), TimeSpan.Zero));
            Assert.Equal(default, _guard.Receive(Frames.Read(ping), TimeSpan.Zero));
            _guard.DataSent(isCutByWindow: false);
            Assert.Equal(default, _guard.Receive(Frames.Read(ping), TimeSpan.Zero));
        }
    }

    [Fact]
    public void Receive_SmallUpdatesThatAnswerSmallData_AreFine()
    {
        var update = Frames.Frame(8, 0, 1, 0, 0, 0, 1);
        for (var i = 0; i < 1000; i++)
        {
            _guard.DataSent(isCutByWindow: false);
            Assert.Equal(default, _guard.Receive(Frames.Read(update), TimeSpan.Zero));
            Assert.Equal(default, _guard.Receive(Frames.Read(update), TimeSpan.Zero));
        }
    }

    [Fact]
    public void Receive_SmallUpdatesThatDribbleDataOut_AreAFlood()
    {
        var update = Frames.Frame(8, 0, 1, 0, 0, 0, 1);
        for (var i = 0; i < 5; i++)
        {
            Assert.Equal(default, _guard.Receive(Frames.Read(update), TimeSpan.Zero));
            _guard.DataSent(isCutByWindow: true);
        }

        Assert.Equal(Http2Fault.WindowUpdateFlood, _guard.Receive(Frames.Read(update), TimeSpan.Zero).Fault);
    }

    [Fact]
    public void Receive_PrioritiesOfNewStreams_AreFine()
    {
        for (var i = 0; i < 1000; i++)
        {
            Assert.Equal(default, _guard.Receive(Frames.Read(Frames.Frame(1, 4, 1, 0x82)), TimeSpan.Zero));
            for (var j = 0; j < 5; j++)
            {
                Assert.Equal(default, _guard.Receive(Frames.Read(Frames.Frame(2, 0, 3, 0, 0, 0, 1, 1)), TimeSpan.Zero));
            }
        }
    }

    [Fact]
    public void Receive_LaterPiecesOfAFrame_CountOnce()
    {
        var reader = default(Http2FrameReader);
        var wire = Frames.Frame(0x21, 0, 1, new byte[100]);
        for (var i = 0; i < wire.Length; i++)
        {
            if (reader.TryRead(wire.AsSpan(i < 10 ? 0 : i, i < 10 ? i : 1), Http2Settings.MinMaxFrameSize, out var frame, out _, out _) == System.Buffers.OperationStatus.Done)
            {
                Assert.Equal(default, _guard.Receive(frame, TimeSpan.Zero));
            }
        }
    }

    [Fact]
    public void ResetByPeer_CVE_2023_44487_RightAfterOpening_IsRapidReset()
    {
        var now = TimeSpan.FromHours(1);
        for (var i = 0; i < 5; i++)
        {
            Assert.Equal(default, _guard.ResetByPeer(now - s_limits.RapidResetAge, isAnswered: false, now));
        }

        Assert.Equal(default, _guard.ResetByPeer(now - s_limits.RapidResetAge - TimeSpan.FromTicks(1), isAnswered: false, now));
        Assert.Equal(default, _guard.ResetByPeer(now, isAnswered: true, now));
        Assert.Equal(new(Http2Fault.RapidReset, Http2ErrorCode.EnhanceYourCalm), _guard.ResetByPeer(now, isAnswered: false, now));
    }

    [Fact]
    public void ResetByUs_CVE_2025_8671_ProvokedByThePeer_IsBounded()
    {
        for (var i = 0; i < 5; i++)
        {
            Assert.Equal(default, _guard.ResetByUs(TimeSpan.Zero));
        }

        Assert.Equal(new(Http2Fault.ProvokedResets, Http2ErrorCode.EnhanceYourCalm), _guard.ResetByUs(TimeSpan.Zero));
    }

    [Fact]
    public void Problems_Defaults_AreNone() => Assert.Empty(Http2Limits.Default.Problems());

    [Fact]
    public void Problems_EveryOneAtOnce_AreNamed()
    {
        var limits = new Http2Limits
        {
            MaxFieldBlockOctets = 1,
            MaxContinuations = 0,
            MaxSettings = 0,
            MaxFrameSize = 16383,
            MaxConcurrentStreams = 0,
            InitialConnectionWindow = 1,
            MaxStreamWindow = 1,
            Pings = new(0, 1),
            Resets = new(1, -1),
        };
        Assert.Equal(9, limits.Problems().Count());
    }
}

using System.Security.Authentication;
using CsCheck;
using RelayCore.Engine.Transport;
using RelayCore.Testing;
using Xunit;

namespace RelayCore.InMemory.Tests.Transport;

public sealed class TlsTransportTests
{
    private const int Record = TlsPairSizes.Record;
    private const int HeadRoom = 4096;
    private static readonly int[] s_rooms = [1, 100, HeadRoom, Record, 2 * Record, 64 * 1024, 128 * 1024];

    [Theory]
    [InlineData(SslProtocols.Tls12)]
    [InlineData(SslProtocols.Tls13)]
    public async Task Receive_AnySegmentsRecordsAndRoom_GivesTheOctetsSent(SslProtocols version)
    {
        foreach (var segment in (int[])[16, 5_000, Record + 21, Record + 22, Record + 23, 70_000, int.MaxValue])
        {
            foreach (var record in (int[])[900, Record - 1, Record])
            {
                foreach (var room in (int[])[HeadRoom, 2 * Record, (2 * Record) + 1, 64 * 1024, 200_000])
                {
                    var pair = await TlsPair.ConnectAsync(version);
                    pair.TheirWire.MaxSegment = segment;
                    var octets = TlsPair.Octets(segment == 16 ? 40_000 : 400_000);
                    var sending = Task.Run(async () =>
                    {
                        for (var i = 0; i < octets.Length; i += record)
                        {
                            await pair.Theirs.WriteAsync(octets.AsMemory(i, Math.Min(record, octets.Length - i)));
                        }
                    });
                    var received = await pair.ReceiveAllAsync(octets.Length, room);
                    Assert.True(octets.AsSpan().SequenceEqual(received), $"segment {segment}, record {record}, room {room}");
                    await sending;
                    Assert.False(pair.OurWire.HasAhead);
                }
            }
        }
    }

    [Fact]
    public Task Receive_RoomChangingWithinTheBody_GivesTheOctetsSent() =>
        Gen.Select(Gen.Int[1, 60_000].Array[1, 12], Gen.Int[0, s_rooms.Length - 1].Select(x => s_rooms[x]).Array[1, 12], Gen.Int[7_000, 100_000])
            .SampleAsync(
                async (writes, rooms, segment) =>
                {
                    var pair = await TlsPair.ConnectAsync();
                    pair.TheirWire.MaxSegment = segment;
                    var octets = TlsPair.Octets(writes.Sum());
                    var sent = 0;
                    foreach (var write in writes)
                    {
                        await pair.Theirs.WriteAsync(octets.AsMemory(sent, write));
                        sent += write;
                    }

                    var received = new List<byte>();
                    for (var i = 0; received.Count < octets.Length; i++)
                    {
                        received.AddRange(await pair.ReceiveAsync(rooms[i % rooms.Length]));
                    }

                    Assert.Equal(octets, received);
                },
                iter: 60);

    [Fact]
    public async Task Receive_ManyRecordsHere_TakesThemWithOneReceiveBelow()
    {
        var pair = await TlsPair.ConnectAsync();
        await pair.BecomeBulkAsync();
        var octets = TlsPair.Octets(8 * Record);
        await pair.Theirs.WriteAsync(octets);
        pair.OurSpy.Receives.Clear();
        Assert.Equal(octets[..(4 * Record)], await pair.ReceiveAsync());
        Assert.Equal([TransportStream.AheadOctets], pair.OurSpy.Receives);
        Assert.Equal(octets[(4 * Record)..], await pair.ReceiveAllAsync(4 * Record));
        Assert.False(pair.OurWire.HasAhead);
    }

    [Fact]
    public async Task Receive_LastRecordIncomplete_GivesTheOthersAtOnce()
    {
        var pair = await TlsPair.ConnectAsync();
        await pair.BecomeBulkAsync();
        var octets = TlsPair.Octets(2 * Record);
        pair.TheirWire.MaxSegment = Record + 22 + 100;
        await pair.Theirs.WriteAsync(octets); // the first segment ends within the second record
        var buffer = new byte[64 * 1024];
        var receiving = pair.Ours.ReceiveAsync(buffer);
        Assert.True(receiving.IsCompleted, "a whole record waited for the rest of the next");
        Assert.Equal(Record, await receiving);
        Assert.True(pair.OurWire.HasAhead);
        Assert.True(pair.Ours.HasInput);
        Assert.Equal(octets[Record..], await pair.ReceiveAllAsync(Record));
    }

    [Fact]
    public async Task Receive_SmallPiecesBehindABulk_ComeOneByOneAndHoldNoLargeBuffer()
    {
        var pair = await TlsPair.ConnectAsync();
        await pair.BecomeBulkAsync();
        for (byte i = 0; i < 3; i++)
        {
            await pair.Theirs.WriteAsync(new[] { i });
            Assert.Equal([i], await pair.ReceiveAsync());
        }

        pair.OurSpy.Receives.Clear();
        var waiting = pair.ReceiveAsync();
        Assert.Equal([0], pair.OurSpy.Receives); // waits without any buffer
        await pair.Theirs.WriteAsync(new byte[] { 9 });
        Assert.Equal([9], await waiting);
    }

    [Fact]
    public async Task Receive_HeadRoomBehindABulk_WaitsWithoutABuffer()
    {
        var pair = await TlsPair.ConnectAsync();
        await pair.BecomeBulkAsync();
        pair.OurSpy.Receives.Clear();
        var waiting = pair.ReceiveAsync(HeadRoom);
        Assert.Equal([0], pair.OurSpy.Receives);
        await pair.Theirs.WriteAsync(new byte[] { 9 });
        Assert.Equal([9], await waiting);
    }

    [Theory]
    [InlineData(SslProtocols.Tls12)]
    [InlineData(SslProtocols.Tls13)]
    public async Task Receive_CloseNotifyBehindABulk_IsTheEndAfterAllOctets(SslProtocols version)
    {
        var pair = await TlsPair.ConnectAsync(version);
        await pair.BecomeBulkAsync();
        var octets = TlsPair.Octets(3 * Record);
        await pair.Theirs.WriteAsync(octets);
        await pair.Theirs.ShutdownAsync();
        Assert.Equal(octets, await pair.ReceiveAllAsync(octets.Length));
        Assert.Empty(await pair.ReceiveAsync());
        Assert.Empty(await pair.ReceiveAsync());
        await pair.Ours.SendAsync(octets); // the other direction goes on
        var back = new byte[octets.Length];
        await pair.Theirs.ReadExactlyAsync(back).AsTask().WaitAsync(TestPeer.Patience);
        Assert.Equal(octets, back);
    }

    [Fact]
    public async Task Receive_DamagedRecordBehindGoodOnes_GivesThoseFirstAndFailsThenEachTime()
    {
        var pair = await TlsPair.ConnectAsync();
        await pair.BecomeBulkAsync();
        var octets = TlsPair.Octets(2 * Record);
        await pair.Theirs.WriteAsync(octets);
        byte[] damaged = [23, 3, 3, 0, 40, .. new byte[40]];
        await pair.TheirWire.SendAsync(damaged);
        Assert.Equal(octets, await pair.ReceiveAsync());
        for (var i = 0; i < 2; i++)
        {
            Assert.True(DuplexTransport.IsFailure(await Assert.ThrowsAnyAsync<Exception>(() => pair.ReceiveAsync())));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(Record)]
    public async Task Receive_EndWithinARecord_GivesWholeRecordsAndFails(int cut)
    {
        var pair = await TlsPair.ConnectAsync();
        await pair.BecomeBulkAsync();
        var octets = TlsPair.Octets(2 * Record);
        await pair.Theirs.WriteAsync(octets);
        byte[] begun = [23, 3, 3, 0x40, 0x11, .. new byte[Record]];
        await pair.TheirWire.SendAsync(begun.AsMemory(0, cut));
        pair.TheirWire.Close();
        Assert.Equal(octets, await pair.ReceiveAsync());
        Assert.True(DuplexTransport.IsFailure(await Assert.ThrowsAnyAsync<Exception>(() => pair.ReceiveAsync())));
    }

    [Fact]
    public async Task Receive_ResetWhileWaitingAhead_Fails()
    {
        var pair = await TlsPair.ConnectAsync();
        await pair.BecomeBulkAsync();
        var waiting = pair.ReceiveAsync();
        pair.TheirWire.Reset();
        Assert.True(DuplexTransport.IsFailure(await Assert.ThrowsAnyAsync<Exception>(() => waiting)));
        Assert.False(pair.OurWire.HasAhead);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(Record)]
    [InlineData(Record + 1)]
    [InlineData(4 * Record)]
    [InlineData((4 * Record) + 1)]
    [InlineData(1_000_000)]
    public async Task Send_AnyLength_ArrivesWholeInFewPieces(int length)
    {
        var pair = await TlsPair.ConnectAsync(bufferOctets: 2_000_000);
        var octets = TlsPair.Octets(length);
        pair.OurSpy.Sends.Clear();
        await pair.Ours.SendAsync(octets);
        var records = (length + Record - 1) / Record;
        var total = length + (22 * records);
        Assert.True(pair.OurSpy.Sends.Count <= 1 + (total / (TransportStream.GatherOctets / 2)), string.Join(' ', pair.OurSpy.Sends));
        Assert.Equal(total, pair.OurSpy.Sends.Sum());
        var arrived = new byte[length];
        await pair.Theirs.ReadExactlyAsync(arrived).AsTask().WaitAsync(TestPeer.Patience);
        Assert.Equal(octets, arrived);
    }

    [Fact]
    public async Task Send_Nothing_SendsNothingThatDisturbs()
    {
        var pair = await TlsPair.ConnectAsync();
        await pair.Ours.SendAsync(ReadOnlyMemory<byte>.Empty);
        await pair.Ours.SendAsync(new byte[] { 7 });
        var arrived = new byte[1];
        await pair.Theirs.ReadExactlyAsync(arrived).AsTask().WaitAsync(TestPeer.Patience);
        Assert.Equal([7], arrived);
    }

    [Fact]
    public async Task Send_PeerTakesLittleAtATime_ArrivesWholeAndInOrder()
    {
        var pair = await TlsPair.ConnectAsync(bufferOctets: 10_000);
        var octets = TlsPair.Octets(500_000);
        var sending = SendAsync();
        var arrived = new byte[octets.Length];
        await pair.Theirs.ReadExactlyAsync(arrived).AsTask().WaitAsync(TestPeer.Patience);
        await sending;
        Assert.Equal(octets, arrived);

        async Task SendAsync()
        {
            for (var i = 0; i < octets.Length; i += 100_000)
            {
                await pair.Ours.SendAsync(octets.AsMemory(i, 100_000));
            }
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task Send_FailingBelow_FailsAndLeavesNothingForTheNextSend(int sendsThatPass)
    {
        var pair = await TlsPair.ConnectAsync(bufferOctets: 2_000_000);
        pair.OurSpy.SendsLeft = sendsThatPass;
        var octets = TlsPair.Octets(30 * Record);
        Assert.True(DuplexTransport.IsFailure(await Assert.ThrowsAnyAsync<Exception>(() => pair.Ours.SendAsync(octets).AsTask().WaitAsync(TestPeer.Patience))));
        pair.OurSpy.SendsLeft = int.MaxValue;
        pair.OurSpy.Sends.Clear();
        await pair.OurWire.WriteAsync(new byte[] { 1, 2, 3 });
        await pair.OurWire.SendGatheredAsync();
        Assert.Equal([3], pair.OurSpy.Sends); // neither gathered nor behind something old
    }

    [Fact]
    public async Task Send_ResetWhileItWaits_Fails()
    {
        var pair = await TlsPair.ConnectAsync(bufferOctets: 10_000);
        var sending = pair.Ours.SendAsync(TlsPair.Octets(4 * Record)).AsTask();
        Assert.False(sending.IsCompleted);
        pair.Ours.Reset();
        Assert.True(DuplexTransport.IsFailure(await Assert.ThrowsAnyAsync<Exception>(() => sending.WaitAsync(TestPeer.Patience))));
    }

    [Fact]
    public async Task Send_ThenHalfClose_IsTheEndAfterAllOctets()
    {
        var pair = await TlsPair.ConnectAsync();
        var octets = TlsPair.Octets(4 * Record);
        await pair.Ours.SendAsync(octets);
        await pair.Ours.CompleteOutputAsync();
        using var all = new MemoryStream();
        await pair.Theirs.CopyToAsync(all).WaitAsync(TestPeer.Patience);
        Assert.Equal(octets, all.ToArray());
    }
}

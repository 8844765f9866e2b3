using System.Net;
using RelayCore.Engine.Transport;
using RelayCore.Testing;
using Xunit;

namespace RelayCore.InMemory.Tests.Transport;

public sealed class TransportStreamTests
{
    [Fact]
    public async Task Read_RecordWithoutDataAndNothingBehindIt_StopsAndGoesOnLater()
    {
        // The tickets a TLS 1.3 server sends behind the handshake are records of application data to look at, and have none (RFC 8446 §4.6.1).
        var pair = await TlsPair.ConnectAsync();
        pair.OurWire.ReadsAhead = true;
        await pair.OurWire.ReadAsync(Memory<byte>.Empty).AsTask().WaitAsync(TestPeer.Patience);
        Assert.True(pair.OurWire.HasRecordAhead);
        pair.OurWire.NeverWaits = true;
        await Assert.ThrowsAsync<NothingAheadException>(() => pair.OurTls.ReadExactlyAsync(new byte[10]).AsTask());
        Assert.False(pair.OurWire.HasAhead);
        pair.OurWire.NeverWaits = false;
        await pair.BecomeBulkAsync();
    }

    [Fact]
    public async Task Read_ReplayedOctets_ComeBeforeReceivedOnes()
    {
        var (stream, peer) = Create([1, 2, 3]);
        await peer.SendAsync(new byte[] { 4, 5 });
        var buffer = new byte[2];
        Assert.Equal(0, await stream.ReadAsync(Memory<byte>.Empty));
        Assert.Equal(2, await stream.ReadAsync(buffer));
        Assert.Equal([1, 2], buffer);
        Assert.Equal(1, await stream.ReadAsync(buffer));
        Assert.Equal(3, buffer[0]);
        Assert.Equal(2, await stream.ReadAsync(buffer));
        Assert.Equal([4, 5], buffer);
    }

    [Fact]
    public async Task Read_Ahead_EndsWithTheRecord()
    {
        var (stream, peer) = Create([]);
        stream.ReadsAhead = true;
        await peer.SendAsync(new byte[] { 23, 3, 3, 0, 1, 100, 23, 3, 3, 0, 2, 101, 102, 23, 3, 3, 0, 1 });
        var buffer = new byte[100];
        Assert.Equal(6, await stream.ReadAsync(buffer.AsMemory(0, 10)));
        Assert.True(stream.HasRecordAhead);
        Assert.Equal(3, await stream.ReadAsync(buffer.AsMemory(0, 3)));
        Assert.True(stream.HasRecordAhead);
        Assert.Equal(4, await stream.ReadAsync(buffer));
        Assert.False(stream.HasRecordAhead);
        Assert.Equal(5, await stream.ReadAsync(buffer));
        Assert.False(stream.HasAhead);
        peer.Close();
        Assert.Equal(0, await stream.ReadAsync(buffer));
        Assert.Equal(0, await stream.ReadAsync(buffer));
    }

    [Fact]
    public async Task HasRecordAhead_RecordOfAnotherType_IsFalse()
    {
        var (stream, peer) = Create([]);
        stream.ReadsAhead = true;
        await peer.SendAsync(new byte[] { 21, 3, 3, 0, 2, 1, 0 });
        Assert.Equal(0, await stream.ReadAsync(Memory<byte>.Empty));
        Assert.True(stream.HasAhead);
        Assert.False(stream.HasRecordAhead);
    }

    [Fact]
    public async Task Write_GatheredAtEverySplit_IsOneSendOfTheSameOctets()
    {
        var octets = TlsPair.Octets(50);
        for (var split = 0; split <= octets.Length; split++)
        {
            var (stream, peer) = Create([], out var spy);
            stream.Gather();
            await stream.WriteAsync(octets.AsMemory(0, split));
            await stream.WriteAsync(octets.AsMemory(split));
            Assert.Empty(spy.Sends);
            await stream.SendGatheredAsync();
            Assert.Equal([octets.Length], spy.Sends);
            var arrived = new byte[octets.Length];
            Assert.Equal(octets.Length, await peer.ReceiveAsync(arrived));
            Assert.Equal(octets, arrived);
            await stream.WriteAsync(octets);
            Assert.Equal([octets.Length, octets.Length], spy.Sends);
        }
    }

    [Fact]
    public async Task Write_GatheredNothing_SendsNothing()
    {
        var (stream, _) = Create([], out var spy);
        stream.Gather();
        await stream.SendGatheredAsync();
        stream.Gather();
        stream.DropGathered();
        Assert.Empty(spy.Sends);
    }

    [Fact]
    public async Task Write_GatheredThenDropped_IsNotSentLater()
    {
        var (stream, _) = Create([], out var spy);
        stream.Gather();
        await stream.WriteAsync(new byte[10]);
        stream.DropGathered();
        stream.Gather();
        await stream.WriteAsync(new byte[3]);
        await stream.SendGatheredAsync();
        Assert.Equal([3], spy.Sends);
    }

    [Fact]
    public async Task Write_BesideAGatheredSendThatWaits_IsNeitherLostNorMixedIn()
    {
        var (stream, peer) = Create([], out var spy, bufferOctets: 8);
        stream.Gather();
        await stream.WriteAsync(new byte[20]);
        var sending = stream.SendGatheredAsync().AsTask();
        Assert.False(sending.IsCompleted);
        stream.Gather();
        await stream.WriteAsync(new byte[] { 1 });
        var arrived = new byte[100];
        for (var left = 20; left > 0; left -= await peer.ReceiveAsync(arrived))
        {
        }

        await sending.WaitAsync(TestPeer.Patience);
        await stream.SendGatheredAsync();
        Assert.Equal([20, 1], spy.Sends);
        Assert.Equal(1, await peer.ReceiveAsync(arrived));
        Assert.Equal(1, arrived[0]);
    }

    private static (TransportStream Stream, InMemoryTransport Peer) Create(byte[] received) => Create(received, out _);

    private static (TransportStream Stream, InMemoryTransport Peer) Create(byte[] received, out SpyTransport spy, int bufferOctets = 64 * 1024)
    {
        var (ours, theirs) = InMemoryTransport.CreatePair(new(IPAddress.Loopback, 1), new(IPAddress.Loopback, 2), bufferOctets);
        spy = new(ours);
        return (new(spy, received), theirs);
    }
}

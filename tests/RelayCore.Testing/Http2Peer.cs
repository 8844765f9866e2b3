using System.Buffers.Binary;
using System.Text;
using RelayCore.Protocols.Http2;
using RelayCore.Protocols.Http2.Hpack;

namespace RelayCore.Testing;

/// <summary>One frame as it was on the wire; a field block is decoded as well.</summary>
/// <param name="Type">Its type.</param>
/// <param name="Flags">Its flags.</param>
/// <param name="StreamId">Its stream.</param>
/// <param name="Payload">Its payload, padding and priority included.</param>
public sealed record Http2TestFrame(Http2FrameType Type, Http2FrameFlags Flags, int StreamId, byte[] Payload)
{
    /// <summary>Fields of HEADERS that were complete in one frame, pseudo-fields included.</summary>
    public IReadOnlyList<(string Name, string Value, bool NeverIndexed)> Fields { get; init; } = [];

    /// <summary>Whether it ends its stream.</summary>
    public bool Ends => (Flags & Http2FrameFlags.EndStream) != 0 && Type is Http2FrameType.Data or Http2FrameType.Headers;

    /// <summary>Code of RST_STREAM and GOAWAY.</summary>
    public Http2ErrorCode Code => (Http2ErrorCode)BinaryPrimitives.ReadUInt32BigEndian(Payload.AsSpan(Type == Http2FrameType.GoAway ? 4 : 0));

    /// <summary>Increment of WINDOW_UPDATE, last stream of GOAWAY.</summary>
    public int Number => (int)(BinaryPrimitives.ReadUInt32BigEndian(Payload) & int.MaxValue);

    /// <summary>Payload as Latin-1.</summary>
    public string Text => Encoding.Latin1.GetString(Payload);

    /// <summary>First value of a field, or <see langword="null"/>.</summary>
    public string? this[string name] => Fields.Where(x => x.Name == name).Select(x => x.Value).FirstOrDefault();

    /// <inheritdoc/>
    public override string ToString() =>
        $"{Type} {Flags} stream {StreamId}, {Payload.Length} octets {string.Join(", ", Fields.Select(x => $"{x.Name}: {x.Value}"))}"
        + (Type is Http2FrameType.GoAway or Http2FrameType.RstStream ? $" {Code}" : "");
}

/// <summary>A client or origin that speaks HTTP/2 frame by frame, as a test tells it; nothing is answered by itself.</summary>
public sealed class Http2Peer(TestPeer peer)
{
    private readonly HpackEncoder _encoder = new();
    private readonly HpackDecoder _decoder = new();

    /// <summary>The connection below.</summary>
    public TestPeer Peer => peer;

    /// <summary>Opens as a client: preface and SETTINGS; reads and acknowledges the proxy's.</summary>
    /// <returns>The proxy's SETTINGS.</returns>
    public async Task<Http2TestFrame> OpenAsClientAsync(params Http2Setting[] settings)
    {
        await peer.SendAsync(Http2Preface.Value.ToArray()).ConfigureAwait(false);
        await SettingsAsync(settings).ConfigureAwait(false);
        var theirs = await ReadAsync(Http2FrameType.Settings).ConfigureAwait(false);
        await FrameAsync(Http2FrameType.Settings, Http2FrameFlags.Ack, 0, []).ConfigureAwait(false);
        await ReadAsync(Http2FrameType.Settings).ConfigureAwait(false);
        return theirs;
    }

    /// <summary>Opens as a server: reads the preface and SETTINGS of the proxy, sends and acknowledges.</summary>
    /// <returns>The proxy's SETTINGS.</returns>
    public async Task<Http2TestFrame> OpenAsServerAsync(params Http2Setting[] settings)
    {
        var preface = await peer.ReadAsync(Http2Preface.Octets).ConfigureAwait(false);
        if (preface != Encoding.ASCII.GetString(Http2Preface.Value))
        {
            throw new InvalidOperationException($"No preface: {preface}");
        }

        var theirs = await ReadAsync(Http2FrameType.Settings).ConfigureAwait(false);
        await SettingsAsync(settings).ConfigureAwait(false);
        await FrameAsync(Http2FrameType.Settings, Http2FrameFlags.Ack, 0, []).ConfigureAwait(false);
        return theirs;
    }

    /// <summary>Sends SETTINGS.</summary>
    public Task SettingsAsync(params Http2Setting[] settings)
    {
        var octets = new byte[Http2Frame.HeaderOctets + (settings.Length * Http2Setting.Octets)];
        Http2FrameWriter.WriteSettings(octets, settings);
        return peer.SendAsync(octets);
    }

    /// <summary>Sends any frame.</summary>
    public Task FrameAsync(Http2FrameType type, Http2FrameFlags flags, int streamId, ReadOnlySpan<byte> payload)
    {
        var octets = new byte[Http2Frame.HeaderOctets + payload.Length];
        Http2FrameWriter.WriteHeader(octets, payload.Length, type, flags, streamId);
        payload.CopyTo(octets.AsSpan(Http2Frame.HeaderOctets));
        return peer.SendAsync(octets);
    }

    /// <summary>A field block.</summary>
    public byte[] Block(params (string Name, string Value)[] fields)
    {
        var block = new byte[HpackEncoder.BeginBound + fields.Sum(x => HpackEncoder.Bound(x.Name.Length, x.Value.Length))];
        var at = _encoder.Begin(block);
        foreach (var (name, value) in fields)
        {
            at += _encoder.Encode(block.AsSpan(at), Encoding.Latin1.GetBytes(name), Encoding.Latin1.GetBytes(value), neverIndexed: name == "authorization");
        }

        return block[..at];
    }

    /// <summary>Sends HEADERS.</summary>
    public Task HeadersAsync(int streamId, bool ends, params (string Name, string Value)[] fields) =>
        FrameAsync(Http2FrameType.Headers, Http2FrameFlags.EndHeaders | (ends ? Http2FrameFlags.EndStream : 0), streamId, Block(fields));

    /// <summary>Sends the HEADERS of a GET without body.</summary>
    public Task GetAsync(int streamId, string path = "/", string authority = "origin.test", string scheme = "https", params (string Name, string Value)[] fields) =>
        HeadersAsync(streamId, true, [(":method", "GET"), (":scheme", scheme), (":authority", authority), (":path", path), .. fields]);

    /// <summary>Sends DATA.</summary>
    public Task DataAsync(int streamId, string data, bool ends) => DataAsync(streamId, Encoding.Latin1.GetBytes(data), ends);

    /// <summary>Sends DATA.</summary>
    public Task DataAsync(int streamId, ReadOnlySpan<byte> data, bool ends) =>
        FrameAsync(Http2FrameType.Data, ends ? Http2FrameFlags.EndStream : 0, streamId, data);

    /// <summary>Sends RST_STREAM.</summary>
    public Task ResetAsync(int streamId, Http2ErrorCode code)
    {
        var octets = new byte[Http2FrameWriter.WordFrameOctets];
        Http2FrameWriter.WriteRstStream(octets, streamId, code);
        return peer.SendAsync(octets);
    }

    /// <summary>Sends WINDOW_UPDATE.</summary>
    public Task WindowAsync(int streamId, int increment)
    {
        var octets = new byte[Http2FrameWriter.WordFrameOctets];
        Http2FrameWriter.WriteWindowUpdate(octets, streamId, increment);
        return peer.SendAsync(octets);
    }

    /// <summary>Sends GOAWAY.</summary>
    public Task GoAwayAsync(int lastStreamId, Http2ErrorCode code)
    {
        var octets = new byte[Http2FrameWriter.GoAwayOctets];
        Http2FrameWriter.WriteGoAway(octets, lastStreamId, code, default);
        return peer.SendAsync(octets);
    }

    /// <summary>The next frame, whatever it is.</summary>
    public async Task<Http2TestFrame> ReadAsync()
    {
        var header = Encoding.Latin1.GetBytes(await peer.ReadAsync(Http2Frame.HeaderOctets).ConfigureAwait(false));
        var length = (header[0] << 16) | (header[1] << 8) | header[2];
        var payload = Encoding.Latin1.GetBytes(await peer.ReadAsync(length).ConfigureAwait(false));
        var frame = new Http2TestFrame(
            (Http2FrameType)header[3], (Http2FrameFlags)header[4], (int)(BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(5)) & int.MaxValue), payload);
        if (frame.Type != Http2FrameType.Headers || (frame.Flags & Http2FrameFlags.EndHeaders) == 0)
        {
            return frame;
        }

        var sink = new Sink([]);
        var error = _decoder.Decode(payload, ref sink);
        return error == HpackError.None ? frame with { Fields = sink.Fields } : throw new InvalidOperationException($"HPACK: {error}");
    }

    /// <summary>The next frame of a type; SETTINGS, PING, WINDOW_UPDATE and PRIORITY in front of it are passed over, anything else fails the test.</summary>
    public async Task<Http2TestFrame> ReadAsync(Http2FrameType type)
    {
        while (true)
        {
            var frame = await ReadAsync().ConfigureAwait(false);
            if (frame.Type == type)
            {
                return frame;
            }

            if (frame.Type is not (Http2FrameType.Settings or Http2FrameType.Ping or Http2FrameType.WindowUpdate or Http2FrameType.Priority))
            {
                throw new InvalidOperationException($"Wanted {type}, got {frame}");
            }
        }
    }

    private readonly struct Sink(List<(string, string, bool)> fields) : IHpackSink
    {
        public List<(string Name, string Value, bool NeverIndexed)> Fields => fields;

        public void Field(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value, bool neverIndexed, ref byte note) =>
            fields.Add((Encoding.Latin1.GetString(name), Encoding.Latin1.GetString(value), neverIndexed));
    }
}

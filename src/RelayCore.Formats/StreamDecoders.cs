using System.Buffers;
using System.IO.Compression;
using RelayCore.Core.Messages;
using ZstdSharp.Unsafe;

namespace RelayCore.Formats;

/// <summary>Brotli (RFC 7932), piece by piece.</summary>
internal sealed class BrotliStreamDecoder : IContentDecoder
{
    private BrotliDecoder _decoder;

    public OperationStatus Decode(ReadOnlySpan<byte> source, Span<byte> destination, out int consumed, out int written) =>
        _decoder.Decompress(source, destination, out consumed, out written);

    public void Dispose() => _decoder.Dispose();
}

/// <summary>Zstandard (RFC 8878), piece by piece; frames one behind the other are one stream.</summary>
internal sealed class ZstdStreamDecoder : IContentDecoder
{
    private readonly ZstdSharp.Decompressor _decoder = new();

    // RFC 9659 §3: a decoder of the content coding needs no window above 8 MiB.
    public ZstdStreamDecoder() => _decoder.SetParameter(ZSTD_dParameter.ZSTD_d_windowLogMax, 23);

    public OperationStatus Decode(ReadOnlySpan<byte> source, Span<byte> destination, out int consumed, out int written)
    {
        try
        {
            var status = _decoder.UnwrapStream(source, destination, out consumed, out written);

            // The end of a frame is not the end of the stream.
            return status != OperationStatus.Done ? status
                : consumed < source.Length ? OperationStatus.DestinationTooSmall : OperationStatus.NeedMoreData;
        }
        catch (ZstdSharp.ZstdException)
        {
            (consumed, written) = (0, 0);
            return OperationStatus.InvalidData;
        }
    }

    public void Dispose() => _decoder.Dispose();
}

/// <summary>
/// gzip (RFC 1952), and deflate as zlib (RFC 1950) or in the bare form (RFC 1951) some servers send, piece by piece. The framework's streams read
/// from a small buffer that is filled as octets come; when it is empty they say so and can go on later.
/// </summary>
internal sealed class DeflateStreamDecoder(bool isGzip) : IContentDecoder
{
    private readonly Feed _feed = new();
    private Stream? _stream;
    private bool _isBroken;

    public OperationStatus Decode(ReadOnlySpan<byte> source, Span<byte> destination, out int consumed, out int written)
    {
        written = 0;
        consumed = _feed.Fill(source);
        if (_isBroken)
        {
            return OperationStatus.InvalidData;
        }

        if (_stream is null)
        {
            // Which form of deflate it is shows in the first two octets.
            if (!isGzip && _feed.Length < 2)
            {
                return OperationStatus.NeedMoreData;
            }

            _stream = isGzip ? new GZipStream(_feed, CompressionMode.Decompress)
                : _feed.LooksLikeZlib ? new ZLibStream(_feed, CompressionMode.Decompress)
                : new DeflateStream(_feed, CompressionMode.Decompress);
        }

        try
        {
            written = _stream.Read(destination);
        }
        catch (InvalidDataException)
        {
            _isBroken = true;
            return OperationStatus.InvalidData;
        }

        return written == destination.Length || consumed < source.Length ? OperationStatus.DestinationTooSmall : OperationStatus.NeedMoreData;
    }

    public void Dispose()
    {
        _stream?.Dispose();
        _feed.Dispose();
    }

    /// <summary>Gives what it was filled with, then nothing until it is filled again.</summary>
    private sealed class Feed : Stream
    {
        private readonly byte[] _octets = new byte[4096];
        private int _start;
        private int _end;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => _end - _start;

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        // CMF and FLG of RFC 1950 §2.2: method 8, and a multiple of 31 as a number.
        public bool LooksLikeZlib => (_octets[_start] & 0x0F) == 8 && ((_octets[_start] << 8) | _octets[_start + 1]) % 31 == 0;

        public int Fill(ReadOnlySpan<byte> source)
        {
            if (_start > 0)
            {
                _octets.AsSpan(_start, _end - _start).CopyTo(_octets);
                (_start, _end) = (0, _end - _start);
            }

            var count = Math.Min(source.Length, _octets.Length - _end);
            source[..count].CopyTo(_octets.AsSpan(_end));
            _end += count;
            return count;
        }

        public override int Read(Span<byte> buffer)
        {
            var count = Math.Min(buffer.Length, _end - _start);
            _octets.AsSpan(_start, count).CopyTo(buffer);
            _start += count;
            return count;
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}

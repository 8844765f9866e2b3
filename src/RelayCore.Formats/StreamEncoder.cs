using System.Buffers;
using RelayCore.Core.Messages;

namespace RelayCore.Formats;

/// <summary>
/// gzip (RFC 1952), deflate as zlib (RFC 1950), br (RFC 7932) or zstd (RFC 8878), piece by piece. The libraries' streams write into the output of
/// the running call; a flush behind each piece puts it on an octet boundary where a decoder can show all of it.
/// </summary>
internal sealed class StreamEncoder : IContentEncoder
{
    private readonly Sink _sink = new();
    private readonly Stream _stream;
    private readonly string _coding;
    private bool _isEmpty = true;
    private bool _isOver;

    public StreamEncoder(string coding) => (_coding, _stream) = (coding, ContentCodings.OpenEncoder(coding, _sink));

    public void Encode(ReadOnlySpan<byte> input, bool isLast, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        if (_isOver)
        {
            throw new InvalidOperationException("the last piece was encoded before");
        }

        _sink.Begin(output);
        try
        {
            if (!input.IsEmpty)
            {
                _isEmpty = false;
                _stream.Write(input);
            }

            if (isLast)
            {
                _isOver = true;
                _stream.Dispose();
                WriteEmpty(output);
            }
            else if (!input.IsEmpty)
            {
                _stream.Flush();
            }
        }
        finally
        {
            _sink.End();
        }
    }

    public void Dispose()
    {
        // What a stream still writes when it is given up goes nowhere.
        _stream.Dispose();
        _isOver = true;
    }

    // The framework's streams write nothing at all for content of no octets; a decoder that insists on a header would call that damaged.
    private void WriteEmpty(IBufferWriter<byte> output)
    {
        if (_isEmpty && !_sink.HasWritten)
        {
            output.Write(_coding switch
            {
                "gzip" or "x-gzip" => [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0],
                "deflate" => [0x78, 0x01, 3, 0, 0, 0, 0, 1],
                "br" => [0x3B],
                _ => (ReadOnlySpan<byte>)[0x28, 0xB5, 0x2F, 0xFD, 0x20, 0, 1, 0, 0],
            });
        }
    }

    /// <summary>Writes into the output of the running call; between calls into nothing.</summary>
    private sealed class Sink : Stream
    {
        private IBufferWriter<byte>? _output;

        public bool HasWritten { get; private set; }

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public void Begin(IBufferWriter<byte> output) => _output = output;

        public void End() => _output = null;

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            HasWritten |= !buffer.IsEmpty;
            _output?.Write(buffer);
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}

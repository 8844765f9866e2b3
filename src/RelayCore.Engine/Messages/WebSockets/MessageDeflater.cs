using System.IO.Compression;
using RelayCore.Protocols.WebSockets;

namespace RelayCore.Engine.Messages.WebSockets;

/// <summary>
/// Compresses messages an actor changed (RFC 7692 §7.2.1). Each begins with an empty window, which every agreement allows, so that nothing is
/// held between messages. The library cannot be told a window size: where a smaller one was agreed it begins anew after as many octets.
/// </summary>
internal static class MessageDeflater
{
    /// <summary>Compresses one message.</summary>
    /// <param name="content">Content.</param>
    /// <param name="windowBits">Base-2 logarithm of the window the receiver has: 8 to 15.</param>
    /// <param name="output">Gets the payload, without the tail.</param>
    public static void Deflate(ReadOnlySpan<byte> content, int windowBits, ref OctetBuffer output)
    {
        if (content.IsEmpty)
        {
            output.Append([0]); // RFC 7692 §7.2.3.6
            return;
        }

        using var sink = new Sink { Octets = output };
        for (var piece = windowBits >= 15 ? content.Length : 1 << windowBits; !content.IsEmpty; content = content[Math.Min(piece, content.Length)..])
        {
            sink.IsOpen = true;
            using var stream = new DeflateStream(sink, CompressionLevel.Fastest, leaveOpen: true);
            stream.Write(content[..Math.Min(piece, content.Length)]);
            stream.Flush();
            sink.IsOpen = false; // what closing adds is a final block, which must not be sent
        }

        output = sink.Octets;
        if (!output.Span.EndsWith(PerMessageDeflate.Tail))
        {
            throw new InvalidOperationException("A flush of the library does not end with an empty stored block.");
        }

        output.Advance(-PerMessageDeflate.Tail.Length);
    }

    private sealed class Sink : Stream
    {
        public OctetBuffer Octets;

        public bool IsOpen { get; set; }

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            if (IsOpen)
            {
                Octets.Append(buffer);
            }
        }
    }
}

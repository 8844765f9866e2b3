using RelayCore.Core.Limits;
using RelayCore.Protocols.Http1;

namespace RelayCore.Engine.Http.Impairments;

/// <summary>
/// A body of HTTP/1 whose octets come as they would go, framing included: tells data from framing and keeps the framing as it is, unless octets
/// go missing, for which chunks are written anew.
/// </summary>
/// <param name="output">What happens to it.</param>
/// <param name="sink">The connection.</param>
/// <param name="isChunked">Whether it is in chunks.</param>
/// <param name="limits">Bounds the framing was checked against.</param>
internal sealed class ImpairedHttp1Body(ImpairedOutput output, IImpairedSink sink, bool isChunked, EngineLimits limits) : IImpairedSink
{
    private ChunkedReader _chunks = new(limits.Http1, lenient: true);
    private bool _isOver;

    /// <summary>Sends octets that end with a whole piece of framing.</summary>
    public async ValueTask SendAsync(ReadOnlyMemory<byte> octets)
    {
        if (!isChunked)
        {
            await output.SendAsync(octets, sink).ConfigureAwait(false);
            return;
        }

        while (!octets.IsEmpty && !_isOver)
        {
            var step = _chunks.Read(octets.Span);
            switch (step.Status)
            {
                case ChunkedStatus.Data:
                    await SendFramingAsync(octets[..step.Start]).ConfigureAwait(false);
                    await output.SendAsync(octets.Slice(step.Start, step.Length), this).ConfigureAwait(false);
                    octets = octets[step.Consumed..];
                    break;

                case ChunkedStatus.End:
                    _isOver = true;
                    await SendEndAsync(octets).ConfigureAwait(false);
                    return;

                default:
                    // The last size line may come without its trailers.
                    if (IsLastSize(octets.Span))
                    {
                        await SendEndAsync(octets).ConfigureAwait(false);
                        return;
                    }

                    await SendFramingAsync(octets).ConfigureAwait(false);
                    return;
            }
        }
    }

    /// <inheritdoc/>
    ValueTask IImpairedSink.SendAsync(ReadOnlyMemory<byte> octets) => output.Rechunks ? SendChunkAsync(octets) : sink.SendAsync(octets);

    private async ValueTask SendChunkAsync(ReadOnlyMemory<byte> data)
    {
        var framed = new byte[data.Length + 20];
        var at = Http1HeadWriter.WriteChunkSize(framed, data.Length);
        data.Span.CopyTo(framed.AsSpan(at));
        "\r\n"u8.CopyTo(framed.AsSpan(at + data.Length));
        await sink.SendAsync(framed.AsMemory(0, at + data.Length + 2)).ConfigureAwait(false);
    }

    private async ValueTask SendFramingAsync(ReadOnlyMemory<byte> framing)
    {
        if (framing.IsEmpty || output.Rechunks)
        {
            return;
        }

        if (!framing.Span.TrimStart("\r\n"u8).IsEmpty && output.TakeBadChunkSize())
        {
            framing = (byte[])[.. framing.Span.StartsWith("\r\n"u8) ? "\r\n"u8 : default, .. "size?\r\n"u8];
        }

        await sink.SendAsync(framing).ConfigureAwait(false);
    }

    private static bool IsLastSize(ReadOnlySpan<byte> framing)
    {
        var size = framing.TrimStart("\r\n"u8);
        return !size.IsEmpty && size.TrimStart((byte)'0') is not [>= (byte)'0' and <= (byte)'9' or >= (byte)'A' and <= (byte)'F' or >= (byte)'a' and <= (byte)'f', ..] && size[0] == '0';
    }

    private async ValueTask SendEndAsync(ReadOnlyMemory<byte> end)
    {
        // What is left of the chunk before belongs to that, and is written with it when chunks are written anew.
        var before = end.Span.StartsWith("\r\n0"u8) ? 2 : 0;
        if (before > 0 && !output.Rechunks)
        {
            await sink.SendAsync(end[..before]).ConfigureAwait(false);
        }

        if (!output.OmitsLastChunk)
        {
            await sink.SendAsync(end[before..]).ConfigureAwait(false);
        }
    }
}

using System.Buffers;
using System.IO.Compression;
using RelayCore.Core.Messages;

namespace RelayCore.Formats;

/// <summary>
/// Content codings of HTTP (RFC 9110 §8.4.1 and the IANA registry): gzip (RFC 1952), deflate (RFC 1950, and the bare RFC 1951 form many
/// servers send), br (RFC 7932), zstd (RFC 8878), identity, and lists of them. Stateless and safe for concurrent use.
/// </summary>
/// <remarks>Damaged and partial input is decoded as far as it goes, and the problem says why not further. Memory is bounded by the result's bound.</remarks>
public sealed class ContentCodings : IContentCodings
{
    /// <summary>Codings in one list; RFC 9110 has no bound, but a decoder needs one.</summary>
    private const int MaxCodings = 8;

    /// <summary>The one there is.</summary>
    public static ContentCodings Instance { get; } = new();

    /// <inheritdoc/>
    public bool TryDecode(ReadOnlyMemory<byte> octets, string? contentEncoding, long maxOctets, out ReadOnlyMemory<byte> content, out string? problem)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(maxOctets);
        (content, problem) = (octets, null);
        var codings = Split(contentEncoding);
        if (codings.Count > MaxCodings)
        {
            problem = $"{codings.Count} content codings are more than {MaxCodings}; the content is shown as received.";
            return false;
        }

        // The last one listed was applied last, so it comes off first.
        for (var i = codings.Count - 1; i >= 0; i--)
        {
            if (codings[i] is "identity" || content.IsEmpty)
            {
                continue;
            }

            if (codings[i] is not ("gzip" or "x-gzip" or "deflate" or "br" or "zstd"))
            {
                problem ??= $"The content coding '{codings[i]}' is unknown; the content is shown with it.";
                return false;
            }

            var decoded = Decode(content, codings[i], maxOctets, out var found);
            if (found is not null && decoded.IsEmpty)
            {
                // Nothing at all came out: more often a wrong label than damage, so what was received says more.
                problem ??= $"{codings[i]}: {found}; the content is shown with it.";
                return false;
            }

            content = decoded;
            problem ??= found is null ? null : $"{codings[i]}: {found}";
        }

        if (content.Length > maxOctets)
        {
            content = content[..(int)maxOctets];
            problem ??= TooLarge(maxOctets);
        }

        return problem is null;
    }

    /// <inheritdoc/>
    public ReadOnlyMemory<byte> Encode(ReadOnlyMemory<byte> content, string? contentEncoding)
    {
        foreach (var coding in Split(contentEncoding))
        {
            content = coding is "identity" ? content : Compress(content, coding);
        }

        return content;
    }

    /// <inheritdoc/>
    public IContentDecoder? CreateDecoder(string contentEncoding) => Split(contentEncoding) switch
    {
        ["gzip" or "x-gzip"] => new DeflateStreamDecoder(isGzip: true),
        ["deflate"] => new DeflateStreamDecoder(isGzip: false),
        ["br"] => new BrotliStreamDecoder(),
        ["zstd"] => new ZstdStreamDecoder(),
        _ => null,
    };

    /// <inheritdoc/>
    public IContentEncoder? CreateEncoder(string contentEncoding) => Split(contentEncoding) is [var coding] && CanEncode(coding) ? new StreamEncoder(coding) : null;

    /// <summary>Opens the stream that produces a coding; the same levels for whole bodies and pieces.</summary>
    internal static Stream OpenEncoder(string coding, Stream destination) => coding switch
    {
        "gzip" or "x-gzip" => new GZipStream(destination, CompressionLevel.Fastest, leaveOpen: true),
        "deflate" => new ZLibStream(destination, CompressionLevel.Fastest, leaveOpen: true),
        "br" => new BrotliStream(destination, new BrotliCompressionOptions { Quality = 4 }, leaveOpen: true),
        "zstd" => new ZstdSharp.CompressionStream(destination, 3, leaveOpen: true), // its window of 2 MiB is within RFC 9659 §3
        _ => throw new NotSupportedException($"The content coding '{coding}' cannot be produced."),
    };

    private static bool CanEncode(string coding) => coding is "gzip" or "x-gzip" or "deflate" or "br" or "zstd";

    private static List<string> Split(string? contentEncoding)
    {
        var codings = new List<string>();
        foreach (var part in (contentEncoding ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            codings.Add(part.ToLowerInvariant());
        }

        return codings;
    }

    private static ReadOnlyMemory<byte> Decode(ReadOnlyMemory<byte> octets, string coding, long maxOctets, out string? problem)
    {
        switch (coding)
        {
            case "gzip" or "x-gzip":
                return GzipAndZlib.DecodeGzip(octets.Span, maxOctets, out problem);
            case "deflate":
                return GzipAndZlib.DecodeDeflate(octets.Span, maxOctets, out problem);
            case "br":
                return DecodeBrotli(octets.Span, maxOctets, out problem);
            default:
                return DecodeZstd(octets, maxOctets, out problem);
        }
    }

    internal static string TooLarge(long maxOctets) => $"more than {maxOctets} octets; decoding stopped there";

    private static ReadOnlyMemory<byte> DecodeZstd(ReadOnlyMemory<byte> octets, long maxOctets, out string? problem)
    {
        var output = new ArrayBufferWriter<byte>(4096);
        problem = null;
        try
        {
            using var source = new MemoryStream(octets.ToArray(), writable: false);
            using var stream = new ZstdSharp.DecompressionStream(source, checkEndOfStream: true, leaveOpen: true);
            while (true)
            {
                // One octet more than wanted tells a bomb from content that just fits.
                var room = maxOctets - output.WrittenCount;
                var buffer = output.GetSpan(4096);
                var read = stream.Read(buffer[..(int)Math.Min(buffer.Length, room + 1)]);
                if (read > room)
                {
                    output.Advance((int)room);
                    problem = TooLarge(maxOctets);
                    break;
                }

                output.Advance(read);
                if (read == 0)
                {
                    break;
                }
            }
        }
        catch (EndOfStreamException)
        {
            problem = "ends in the middle";
        }
        catch (ZstdSharp.ZstdException error)
        {
            problem = $"damaged ({error.Message})";
        }

        return output.WrittenMemory;
    }

    // In one go into a buffer that is large enough, because at the end of a partial input the decoder keeps what did not fit for itself.
    private static ReadOnlyMemory<byte> DecodeBrotli(ReadOnlySpan<byte> octets, long maxOctets, out string? problem)
    {
        var most = (int)Math.Min(maxOctets + 1, Array.MaxLength); // one more than wanted tells a bomb from content that just fits
        for (var size = Math.Max(64L * 1024, octets.Length * 4L); ; size *= 4)
        {
            var buffer = new byte[(int)Math.Min(size, most)];
            using var decoder = default(BrotliDecoder);
            var status = decoder.Decompress(octets, buffer, out var consumed, out var written);
            if (written == buffer.Length && written < most)
            {
                continue;
            }

            problem = written > maxOctets ? TooLarge(maxOctets)
                : status == OperationStatus.NeedMoreData ? "ends in the middle"
                : status == OperationStatus.InvalidData ? "damaged"
                : consumed < octets.Length ? $"{octets.Length - consumed} octets behind the end"
                : null;
            return buffer.AsMemory(0, (int)Math.Min(written, maxOctets));
        }
    }

    private static ReadOnlyMemory<byte> Compress(ReadOnlyMemory<byte> content, string coding)
    {
        using var encoder = new StreamEncoder(coding);
        var output = new ArrayBufferWriter<byte>(256);
        encoder.Encode(content.Span, isLast: true, output);
        return output.WrittenMemory;
    }
}

using System.Buffers;

namespace RelayCore.Core.Messages;

/// <summary>Decodes and encodes content codings (RFC 9110 §8.4.1). The engine calls it on the forwarding path only for bodies that are streams of messages.</summary>
public interface IContentCodings
{
    /// <summary>Decodes octets with the codings of a Content-Encoding field.</summary>
    /// <param name="octets">The body as received, transfer coding removed.</param>
    /// <param name="contentEncoding">Value of Content-Encoding: a list, last applied last; <see langword="null"/> or empty means identity.</param>
    /// <param name="maxOctets">Largest result; a bomb stops there.</param>
    /// <param name="content">The content decoded as far as possible.</param>
    /// <param name="problem">Why the content is not whole; <see langword="null"/> when it is.</param>
    /// <returns>Whether everything was decoded.</returns>
    bool TryDecode(ReadOnlyMemory<byte> octets, string? contentEncoding, long maxOctets, out ReadOnlyMemory<byte> content, out string? problem);

    /// <summary>Encodes content with the codings of a Content-Encoding field.</summary>
    /// <exception cref="NotSupportedException">A coding that cannot be produced.</exception>
    ReadOnlyMemory<byte> Encode(ReadOnlyMemory<byte> content, string? contentEncoding);

    /// <summary>Begins to decode octets that come piece by piece.</summary>
    /// <param name="contentEncoding">Value of Content-Encoding: one coding.</param>
    /// <returns><see langword="null"/> for a coding, or a list of them, that cannot be decoded so.</returns>
    IContentDecoder? CreateDecoder(string contentEncoding) => null;

    /// <summary>Begins to encode content that comes piece by piece.</summary>
    /// <param name="contentEncoding">Value of Content-Encoding: one coding.</param>
    /// <returns><see langword="null"/> for a coding, or a list of them, that cannot be produced so.</returns>
    IContentEncoder? CreateEncoder(string contentEncoding) => null;
}

/// <summary>
/// Encodes with one content coding piece by piece: each piece is flushed, so that its receiver can decode all of it before the next one comes.
/// Memory is bounded by the window of the coding. Not for concurrent use.
/// </summary>
public interface IContentEncoder : IDisposable
{
    /// <summary>Takes a piece.</summary>
    /// <param name="input">Content; empty when a call brings only the end.</param>
    /// <param name="isLast">Whether nothing follows; then the end of the coding is written too.</param>
    /// <param name="output">Takes what goes on.</param>
    /// <exception cref="InvalidOperationException">The last piece was given before.</exception>
    void Encode(ReadOnlySpan<byte> input, bool isLast, IBufferWriter<byte> output);
}

/// <summary>
/// Decodes one content coding piece by piece: whatever the octets given so far stand for comes out, so that a stream its sender flushes is seen at
/// once. Memory is bounded by the window of the coding.
/// </summary>
public interface IContentDecoder : IDisposable
{
    /// <summary>Takes the next step.</summary>
    /// <param name="source">Octets not consumed so far.</param>
    /// <param name="destination">At least one octet.</param>
    /// <param name="consumed">Octets taken from <paramref name="source"/>.</param>
    /// <param name="written">Octets put into <paramref name="destination"/>.</param>
    /// <returns>
    /// <see cref="OperationStatus.NeedMoreData"/> when all of <paramref name="source"/> is used; <see cref="OperationStatus.DestinationTooSmall"/> to be
    /// called again with what is left, even if that is nothing; <see cref="OperationStatus.Done"/> behind the end, where what is left is ignored; or
    /// <see cref="OperationStatus.InvalidData"/>, after which nothing more comes.
    /// </returns>
    OperationStatus Decode(ReadOnlySpan<byte> source, Span<byte> destination, out int consumed, out int written);
}

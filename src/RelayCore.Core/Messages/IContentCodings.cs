namespace RelayCore.Core.Messages;

/// <summary>Decodes and encodes content codings (RFC 9110 §8.4.1). The engine never calls it on the forwarding path.</summary>
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
}

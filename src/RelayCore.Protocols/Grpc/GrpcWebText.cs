using System.Buffers;
using System.Buffers.Text;

namespace RelayCore.Protocols.Grpc;

/// <summary>
/// Decodes the text form of gRPC-web: base64 (RFC 4648 §4) that senders flush, and so pad, where they like. Works run by run; a run is as many
/// quanta of four as are there, up to and with the first padded one, so within it octet 3n lies at character 4n.
/// </summary>
public static class GrpcWebText
{
    /// <summary>Decodes one run.</summary>
    /// <param name="source">Characters not consumed so far.</param>
    /// <param name="destination">At least three quarters as long as the source.</param>
    /// <param name="consumed">Characters of the run, a multiple of 4.</param>
    /// <param name="written">Octets it stands for.</param>
    /// <returns>
    /// <see cref="OperationStatus.Done"/>; <see cref="OperationStatus.NeedMoreData"/> with fewer than four characters; or
    /// <see cref="OperationStatus.InvalidData"/>, after which the body cannot be told apart.
    /// </returns>
    public static OperationStatus Decode(ReadOnlySpan<byte> source, Span<byte> destination, out int consumed, out int written)
    {
        (consumed, written) = (0, 0);
        var padding = source.IndexOf((byte)'=');
        var run = source[..((padding < 0 ? source.Length : Math.Min(source.Length, (padding & ~3) + 4)) & ~3)];
        if (run.IsEmpty)
        {
            return OperationStatus.NeedMoreData;
        }

        // The decoder of the framework skips white space, which would move everything behind it.
        var space = run.IndexOfAny(" \t\r\n"u8);
        if (space >= 0)
        {
            run = run[..(space & ~3)];
        }

        // A broken quantum is found out by the call that begins with it; what lies in front of it is good.
        var status = run.IsEmpty ? OperationStatus.InvalidData : Base64.DecodeFromUtf8(run, destination, out consumed, out written);
        if (status != OperationStatus.Done && consumed == 0)
        {
            return OperationStatus.InvalidData;
        }

        return OperationStatus.Done;
    }
}

using System.Buffers.Text;

namespace RelayCore.Load.Origin;

/// <summary>What the origin answers: <c>/octets/N</c> has N octets, <c>/1k</c> has 1,024, anything else the two octets <c>ok</c>.</summary>
internal static class OriginContent
{
    public const int PieceOctets = 64 * 1024;

    /// <summary>What every response's content is cut from; starts with <c>ok</c>.</summary>
    public static readonly byte[] Piece = MakePiece();

    private static ReadOnlySpan<byte> Octets => "/octets/"u8;

    /// <param name="path">Path of the request, perhaps with a query.</param>
    /// <returns>Octets of content.</returns>
    public static long LengthOf(ReadOnlySpan<byte> path) =>
        path.SequenceEqual("/1k"u8) ? 1024
        : path.StartsWith(Octets) && Utf8Parser.TryParse(path[Octets.Length..], out long length, out _) && length >= 0 ? length
        : 2;

    private static byte[] MakePiece()
    {
        var piece = new byte[PieceOctets];
        for (var i = 0; i < piece.Length; i++)
        {
            piece[i] = (byte)('a' + (i % 26));
        }

        "ok"u8.CopyTo(piece);
        return piece;
    }
}

using System.Globalization;
using RelayCore.Protocols.Fields;

namespace RelayCore.Protocols.Http1;

/// <summary>Connection options the writer adds to a forwarded head.</summary>
[Flags]
public enum ConnectionOptions : byte
{
    /// <summary>None; the version's default applies.</summary>
    None = 0,

    /// <summary><c>Connection: close</c>.</summary>
    Close = 1,

    /// <summary><c>Connection: keep-alive</c>, for HTTP/1.0 clients.</summary>
    KeepAlive = 2,

    /// <summary><c>Connection: Upgrade</c> with the received Upgrade lines.</summary>
    Upgrade = 4,

    /// <summary><c>TE: trailers</c> with <c>Connection: TE</c>.</summary>
    TrailersAccepted = 8,
}

/// <summary>
/// Writes heads that are forwarded: untouched lines as they were received, in runs; hop-by-hop lines left out. The destination must have
/// room for <see cref="FieldSection.WrittenBound"/> plus <see cref="Overhead"/> plus the start line.
/// </summary>
public static class Http1HeadWriter
{
    /// <summary>Octets the writer may add besides field lines and start line.</summary>
    public const int Overhead = 256;

    /// <summary>Writes <c>method SP target SP version CRLF</c>.</summary>
    /// <returns>Octets written.</returns>
    public static int WriteRequestLine(Span<byte> destination, ReadOnlySpan<byte> method, ReadOnlySpan<byte> target, int minorVersion)
    {
        method.CopyTo(destination);
        var at = method.Length;
        destination[at++] = (byte)' ';
        target.CopyTo(destination[at..]);
        at += target.Length;
        (minorVersion == 0 ? " HTTP/1.0\r\n"u8 : " HTTP/1.1\r\n"u8).CopyTo(destination[at..]);
        return at + 11;
    }

    /// <summary>Writes <c>version SP status SP reason CRLF</c>.</summary>
    /// <returns>Octets written.</returns>
    public static int WriteStatusLine(Span<byte> destination, int status, ReadOnlySpan<byte> reason, int minorVersion)
    {
        (minorVersion == 0 ? "HTTP/1.0 "u8 : "HTTP/1.1 "u8).CopyTo(destination);
        destination[9] = (byte)('0' + (status / 100));
        destination[10] = (byte)('0' + (status / 10 % 10));
        destination[11] = (byte)('0' + (status % 10));
        destination[12] = (byte)' ';
        reason.CopyTo(destination[13..]);
        "\r\n"u8.CopyTo(destination[(13 + reason.Length)..]);
        return 15 + reason.Length;
    }

    /// <summary>Writes the field lines that go on, the connection options, and the empty line.</summary>
    /// <param name="destination">Receives the octets.</param>
    /// <param name="fields">The lines.</param>
    /// <param name="hopByHop">Which of them stay here.</param>
    /// <param name="options">What to say about the next connection.</param>
    /// <returns>Octets written.</returns>
    public static int WriteFields(Span<byte> destination, FieldSection fields, in HopByHop hopByHop, ConnectionOptions options)
    {
        var at = 0;
        var (runStart, runLength) = (0, 0);
        for (var i = 0; i < fields.Count; i++)
        {
            var covered = hopByHop.Covers(fields, i) && !(fields.Known(i) == KnownField.Upgrade && (options & ConnectionOptions.Upgrade) != 0);
            var (start, length) = fields.ReceivedRange(i);
            if (!covered && length > 0 && runLength > 0 && start == runStart + runLength)
            {
                runLength += length;
                continue;
            }

            fields.Octets(runStart, runLength).CopyTo(destination[at..]);
            at += runLength;
            (runStart, runLength) = covered ? (0, 0) : (start, length);
            if (!covered && length == 0)
            {
                at += WriteLine(destination[at..], fields.Name(i), fields.Value(i));
            }
        }

        fields.Octets(runStart, runLength).CopyTo(destination[at..]);
        at += runLength;
        if (options != ConnectionOptions.None)
        {
            at += WriteOptions(destination[at..], options);
        }

        "\r\n"u8.CopyTo(destination[at..]);
        return at + 2;
    }

    /// <summary>Writes one field line.</summary>
    /// <returns>Octets written.</returns>
    public static int WriteLine(Span<byte> destination, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        name.CopyTo(destination);
        ": "u8.CopyTo(destination[name.Length..]);
        value.CopyTo(destination[(name.Length + 2)..]);
        "\r\n"u8.CopyTo(destination[(name.Length + 2 + value.Length)..]);
        return name.Length + value.Length + 4;
    }

    /// <summary>Writes the size line of a chunk (RFC 9112 §7.1).</summary>
    /// <param name="destination">At least 18 octets.</param>
    /// <param name="length">Octets of data, more than 0.</param>
    /// <returns>Octets written.</returns>
    public static int WriteChunkSize(Span<byte> destination, int length)
    {
        length.TryFormat(destination, out var written, "x", CultureInfo.InvariantCulture);
        "\r\n"u8.CopyTo(destination[written..]);
        return written + 2;
    }

    /// <summary>Writes what is said about the next connection; nothing of it may be none.</summary>
    internal static int WriteOptions(Span<byte> destination, ConnectionOptions options)
    {
        var at = 0;
        if ((options & ConnectionOptions.TrailersAccepted) != 0)
        {
            at += WriteLine(destination, "TE"u8, "trailers"u8);
        }

        // What stays on one connection must also be named there (RFC 9110 §7.6.1), whatever else is said.
        var first = (options & ConnectionOptions.Close) != 0 ? "close"u8
            : (options & ConnectionOptions.KeepAlive) != 0 ? "keep-alive"u8
            : default;
        Span<byte> value = stackalloc byte[32];
        first.CopyTo(value);
        var length = first.Length;
        length += (options & ConnectionOptions.Upgrade) != 0 ? WriteOption(value, length, "Upgrade"u8) : 0;
        length += (options & ConnectionOptions.TrailersAccepted) != 0 ? WriteOption(value, length, "TE"u8) : 0;
        return at + WriteLine(destination[at..], "Connection"u8, value[..length]);
    }

    private static int WriteOption(Span<byte> value, int at, ReadOnlySpan<byte> option)
    {
        var separator = at == 0 ? default : ", "u8;
        separator.CopyTo(value[at..]);
        option.CopyTo(value[(at + separator.Length)..]);
        return separator.Length + option.Length;
    }
}

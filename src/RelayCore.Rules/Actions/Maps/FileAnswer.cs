using System.Globalization;
using System.Text;
using RelayCore.Core.Interception;
using RelayCore.Core.Messages;
using RelayCore.Protocols.Fields;

namespace RelayCore.Rules.Actions.Maps;

/// <summary>What a request asks of a file beyond its name (RFC 9110 §13, §14); copied, because files are looked at on another thread.</summary>
/// <param name="IsGet">Whether the method is GET.</param>
/// <param name="IsHead">Whether the method is HEAD.</param>
/// <param name="Range">Value of Range.</param>
/// <param name="IfRange">Value of If-Range.</param>
/// <param name="IfNoneMatch">Value of If-None-Match.</param>
/// <param name="IfModifiedSince">Value of If-Modified-Since.</param>
internal sealed record FileRequest(bool IsGet, bool IsHead, string? Range, string? IfRange, string? IfNoneMatch, string? IfModifiedSince)
{
    public static FileRequest Of(RequestHead request) => new(
        request.MethodOctets.SequenceEqual("GET"u8), request.MethodOctets.SequenceEqual("HEAD"u8),
        Get(request.Fields, "range"u8), Get(request.Fields, "if-range"u8), Get(request.Fields, "if-none-match"u8), Get(request.Fields, "if-modified-since"u8));

    private static string? Get(FieldSection fields, ReadOnlySpan<byte> name) =>
        fields.IndexOf(name) is var index && index >= 0 ? Encoding.Latin1.GetString(fields.Value(index)) : null;
}

/// <summary>Answers with a file: conditions and single ranges are honoured; several ranges get the whole file, as RFC 9110 §14.2 allows.</summary>
internal static class FileAnswer
{
    /// <summary>Makes the answer.</summary>
    /// <param name="file">The file.</param>
    /// <param name="request">What is asked of it.</param>
    /// <param name="contentType">Its media type.</param>
    /// <param name="fields">Further fields.</param>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static Verdict.Respond Of(LocalFile file, FileRequest request, string contentType, IEnumerable<KeyValuePair<string, string>> fields)
    {
        var all = new List<KeyValuePair<string, string>>
        {
            new("Content-Type", contentType),
            new("Last-Modified", Date(file.Modified)),
            new("ETag", file.EntityTag),
            new("Accept-Ranges", "bytes"),
        };
        foreach (var field in fields)
        {
            all.RemoveAll(x => x.Key.Equals(field.Key, StringComparison.OrdinalIgnoreCase));
        }

        all.AddRange(fields);
        if ((request.IsGet || request.IsHead) && IsKnown(file, request))
        {
            all.RemoveAll(x => x.Key == "Content-Type");
            return new(304, all, default);
        }

        if (!request.IsGet || request.Range is null || !MayRange(file, request) || !TryRange(request.Range, file.Length, out var start, out var length))
        {
            return new(200, all, file.Read(0, file.Length));
        }

        if (length == 0)
        {
            all.RemoveAll(x => x.Key == "Content-Type");
            all.Add(new("Content-Range", FormattableString.Invariant($"bytes */{file.Length}")));
            return new(416, all, default);
        }

        all.Add(new("Content-Range", FormattableString.Invariant($"bytes {start}-{start + length - 1}/{file.Length}")));
        return new(206, all, file.Read(start, length));
    }

    /// <summary>Reads a Range field (RFC 9110 §14.1.2).</summary>
    /// <param name="range">Its value.</param>
    /// <param name="size">Octets of the file.</param>
    /// <param name="start">First octet.</param>
    /// <param name="length">Octets; 0 when the range is outside of the file.</param>
    /// <returns><see langword="false"/> when it is to be ignored: another unit, several ranges, malformed.</returns>
    internal static bool TryRange(string range, long size, out long start, out long length)
    {
        (start, length) = (0, 0);
        if (!range.StartsWith("bytes=", StringComparison.OrdinalIgnoreCase))
        {
            return false;
        }

        var spec = range.AsSpan(6).Trim();
        var dash = spec.IndexOf('-');
        if (dash < 0 || spec.Contains(','))
        {
            return false;
        }

        var first = spec[..dash];
        var last = spec[(dash + 1)..];
        if (first.IsEmpty)
        {
            if (!TryNumber(last, out var suffix))
            {
                return false;
            }

            length = Math.Min(suffix, size);
            start = size - length;
            return true;
        }

        var end = long.MaxValue - 1;
        if (!TryNumber(first, out start) || (!last.IsEmpty && (!TryNumber(last, out end) || end < start)))
        {
            return false;
        }

        length = start >= size ? 0 : Math.Min(end, size - 1) - start + 1;
        return true;
    }

    // If-None-Match decides alone when it is there (RFC 9110 §13.1.3).
    private static bool IsKnown(LocalFile file, FileRequest request)
    {
        if (request.IfNoneMatch is { } tags)
        {
            return tags.Split(',').Select(x => x.Trim()).Any(x => x == "*" || (x.StartsWith("W/", StringComparison.Ordinal) ? x[2..] : x) == file.EntityTag);
        }

        return request.IfModifiedSince is { } since && TryDate(since, out var date) && file.Modified <= date;
    }

    private static bool MayRange(LocalFile file, FileRequest request) =>
        request.IfRange is not { } condition || condition == file.EntityTag || (TryDate(condition, out var date) && date == file.Modified);

    private static bool TryNumber(ReadOnlySpan<char> text, out long number) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);

    private static bool TryDate(string text, out DateTimeOffset date) =>
        DateTimeOffset.TryParseExact(text, "R", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out date);

    private static string Date(DateTimeOffset date) => date.ToString("R", CultureInfo.InvariantCulture);
}

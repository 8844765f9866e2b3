using System.Buffers;
using System.Globalization;

namespace RelayCore.Rules.Filters;

/// <summary>Numbers with units, as people write them.</summary>
internal static class Units
{
    private static readonly SearchValues<char> s_digits = SearchValues.Create("0123456789.");

    /// <summary>Octets: <c>512</c>, <c>10KiB</c>, <c>1.5MB</c>, <c>2g</c> (binary without <c>B</c>); <see langword="null"/> when it is no size.</summary>
    public static double? Octets(ReadOnlySpan<char> text) => Read(text, static unit => unit switch
    {
        "" or "b" => 1,
        "kb" => 1000,
        "mb" => 1e6,
        "gb" => 1e9,
        "k" or "kib" => 1024,
        "m" or "mib" => 1024 * 1024,
        "g" or "gib" => 1024 * 1024 * 1024,
        _ => null,
    });

    /// <summary>Milliseconds: <c>250ms</c>, <c>1.5s</c>, <c>2m</c>, <c>100us</c>, milliseconds without unit.</summary>
    public static double? Milliseconds(ReadOnlySpan<char> text) => Read(text, static unit => unit switch
    {
        "" or "ms" => 1,
        "us" => 0.001,
        "s" => 1000,
        "m" or "min" => 60_000,
        "h" => 3_600_000,
        _ => null,
    });

    private static double? Read(ReadOnlySpan<char> text, Func<string, double?> unit)
    {
        var digits = text.IndexOfAnyExcept(s_digits);
        digits = digits < 0 ? text.Length : digits;
        return double.TryParse(text[..digits], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)
            && unit(text[digits..].Trim().ToString().ToLowerInvariant()) is { } factor ? number * factor : null;
    }
}

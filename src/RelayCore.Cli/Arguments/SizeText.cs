using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace RelayCore.Cli.Arguments;

/// <summary>Sizes in octets as people write them: <c>64k</c>, <c>10m</c>, <c>1g</c>; powers of 1024.</summary>
internal static class SizeText
{
    /// <summary>Reads a size.</summary>
    /// <param name="text">A number, fractions allowed, alone or with <c>k</c>, <c>m</c>, <c>g</c> (also <c>kb</c>, <c>KiB</c> and so on).</param>
    /// <param name="octets">0 to 2^53.</param>
    /// <param name="problem">What is wrong, as the end of a sentence that began with the text.</param>
    public static bool TryParse(string text, out long octets, [NotNullWhen(false)] out string? problem)
    {
        (octets, problem) = (0, null);
        var (number, unit) = Quantity.Split(text);
        long? factor = unit switch
        {
            "" or "b" => 1,
            "k" or "kb" or "kib" => 1L << 10,
            "m" or "mb" or "mib" => 1L << 20,
            "g" or "gb" or "gib" => 1L << 30,
            _ => null,
        };
        if (factor is null || !decimal.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value))
        {
            problem = "is not a size; write a number with k, m or g, such as 64k, 10m, 1g";
            return false;
        }

        if (value > (1L << 53) / factor.Value)
        {
            problem = "is too large for a size";
            return false;
        }

        octets = (long)(value * factor.Value);
        return true;
    }

    /// <summary>Writes a size for a person: <c>512 B</c>, <c>1.4 KB</c>, <c>3.0 MB</c>.</summary>
    public static string Format(long octets) => octets switch
    {
        < 1024 => string.Create(CultureInfo.InvariantCulture, $"{octets} B"),
        < 1024 * 1024 => string.Create(CultureInfo.InvariantCulture, $"{octets / 1024.0:0.0} KB"),
        < 1024L * 1024 * 1024 => string.Create(CultureInfo.InvariantCulture, $"{octets / 1048576.0:0.0} MB"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{octets / 1073741824.0:0.0} GB"),
    };
}

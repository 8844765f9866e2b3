namespace RelayCore.Cli.Arguments;

/// <summary>A number and its unit, as in <c>1.5m</c>.</summary>
internal static class Quantity
{
    /// <summary>Splits at the first character that is not of a number; the unit is lower case and may be empty.</summary>
    public static (string Number, string Unit) Split(string text)
    {
        var rest = text.Trim().ToLowerInvariant();
        var end = 0;
        while (end < rest.Length && (char.IsAsciiDigit(rest[end]) || rest[end] == '.'))
        {
            end++;
        }

        return (rest[..end], rest[end..].Trim());
    }
}

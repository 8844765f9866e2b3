namespace RelayCore.Cli.Text;

/// <summary>Colour for a terminal, or none.</summary>
/// <param name="IsOn">Whether to write escape sequences.</param>
internal readonly record struct Style(bool IsOn)
{
    public string Bold(string text) => Wrap(text, "1");

    public string Dim(string text) => Wrap(text, "2");

    public string Red(string text) => Wrap(text, "31");

    public string Green(string text) => Wrap(text, "32");

    public string Yellow(string text) => Wrap(text, "33");

    public string Cyan(string text) => Wrap(text, "36");

    /// <summary>By status class: 2xx green, 3xx cyan, 4xx yellow, everything else red.</summary>
    public string Status(int status, string text) => (status / 100) switch
    {
        1 or 2 => Green(text),
        3 => Cyan(text),
        4 => Yellow(text),
        _ => Red(text),
    };

    private string Wrap(string text, string code) => IsOn ? $"\x1b[{code}m{text}\x1b[0m" : text;
}

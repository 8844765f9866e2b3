using System.Text;

namespace RelayCore.Cli.Text;

/// <summary>Columns as wide as their widest cell; the last one is cut to the width of the terminal.</summary>
internal sealed class TextTable(params string[] titles)
{
    private readonly List<string[]> _rows = [];

    /// <summary>Adds a row; cells are made printable.</summary>
    public void Add(params string[] cells) => _rows.Add([.. cells.Select(Printable.Line)]);

    /// <summary>Writes everything.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="width">Columns of the terminal.</param>
    /// <param name="style">Colour of the titles.</param>
    public void Write(TextWriter output, int width, Style style)
    {
        var widths = titles.Select((title, i) => _rows.Select(x => x[i].Length).Append(title.Length).Max()).ToArray();
        output.WriteLine(style.Bold(Line(titles, widths, width)));
        foreach (var row in _rows)
        {
            output.WriteLine(Line(row, widths, width));
        }
    }

    private static string Line(string[] cells, int[] widths, int width)
    {
        var text = new StringBuilder();
        for (var i = 0; i < cells.Length; i++)
        {
            text.Append(i == cells.Length - 1 ? Printable.Cut(cells[i], Math.Max(10, width - text.Length)) : cells[i].PadRight(widths[i] + 2));
        }

        return text.ToString().TrimEnd();
    }
}

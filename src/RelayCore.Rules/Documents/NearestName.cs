namespace RelayCore.Rules.Documents;

/// <summary>Finds the name somebody probably meant.</summary>
internal static class NearestName
{
    private const int MaxLength = 80;

    /// <summary>The closest of the valid names; <see langword="null"/> when none is close: more than a third of the letters differ.</summary>
    public static string? Find(string written, IEnumerable<string> valid)
    {
        if (written.Length is 0 or > MaxLength)
        {
            return null;
        }

        string? best = null;
        var least = Math.Max(1, written.Length / 3);
        foreach (var name in valid)
        {
            // What differs in case, underscores or hyphens only is the same word to its author.
            var distance = Bare(name) == Bare(written) ? 0 : Distance(Bare(written), Bare(name));
            if (distance <= least && (distance < least || best is null))
            {
                (best, least) = (name, distance);
            }
        }

        return best;
    }

    /// <summary><c>Did you mean …?</c>, or the list of what is valid when that is short.</summary>
    public static string? Hint(string written, IEnumerable<string> valid)
    {
        var names = valid.ToList();
        var nearest = Find(written, names);
        return nearest is not null ? $"Did you mean `{nearest}`?" : names.Count is > 0 and <= 12 ? $"Valid here: {string.Join(", ", names)}." : null;
    }

    private static string Bare(string text) => text.Replace("_", "", StringComparison.Ordinal).Replace("-", "", StringComparison.Ordinal).ToLowerInvariant();

    /// <summary>Optimal string alignment: letters added, left out, replaced, or two that changed places.</summary>
    private static int Distance(string a, string b)
    {
        if (b.Length > MaxLength)
        {
            return int.MaxValue;
        }

        var rows = new int[a.Length + 1, b.Length + 1];
        for (var i = 0; i <= a.Length; i++)
        {
            for (var j = 0; j <= b.Length; j++)
            {
                rows[i, j] = i == 0 ? j : j == 0 ? i
                    : Math.Min(Math.Min(rows[i - 1, j], rows[i, j - 1]) + 1, rows[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                {
                    rows[i, j] = Math.Min(rows[i, j], rows[i - 2, j - 2] + 1);
                }
            }
        }

        return rows[a.Length, b.Length];
    }
}

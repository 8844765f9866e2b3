using System.Buffers;
using System.Text;
using System.Text.Unicode;

namespace RelayCore.Rules.Documents;

/// <summary>
/// Reads JSON (with comments and trailing commas) and YAML into nodes with places. Bounds: 16 MiB, 64 levels, 100,000 values; a file beyond them is
/// refused with the place.
/// </summary>
public static class RuleFile
{
    private static ReadOnlySpan<byte> ByteOrderMark => [0xEF, 0xBB, 0xBF];

    /// <summary>Reads a text: JSON when the name ends in <c>.json</c>, YAML for <c>.yaml</c> and <c>.yml</c>, else what its first character says.</summary>
    /// <param name="text">The text.</param>
    /// <param name="name">Name for messages: a path, or what it is.</param>
    /// <param name="problems">Takes what is wrong.</param>
    /// <returns>Its documents (one for JSON); none when it cannot be read.</returns>
    public static IReadOnlyList<RuleNode> Parse(string text, string name, RuleProblems problems) => Parse(Encoding.UTF8.GetBytes(text), name, problems);

    /// <summary>Reads octets, as <see cref="Parse(string, string, RuleProblems)"/>.</summary>
    /// <param name="octets">UTF-8, with or without byte order mark.</param>
    /// <param name="name">Name for messages.</param>
    /// <param name="problems">Takes what is wrong.</param>
    public static IReadOnlyList<RuleNode> Parse(ReadOnlySpan<byte> octets, string name, RuleProblems problems)
    {
        var builder = new NodeBuilder(name, problems);
        try
        {
            if (octets.Length > NodeBuilder.MaxOctets)
            {
                throw TooLarge(name);
            }

            octets = octets.StartsWith(ByteOrderMark) ? octets[ByteOrderMark.Length..] : octets;
            CheckUtf8(octets, builder);
            return IsJson(octets, name) ? [JsonNodeReader.Read(octets, builder)] : YamlNodeReader.Read(Encoding.UTF8.GetString(octets), builder);
        }
        catch (RuleFileException fault)
        {
            problems.Add(fault.Problem);
            return [];
        }
    }

    /// <summary>Reads a file.</summary>
    /// <param name="path">Where it is.</param>
    /// <param name="problems">Takes what is wrong.</param>
    public static IReadOnlyList<RuleNode> Read(string path, RuleProblems problems) => TryReadOctets(path, new(path, 1, 1), "$", problems) is { } octets ? Parse(octets, path, problems) : [];

    /// <summary>Reads the octets of a file, at most as many as are allowed.</summary>
    /// <param name="path">Where it is.</param>
    /// <param name="at">Place that asks for it.</param>
    /// <param name="jsonPath">The same as a path.</param>
    /// <param name="problems">Takes what is wrong.</param>
    internal static byte[]? TryReadOctets(string path, SourceLocation at, string jsonPath, RuleProblems problems)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);

            // The length of a pipe is unknown, so the bound is kept while reading.
            using var content = new MemoryStream();
            var buffer = ArrayPool<byte>.Shared.Rent(64 * 1024);
            for (int read; content.Length <= NodeBuilder.MaxOctets && (read = file.Read(buffer)) > 0;)
            {
                content.Write(buffer, 0, read);
            }

            ArrayPool<byte>.Shared.Return(buffer);
            if (content.Length > NodeBuilder.MaxOctets)
            {
                problems.Add(TooLarge(path).Problem);
                return null;
            }

            return content.ToArray();
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            var why = fault is FileNotFoundException or DirectoryNotFoundException ? "it does not exist"
                : Directory.Exists(path) ? "it is a folder"
                : fault is UnauthorizedAccessException ? "access is denied"
                : fault.Message;
            var suggestion = Directory.Exists(path) ? "Include a folder's files with a pattern: folder/*.yaml." : SimilarFile(path);
            problems.Add(new(ProblemSeverity.Error, RuleCodes.Unreadable, at, jsonPath, $"cannot read `{path}`: {why}") { Suggestion = suggestion });
            return null;
        }
    }

    private static string? SimilarFile(string path)
    {
        try
        {
            var folder = Path.GetDirectoryName(Path.GetFullPath(path));
            var names = Directory.EnumerateFiles(folder!).Take(1000).Select(x => Path.GetFileName(x));
            return NearestName.Find(Path.GetFileName(path), names) is { } nearest ? $"Did you mean `{nearest}`?" : null;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return null;
        }
    }

    private static bool IsJson(ReadOnlySpan<byte> octets, string name)
    {
        var extension = Path.GetExtension(name.AsSpan());
        if (extension.Equals(".json", StringComparison.OrdinalIgnoreCase) || extension.Equals(".jsonc", StringComparison.OrdinalIgnoreCase))
        {
            return true;
        }

        if (extension.Equals(".yaml", StringComparison.OrdinalIgnoreCase) || extension.Equals(".yml", StringComparison.OrdinalIgnoreCase))
        {
            return false;
        }

        var first = octets.TrimStart(" \t\r\n"u8);
        return !first.IsEmpty && first[0] is (byte)'{' or (byte)'[' or (byte)'/';
    }

    private static void CheckUtf8(ReadOnlySpan<byte> octets, NodeBuilder builder)
    {
        if (Utf8.IsValid(octets))
        {
            return;
        }

        var (line, column) = (1, 1);
        while (Rune.DecodeFromUtf8(octets, out var rune, out var consumed) == OperationStatus.Done)
        {
            (line, column) = rune.Value == '\n' ? (line + 1, 1) : (line, column + 1);
            octets = octets[consumed..];
        }

        throw new RuleFileException(RuleCodes.Encoding, builder.At(line, column), "$", $"the octet 0x{octets[0]:X2} is not UTF-8 here", "Save the file as UTF-8.");
    }

    private static RuleFileException TooLarge(string name) =>
        new(RuleCodes.Bound, new(name, 1, 1), "$", $"a rule file has at most {NodeBuilder.MaxOctets / 1024 / 1024} MiB", "Split it and use `include`; bodies belong into files of their own.");
}

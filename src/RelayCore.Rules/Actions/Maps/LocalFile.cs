namespace RelayCore.Rules.Actions.Maps;

/// <summary>A file as it was when it was read.</summary>
/// <param name="Path">Path, links resolved.</param>
/// <param name="Length">Octets in all.</param>
/// <param name="Modified">When it was written last, to the second, as HTTP dates are.</param>
/// <param name="Stamp">When it was written last, exactly.</param>
internal sealed record LocalFile(string Path, long Length, DateTimeOffset Modified, long Stamp)
{
    /// <summary>Entity tag: changes whenever the file is written.</summary>
    public string EntityTag => FormattableString.Invariant($"\"{Stamp:x}-{Length:x}\"");

    /// <summary>Looks at a file; <see langword="null"/> when there is none.</summary>
    public static LocalFile? Find(string path)
    {
        var info = new FileInfo(path);
        if (!info.Exists)
        {
            return null;
        }

        var written = new DateTimeOffset(info.LastWriteTimeUtc);
        return new(path, info.Length, written.AddTicks(-(written.Ticks % TimeSpan.TicksPerSecond)), written.UtcTicks);
    }

    /// <summary>Reads a part.</summary>
    /// <param name="start">First octet.</param>
    /// <param name="length">Octets.</param>
    /// <exception cref="IOException">It cannot be read, or became shorter.</exception>
    public byte[] Read(long start, long length)
    {
        using var file = File.OpenHandle(Path);
        var octets = new byte[length];
        for (var at = 0; at < octets.Length;)
        {
            var read = RandomAccess.Read(file, octets.AsSpan(at), start + at);
            at += read > 0 ? read : throw new IOException($"'{Path}' became shorter while it was read");
        }

        return octets;
    }
}

/// <summary>The content of a file, kept while the file stays as it is. Files over 1 MiB are read each time. Safe for concurrent use.</summary>
internal sealed class FileContent
{
    private const int MaxKept = 1024 * 1024;

    private volatile Kept? _kept;

    /// <summary>Reads a file off the I/O thread.</summary>
    /// <param name="path">Absolute path.</param>
    /// <param name="sandbox">Where it must be.</param>
    /// <param name="max">Largest file, in octets.</param>
    /// <param name="cancellationToken">Nobody needs it any more.</param>
    /// <exception cref="IOException">It may not or cannot be read.</exception>
    public Task<ReadOnlyMemory<byte>> ReadAsync(string path, Sandbox sandbox, long max, CancellationToken cancellationToken) => Task.Run<ReadOnlyMemory<byte>>(() =>
    {
        var real = sandbox.Resolve(path, out var problem) ?? throw new IOException(problem);
        var file = LocalFile.Find(real) ?? throw new FileNotFoundException($"there is no file '{path}'");
        if (_kept is { } kept && kept.File == file)
        {
            return kept.Octets;
        }

        if (file.Length > max)
        {
            throw new IOException($"'{path}' has {file.Length} octets, more than the {max} allowed");
        }

        var octets = file.Read(0, file.Length);
        _kept = octets.Length <= MaxKept ? new(file, octets) : null;
        return octets;
    }, cancellationToken);

    private sealed record Kept(LocalFile File, byte[] Octets);
}

namespace RelayCore.Cli;

/// <summary>Writes files whole: a reader sees the old file, no file or the new file, never a part.</summary>
internal static class AtomicFile
{
    /// <summary>Writes beside the target and renames over it.</summary>
    /// <param name="path">The target.</param>
    /// <param name="content">Its content.</param>
    /// <param name="isPrivate">0600 from the first moment, else as the umask says.</param>
    public static void Write(string path, ReadOnlySpan<byte> content, bool isPrivate)
    {
        var temporary = $"{path}.{Environment.ProcessId}.tmp";
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, Share = FileShare.None };
        if (isPrivate && !OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        try
        {
            // A left-over of a process with our number would keep its mode.
            File.Delete(temporary);
            using (var stream = new FileStream(temporary, options))
            {
                stream.Write(content);
                stream.Flush(flushToDisk: false);
            }

            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }
}

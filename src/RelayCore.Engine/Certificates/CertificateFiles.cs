using System.Runtime.Versioning;

namespace RelayCore.Engine.Certificates;

/// <summary>
/// The files of a certificate authority in its data directory, and how they are written: whole or not at all, and a private one
/// private from the moment it exists.
/// </summary>
internal sealed class CertificateFiles(string directory)
{
    public const UnixFileMode PrivateFile = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    public const UnixFileMode PublicFile = PrivateFile | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
    private const UnixFileMode PrivateDirectory = PrivateFile | UnixFileMode.UserExecute;
    private const string TemporaryPrefix = ".ca-";
    private static readonly TimeSpan s_lockPause = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan s_lockPatience = TimeSpan.FromSeconds(10);

    public string Directory { get; } = Path.GetFullPath(directory);

    public string Certificate => Path.Combine(Directory, RootAuthority.CertificateFileName);

    public string CertificateDer => Path.Combine(Directory, "ca_cert.cer");

    public string Key => Path.Combine(Directory, RootAuthority.KeyFileName);

    public string Metadata => Path.Combine(Directory, "ca_cert.json");

    public string LeafKey => Path.Combine(Directory, "leaf_key.pem");

    private string Lock => Path.Combine(Directory, ".ca.lock");

    /// <summary>
    /// Waits until no other process writes here, so that processes that start together end with one authority.
    /// </summary>
    /// <exception cref="CertificateFileException">The directory cannot be created or written, or another process keeps the lock.</exception>
    public async Task<FileStream> LockAsync(TimeProvider time, CancellationToken cancellationToken)
    {
        Writing(Directory, () => CreateDirectory(Directory));
        var start = time.GetTimestamp();
        while (true)
        {
            try
            {
                // FileShare.None is flock(LOCK_EX | LOCK_NB) on Unix: the kernel releases it with its process. The file stays.
                return Writing(Directory, () => new FileStream(Lock, Options(FileMode.OpenOrCreate, FileAccess.ReadWrite)));
            }
            catch (CertificateFileException error) when (error.InnerException is IOException { } cause && IsLockHeld(cause))
            {
                if (time.GetElapsedTime(start) > s_lockPatience)
                {
                    throw new CertificateFileException(Lock, "is held by another process", "stop the process that hangs and try again", cause);
                }
            }

            await Task.Delay(s_lockPause, time, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Writes files so that a reader, or a crash, sees either all of the old or all of the new octets of each.</summary>
    /// <param name="files">Path, octets and mode; renamed into place in this order after all of them are on the disk.</param>
    /// <remarks>The caller holds the lock.</remarks>
    public void Write(params ReadOnlySpan<(string Path, byte[] Content, UnixFileMode Mode)> files)
    {
        DeleteLeftovers();
        var temporary = new string[files.Length];
        for (var index = 0; index < files.Length; index++)
        {
            var (path, content, mode) = files[index];
            var target = Path.Combine(Directory, $"{TemporaryPrefix}{Guid.NewGuid():N}.tmp");
            temporary[index] = target;
            Writing(path, () => WriteThrough(target, content, mode));
        }

        for (var index = 0; index < files.Length; index++)
        {
            var (source, target) = (temporary[index], files[index].Path);
            Writing(target, () => File.Move(source, target, overwrite: true));
        }
    }

    private static void WriteThrough(string path, byte[] content, UnixFileMode mode)
    {
        using var stream = new FileStream(path, Options(FileMode.CreateNew, FileAccess.Write, mode));
        stream.Write(content);
        stream.Flush(flushToDisk: true);
    }

    /// <summary>What a process that was killed while writing left behind; nobody else is writing while we hold the lock.</summary>
    private void DeleteLeftovers()
    {
        foreach (var leftover in System.IO.Directory.EnumerateFiles(Directory, TemporaryPrefix + "*.tmp"))
        {
            Writing(leftover, () => File.Delete(leftover));
        }
    }

    private static FileStreamOptions Options(FileMode mode, FileAccess access, UnixFileMode unixMode = PrivateFile)
    {
        var options = new FileStreamOptions { Mode = mode, Access = access, Share = FileShare.None, BufferSize = 0 };
        if (!OperatingSystem.IsWindows())
        {
            SetMode(options, unixMode);
        }

        return options;
    }

    [UnsupportedOSPlatform("windows")]
    private static void SetMode(FileStreamOptions options, UnixFileMode mode) => options.UnixCreateMode = mode;

    private static void CreateDirectory(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            System.IO.Directory.CreateDirectory(path);
        }
        else
        {
            System.IO.Directory.CreateDirectory(path, PrivateDirectory);
        }
    }

    private static bool IsLockHeld(IOException error) =>
        error.HResult == (OperatingSystem.IsWindows() ? unchecked((int)0x80070020) : EWouldBlock);

    private static int EWouldBlock => OperatingSystem.IsMacOS() ? 35 : 11;

    private static void Writing(string path, Action write) => Writing(path, () =>
    {
        write();
        return true;
    });

    private static T Writing<T>(string path, Func<T> write)
    {
        try
        {
            return write();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            var reason = error is UnauthorizedAccessException ? "cannot be written (permission denied)" : $"cannot be written ({Sentence(error)})";
            throw new CertificateFileException(path, reason, "make it writable for this user or choose another directory with --data-dir", error);
        }
    }

    /// <summary>The system's own words without the path, which our sentence has already, and without a full stop.</summary>
    internal static string Sentence(Exception error)
    {
        var message = error.Message;
        var end = message.IndexOf(" : '", StringComparison.Ordinal);
        return (end < 0 ? message : message[..end]).TrimEnd('.');
    }
}

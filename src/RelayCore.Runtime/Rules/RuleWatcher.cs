namespace RelayCore.Runtime.Rules;

/// <summary>
/// Tells that one of some files changed. Notices of the file system are fast but get lost (network shares, full queues, no more watches), so the
/// files are also looked at every second. A burst of changes, as editors make when they save, is told once, 100 ms after its last.
/// </summary>
internal sealed class RuleWatcher : IDisposable
{
    /// <summary>Folders watched by notices; files in more of them are only looked at every second.</summary>
    public const int MaxFolders = 64;

    private static readonly TimeSpan s_poll = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_settle = TimeSpan.FromMilliseconds(100);

    private readonly Lock _gate = new();
    private readonly Action _changed;
    private readonly ITimer _pollTimer;
    private readonly ITimer _settleTimer;
    private readonly Dictionary<string, FileSystemWatcher?> _folders = new(StringComparer.Ordinal);
    private Dictionary<string, Stamp> _files = new(StringComparer.Ordinal);
    private HashSet<string> _included = [];
    private bool _isDisposed;

    /// <summary>Watches nothing yet.</summary>
    /// <param name="time">Clock.</param>
    /// <param name="changed">Called on a thread-pool thread; never twice at once by the timers of a real clock unless it takes longer than they do.</param>
    public RuleWatcher(TimeProvider time, Action changed)
    {
        _changed = changed;
        _settleTimer = time.CreateTimer(static state => ((RuleWatcher)state!).Settled(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _pollTimer = time.CreateTimer(static state => ((RuleWatcher)state!).Poll(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Watches exactly these files from now on; what changed between <paramref name="stamps"/> and now is told.</summary>
    /// <param name="stamps">The files, as they were before they were read.</param>
    /// <param name="folders">Folders in which a new file counts too.</param>
    public void Watch(IReadOnlyDictionary<string, Stamp> stamps, IReadOnlyList<string> folders)
    {
        lock (_gate)
        {
            if (_isDisposed)
            {
                return;
            }

            _files = new(stamps, StringComparer.Ordinal);
            _included = [.. folders];
            var period = _files.Count == 0 ? Timeout.InfiniteTimeSpan : s_poll; // nothing to watch wakes nobody up
            _pollTimer.Change(period, period);
            foreach (var folder in _files.Keys.Select(x => Path.GetDirectoryName(x) ?? "/").Concat(folders).Distinct())
            {
                if (_folders.Count < MaxFolders && !_folders.ContainsKey(folder))
                {
                    _folders[folder] = Open(folder);
                }
            }
        }
    }

    /// <summary>How a file looks now.</summary>
    public static Stamp StampOf(string file)
    {
        try
        {
            var info = new FileInfo(file);
            return info.Exists ? new(info.LastWriteTimeUtc.Ticks, info.Length) : default;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return default;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            _isDisposed = true;
            foreach (var watcher in _folders.Values)
            {
                watcher?.Dispose();
            }

            _folders.Clear();
        }

        _pollTimer.Dispose();
        _settleTimer.Dispose();
    }

    private FileSystemWatcher? Open(string folder)
    {
        try
        {
            var watcher = new FileSystemWatcher(folder)
            {
                NotifyFilter = NotifyFilters.FileName | NotifyFilters.LastWrite | NotifyFilters.Size | NotifyFilters.CreationTime,
            };
            watcher.Changed += (_, change) => Noticed(change.FullPath);
            watcher.Created += (_, change) => Noticed(change.FullPath);
            watcher.Deleted += (_, change) => Noticed(change.FullPath);
            watcher.Renamed += (_, change) =>
            {
                Noticed(change.OldFullPath);
                Noticed(change.FullPath);
            };
            watcher.EnableRaisingEvents = true;
            return watcher;
        }
        catch (Exception error) when (error is IOException or ArgumentException or UnauthorizedAccessException)
        {
            return null; // looking every second has to do
        }
    }

    private void Noticed(string path)
    {
        // A file that a pattern of an include would now find is news as well as a file that was read.
        bool isOurs;
        lock (_gate)
        {
            isOurs = !_isDisposed && (_files.ContainsKey(path) || _included.Contains(Path.GetDirectoryName(path) ?? "/"));
        }

        if (isOurs)
        {
            _settleTimer.Change(s_settle, Timeout.InfiniteTimeSpan);
        }
    }

    private void Poll()
    {
        string[] changed;
        lock (_gate)
        {
            changed = _isDisposed ? [] : [.. _files.Where(x => StampOf(x.Key) != x.Value).Select(x => x.Key)];
            foreach (var file in changed)
            {
                _files[file] = StampOf(file);
            }
        }

        if (changed.Length > 0)
        {
            _settleTimer.Change(s_settle, Timeout.InfiniteTimeSpan);
        }
    }

    private void Settled()
    {
        lock (_gate)
        {
            if (_isDisposed)
            {
                return;
            }
        }

        _changed();
    }

    /// <summary>How a file looked: all 0 when it was not there.</summary>
    /// <param name="WrittenAt">Ticks of its last write.</param>
    /// <param name="Length">Octets.</param>
    public readonly record struct Stamp(long WrittenAt, long Length);
}

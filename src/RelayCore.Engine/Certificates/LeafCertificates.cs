using System.Collections.Concurrent;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace RelayCore.Engine.Certificates;

/// <summary>
/// The certificates we present to clients: one per host, issued when first asked for and kept until others need the place.
/// Thread-safe.
/// </summary>
/// <remarks>
/// A host is issued once however many connections ask at the same moment, on the thread pool and never on the caller's thread.
/// Certificates pushed out of the cache are left to the finalizer: a handshake may still be using them.
/// </remarks>
public sealed class LeafCertificates
{
    /// <summary>Default for the number of hosts kept. A browser's day takes a few hundred.</summary>
    public const int DefaultCapacity = 1000;

    private readonly ConcurrentDictionary<string, Entry> _entries = new(StringComparer.OrdinalIgnoreCase);
    private readonly Lock _clock = new();
    private readonly List<Entry> _ring = [];
    private readonly RootAuthority _root;
    private readonly ECDsa _key;
    private readonly TimeProvider _time;
    private readonly LeafCertificateRequest _request;
    private readonly int _capacity;
    private int _hand;
    private long _issued;
    private long _hits;

    /// <summary>Prepares to issue; nothing is issued yet.</summary>
    /// <param name="root">Signs; stays the caller's and must outlive this object.</param>
    /// <param name="key">The shared P-256 key (<see cref="LeafKey"/>); stays the caller's and must outlive this object.</param>
    /// <param name="time">Decides validity and renewal.</param>
    /// <param name="capacity">Most hosts kept; at least 1. When full, a host not asked for since the last round makes room.</param>
    public LeafCertificates(RootAuthority root, ECDsa key, TimeProvider time, int capacity = DefaultCapacity)
    {
        ArgumentNullException.ThrowIfNull(root);
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(time);
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        (_root, _key, _time, _capacity, _request) = (root, key, time, capacity, new(root, key));
    }

    /// <summary>Certificates issued since the start.</summary>
    public long Issued => Volatile.Read(ref _issued);

    /// <summary>Requests answered without issuing, those that joined one in progress included.</summary>
    public long Hits => Volatile.Read(ref _hits);

    /// <summary>Hosts in the cache; never more than the capacity once concurrent insertions have settled.</summary>
    public int Count => _entries.Count;

    /// <summary>Whether a host can have a certificate: a name, an internationalized name, or an IP literal.</summary>
    public static bool CanIssueFor(string host)
    {
        ArgumentNullException.ThrowIfNull(host);
        return LeafCertificateRequest.TryNormalize(host, out _);
    }

    /// <summary>The certificate for a host, with its key and chain, ready for a handshake.</summary>
    /// <param name="host">A name (also with a trailing dot, or internationalized), an IPv4 literal, or an IPv6 literal with or without brackets.</param>
    /// <returns>Already completed, and without allocation, when the host is in the cache.</returns>
    /// <exception cref="ArgumentException">The host is none of these; <see cref="CanIssueFor"/> tells beforehand.</exception>
    /// <exception cref="CertificateFileException">The authority is no longer valid (from the returned task).</exception>
    public ValueTask<SslStreamCertificateContext> GetAsync(string host)
    {
        ArgumentNullException.ThrowIfNull(host);
        if (_entries.TryGetValue(host, out var entry) && entry.Context is { } context && _time.GetUtcNow().UtcTicks < entry.RenewAtTicks)
        {
            return Hit(entry, context);
        }

        return LeafCertificateRequest.TryNormalize(host, out var name)
            ? GetNormalized(name)
            : throw new ArgumentException($"'{host}' is neither a host name nor an IP address.", nameof(host));
    }

    private ValueTask<SslStreamCertificateContext> GetNormalized(string name)
    {
        while (true)
        {
            var now = _time.GetUtcNow();
            if (_entries.TryGetValue(name, out var present) && now.UtcTicks < present.RenewAtTicks)
            {
                return Hit(present, present.Context);
            }

            var entry = new Entry(name);
            entry.Issuing = new Task<SslStreamCertificateContext>(() => Issue(entry, now), TaskCreationOptions.DenyChildAttach);
            if (present is null ? _entries.TryAdd(name, entry) : _entries.TryUpdate(name, entry, present))
            {
                Admit(entry);
                entry.Issuing.Start(TaskScheduler.Default);
                return new(entry.Issuing);
            }
        }
    }

    private ValueTask<SslStreamCertificateContext> Hit(Entry entry, SslStreamCertificateContext? context)
    {
        Interlocked.Increment(ref _hits);
        if (!entry.IsReferenced) // a write only when it changes something: hot hosts are read by every core
        {
            entry.IsReferenced = true;
        }

        return context is null ? new(entry.Issuing!) : new(context);
    }

    private SslStreamCertificateContext Issue(Entry entry, DateTimeOffset now)
    {
        try
        {
            using var unkeyed = _request.Issue(entry.Name, now);
            var certificate = WithKey(unkeyed);
            var context = SslStreamCertificateContext.Create(certificate, _root.Intermediates, offline: true);
            var remaining = certificate.NotAfter.ToUniversalTime() - now;
            entry.RenewAtTicks = (now + (remaining * 0.9)).UtcTicks; // the last tenth belongs to connections that last
            entry.Context = context;
            Interlocked.Increment(ref _issued);
            return context;
        }
        catch
        {
            _entries.TryRemove(new(entry.Name, entry)); // the next request tries again
            throw;
        }
    }

    private X509Certificate2 WithKey(X509Certificate2 unkeyed)
    {
        var certificate = unkeyed.CopyWithPrivateKey(_key);
        if (!OperatingSystem.IsWindows())
        {
            return certificate;
        }

        using (certificate) // SChannel cannot use a key that exists in memory only
        {
            return X509CertificateLoader.LoadPkcs12(certificate.Export(X509ContentType.Pkcs12), null);
        }
    }

    /// <summary>Gives a new entry its place: a free one, or that of the next entry not asked for since the hand last passed.</summary>
    private void Admit(Entry entry)
    {
        lock (_clock)
        {
            if (_ring.Count < _capacity)
            {
                _ring.Add(entry);
                return;
            }

            while (_ring[_hand].IsReferenced)
            {
                _ring[_hand].IsReferenced = false;
                _hand = (_hand + 1) % _ring.Count;
            }

            var victim = _ring[_hand];
            _entries.TryRemove(new(victim.Name, victim)); // not when it was renewed or failed: then its place was idle
            _ring[_hand] = entry;
            _hand = (_hand + 1) % _ring.Count;
        }
    }

    /// <summary>One host.</summary>
    private sealed class Entry(string name)
    {
        private volatile SslStreamCertificateContext? _context;
        private volatile bool _isReferenced;

        public string Name { get; } = name;

        public Task<SslStreamCertificateContext>? Issuing { get; set; }

        /// <summary>Null until issued; written after <see cref="RenewAtTicks"/>, so that who sees it sees that too.</summary>
        public SslStreamCertificateContext? Context
        {
            get => _context;
            set => _context = value;
        }

        /// <summary>When it is to be replaced, in UTC ticks; the far future while it is being issued.</summary>
        public long RenewAtTicks { get; set; } = long.MaxValue;

        public bool IsReferenced
        {
            get => _isReferenced;
            set => _isReferenced = value;
        }
    }
}

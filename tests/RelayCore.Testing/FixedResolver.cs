using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using RelayCore.Engine.Transport;

namespace RelayCore.Testing;

/// <summary>Names with fixed addresses; every other name does not exist.</summary>
public sealed class FixedResolver : IResolver
{
    private readonly ConcurrentDictionary<string, IPAddress[]> _names = new(StringComparer.Ordinal);

    /// <summary>Runs before an answer; throws to fail it, waits to delay it.</summary>
    public Func<string, CancellationToken, ValueTask>? Resolving { get; set; }

    /// <summary>Gives a name its addresses.</summary>
    public void Add(string host, params IPAddress[] addresses) => _names[host] = addresses;

    /// <inheritdoc/>
    public async ValueTask<IPAddress[]> ResolveAsync(string host, CancellationToken cancellationToken)
    {
        if (Resolving is { } resolving)
        {
            await resolving(host, cancellationToken).ConfigureAwait(false);
        }

        return _names.TryGetValue(host, out var addresses) ? addresses : throw new SocketException((int)SocketError.HostNotFound);
    }
}

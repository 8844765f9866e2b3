using System.Net;
using System.Net.Sockets;
using RelayCore.Core.Connections;
using RelayCore.Core.Faults;
using RelayCore.Engine.Transport;
using RelayCore.Protocols;

namespace RelayCore.Engine.Upstream;

/// <summary>Connects to the first of several addresses that answers (RFC 8305): families alternate, a new attempt every 250 ms or on failure.</summary>
internal static class HappyEyeballs
{
    private const int MaxAttempts = 16;
    private static readonly TimeSpan s_attemptDelay = TimeSpan.FromMilliseconds(250); // RFC 8305 §8

    public static async ValueTask<DuplexTransport> ConnectAsync(
        ITransportFactory transports, IPAddress[] addresses, string host, int port, int? timeToLive, TimeProvider time, CancellationToken cancellationToken)
    {
        try
        {
            if (addresses.Length == 1)
            {
                return await transports.ConnectAsync(new(addresses[0], port), timeToLive, cancellationToken).ConfigureAwait(false);
            }

            return await RaceAsync(transports, Interleave(addresses), port, timeToLive, time, cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException e)
        {
            throw new UpstreamException(
                new("RC-CONN-002", FaultStage.Connect, FaultKind.Timeout, PeerRole.Server, $"{Origin.Format(host, port)} did not accept in time", true), e);
        }
        catch (SocketException e)
        {
            var code = e.SocketErrorCode == SocketError.ConnectionRefused ? "RC-CONN-001" : e.SocketErrorCode == SocketError.TimedOut ? "RC-CONN-002" : "RC-CONN-003";
            var kind = code == "RC-CONN-002" ? FaultKind.Timeout : FaultKind.Transport;
            throw new UpstreamException(new(code, FaultStage.Connect, kind, PeerRole.Server, $"{Origin.Format(host, port)}: {e.Message}", true), e);
        }
    }

    /// <summary>Alternates address families, the first address's family first (RFC 8305 §4).</summary>
    internal static List<IPAddress> Interleave(IPAddress[] addresses)
    {
        var first = addresses.Where(x => x.AddressFamily == addresses[0].AddressFamily).ToList();
        var second = addresses.Where(x => x.AddressFamily != addresses[0].AddressFamily).ToList();
        var result = new List<IPAddress>(addresses.Length);
        for (var i = 0; i < Math.Max(first.Count, second.Count) && result.Count < MaxAttempts; i++)
        {
            if (i < first.Count)
            {
                result.Add(first[i]);
            }

            if (i < second.Count)
            {
                result.Add(second[i]);
            }
        }

        return result;
    }

    private static async ValueTask<DuplexTransport> RaceAsync(
        ITransportFactory transports, List<IPAddress> addresses, int port, int? timeToLive, TimeProvider time, CancellationToken cancellationToken)
    {
        using var losers = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var attempts = new List<Task<DuplexTransport>>();
        var next = 0;
        Exception? failure = null;
        while (true)
        {
            if (next < addresses.Count)
            {
                attempts.Add(transports.ConnectAsync(new(addresses[next++], port), timeToLive, losers.Token).AsTask());
            }

            using var delayed = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            var delay = next < addresses.Count ? Task.Delay(s_attemptDelay, time, delayed.Token) : null;
            var done = await Task.WhenAny(delay is null ? attempts : [.. attempts, delay]).ConfigureAwait(false);
            await delayed.CancelAsync().ConfigureAwait(false);
            if (done is not Task<DuplexTransport> attempt)
            {
                cancellationToken.ThrowIfCancellationRequested();
                continue;
            }

            attempts.Remove(attempt);
            if (attempt.IsCompletedSuccessfully)
            {
                await losers.CancelAsync().ConfigureAwait(false);
                foreach (var loser in attempts)
                {
                    _ = loser.ContinueWith(
                        static t => t.GetAwaiter().GetResult().Close(), CancellationToken.None, TaskContinuationOptions.OnlyOnRanToCompletion, TaskScheduler.Default);
                }

                return await attempt.ConfigureAwait(false);
            }

            failure = attempt.Exception?.InnerException ?? new OperationCanceledException(cancellationToken);
            if (attempts.Count == 0 && next == addresses.Count)
            {
                System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
            }
        }
    }
}

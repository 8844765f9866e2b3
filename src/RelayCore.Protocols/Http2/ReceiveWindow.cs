using System.Diagnostics;

namespace RelayCore.Protocols.Http2;

/// <summary>
/// How many octets of DATA we let the peer send (RFC 9113 §6.9), on a stream or the connection: what is received, what was handed on and
/// may be announced again, and how large the window should be. A field of its owner; never copied while in use.
/// </summary>
/// <remarks>
/// At any time <c>Size = Available + Held + Pending</c>. Updates are sent when half of the window can be announced at once. A window that is
/// turned over within a round trip is what limits the sender, so it grows to twice the product of bandwidth and delay. Octets that are held
/// stop both: a slow reader makes its sender slow, and never grows a window. Nothing here has a clock: moments and round trips are given.
/// </remarks>
public struct ReceiveWindow
{
    private readonly int _maximum;
    private TimeSpan _lastUpdate;

    /// <summary>A window at its start.</summary>
    /// <param name="size">Octets the peer may send: its SETTINGS_INITIAL_WINDOW_SIZE, or <see cref="Http2Settings.DefaultWindowSize"/> for the connection.</param>
    /// <param name="maximum">Octets it may grow to, at least <paramref name="size"/>.</param>
    /// <param name="now">The moment, on any monotonic clock.</param>
    public ReceiveWindow(int size, int maximum, TimeSpan now) =>
        (Size, Available, Pending, _maximum, _lastUpdate) = (size, size, 0, Math.Max(size, maximum), now);

    /// <summary>The whole window, in octets.</summary>
    public int Size { get; private set; }

    /// <summary>Octets the peer may still send; negative after we lowered our SETTINGS_INITIAL_WINDOW_SIZE.</summary>
    public int Available { get; private set; }

    /// <summary>Octets handed on that were not announced again.</summary>
    public int Pending { get; private set; }

    /// <summary>Octets received that were not handed on.</summary>
    public readonly int Held => Size - Available - Pending;

    /// <summary>Counts octets received.</summary>
    /// <param name="octets"><see cref="Http2Frame.FlowControlledOctets"/>.</param>
    /// <returns><see langword="false"/> when they exceed the window: FLOW_CONTROL_ERROR of the stream or the connection (§6.9.1).</returns>
    public bool TryReceive(int octets)
    {
        if (octets > 0 && octets > Available)
        {
            return false;
        }

        Available -= octets;
        return true;
    }

    /// <summary>Octets received were handed on or dropped: they may be announced again.</summary>
    /// <param name="octets">At most <see cref="Held"/>.</param>
    /// <param name="now">The moment.</param>
    /// <param name="roundTrip">Smallest round trip measured (PING), or zero when unknown; then the window keeps its size.</param>
    /// <returns>The increment of the WINDOW_UPDATE to send now, or 0.</returns>
    public int Release(int octets, TimeSpan now, TimeSpan roundTrip)
    {
        Debug.Assert(octets >= 0 && octets <= Held, "Only what was received is released.");
        Pending += octets;
        if (Pending == 0 || Pending < (Size + 1) / 2)
        {
            return 0;
        }

        Grow(now - _lastUpdate, roundTrip);
        _lastUpdate = now;
        return Announce();
    }

    /// <summary>Raises the window at once, as is done for the connection when it opens: SETTINGS do not reach it (§6.9.2).</summary>
    /// <param name="size">Octets, at most 2^31-1; a smaller one than now changes nothing.</param>
    /// <returns>The increment of the WINDOW_UPDATE to send now, or 0.</returns>
    public int Raise(int size)
    {
        if (size <= Size)
        {
            return 0;
        }

        Pending += size - Size;
        Size = size;
        return Announce();
    }

    /// <summary>Our SETTINGS_INITIAL_WINDOW_SIZE changed and the peer acknowledged it (§6.9.2). Not for the connection.</summary>
    /// <param name="change">New value less old value.</param>
    public void Adjust(int change)
    {
        Available += change;
        Size += change;
    }

    private int Announce()
    {
        // Lowered windows first climb back to where the peer may send.
        var increment = Pending;
        Pending = 0;
        Available += increment;
        return increment;
    }

    private void Grow(TimeSpan elapsed, TimeSpan roundTrip)
    {
        if (roundTrip <= TimeSpan.Zero || Size >= _maximum)
        {
            return;
        }

        // What arrived since the last update, as octets per round trip; clocks that stand still count as their smallest step.
        var product = (double)Pending * roundTrip.Ticks / Math.Max(1, elapsed.Ticks);
        var wanted = Math.Min(2 * product, 4.0 * Size); // one sample may be a burst: at most four times at once
        if (wanted > Size)
        {
            var size = (int)Math.Min(wanted, _maximum);
            Pending += size - Size;
            Size = size;
        }
    }
}

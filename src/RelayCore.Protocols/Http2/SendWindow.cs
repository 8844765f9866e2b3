using System.Diagnostics;

namespace RelayCore.Protocols.Http2;

/// <summary>How many octets of DATA the peer lets us send (RFC 9113 §6.9), on a stream or the connection. A field of its owner; never copied while in use.</summary>
public struct SendWindow
{
    /// <summary>A window at its start.</summary>
    /// <param name="size">Octets, 0 to 2^31-1.</param>
    public SendWindow(int size) => Available = size;

    /// <summary>Octets that may be sent; negative after the peer lowered its SETTINGS_INITIAL_WINDOW_SIZE (§6.9.2).</summary>
    public int Available { get; private set; }

    /// <summary>Takes octets about to be sent, padding included.</summary>
    /// <param name="octets">At most what is available.</param>
    public void Consume(int octets)
    {
        Debug.Assert(octets >= 0 && octets <= Math.Max(0, Available), "More than the window is never sent (§6.9.1).");
        Available -= octets;
    }

    /// <summary>WINDOW_UPDATE of the peer.</summary>
    /// <param name="increment">Octets, 1 to 2^31-1.</param>
    /// <returns><see langword="false"/> when the window would exceed 2^31-1: FLOW_CONTROL_ERROR of the stream or the connection (§6.9.1).</returns>
    public bool TryIncrease(int increment) => TryAdd(increment);

    /// <summary>The peer changed its SETTINGS_INITIAL_WINDOW_SIZE: every stream's window moves by the difference; the connection's does not (§6.9.2).</summary>
    /// <param name="change">New value less old value.</param>
    /// <returns><see langword="false"/> when the window would exceed 2^31-1: FLOW_CONTROL_ERROR of the connection (§6.9.2).</returns>
    public bool TryAdjust(int change) => TryAdd(change);

    private bool TryAdd(int change)
    {
        var sum = (long)Available + change;
        if (sum > int.MaxValue)
        {
            return false;
        }

        Available = (int)sum;
        return true;
    }
}

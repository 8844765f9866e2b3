namespace RelayCore.Protocols;

/// <summary>What the octets given to a reader of messages inside a body turned out to be.</summary>
public enum UnitStatus : byte
{
    /// <summary>They all belong to a unit whose end is not among them.</summary>
    NeedMore,

    /// <summary>A unit that is no message ends: a comment, an empty line, a byte order mark.</summary>
    Filler,

    /// <summary>A message ends.</summary>
    Message,

    /// <summary>A rule is broken: what follows cannot be told apart any more.</summary>
    Invalid,
}

/// <summary>One step of a reader that cuts a body into units. A unit is what may be left out or preceded by something else.</summary>
/// <param name="Status">What was found.</param>
/// <param name="Length">
/// Octets from the start of what was given that belong to the present unit: all of them for <see cref="UnitStatus.NeedMore"/>, up to and with
/// its last for the others, 0 for <see cref="UnitStatus.Invalid"/>. They count as read: the next call is given those behind.
/// </param>
public readonly record struct UnitStep(UnitStatus Status, int Length);

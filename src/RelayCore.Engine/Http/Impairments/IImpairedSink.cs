using RelayCore.Protocols;

namespace RelayCore.Engine.Http.Impairments;

/// <summary>Where octets go that an <see cref="ImpairedOutput"/> lets through; time-outs of the receiver run only within a call.</summary>
internal interface IImpairedSink
{
    /// <summary>Sends octets.</summary>
    ValueTask SendAsync(ReadOnlyMemory<byte> octets);
}

/// <summary>The exchange whose message is impaired.</summary>
internal interface IImpairedHost
{
    /// <summary>Whether nobody wants the rest of a message any more: the exchange was ended, or its other half is over.</summary>
    bool IsGivenUp(PeerRole sender);

    /// <summary>Something waits on purpose: bounds on the whole exchange do not count that.</summary>
    void Extend(TimeSpan by);

    /// <summary>A wait on purpose begins or ends.</summary>
    void Waiting(bool begins);
}

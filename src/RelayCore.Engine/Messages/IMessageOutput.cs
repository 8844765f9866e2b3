namespace RelayCore.Engine.Messages;

/// <summary>Where a body goes whose messages are edited: data octets, framed by whoever implements it.</summary>
internal interface IMessageOutput
{
    /// <summary>Sends data octets of the body. They are shown to the recorder as sent once <see cref="Edited"/> was called.</summary>
    /// <param name="data">At least one octet; not needed any more when the call completes.</param>
    ValueTask WriteAsync(ReadOnlyMemory<byte> data);

    /// <summary>What is written from now on is not, or not only, what was received. Called once, between two writes.</summary>
    /// <param name="unsent">Octets received, and shown to the recorder, that were not written until now.</param>
    void Edited(long unsent);
}

/// <summary>A body whose messages are edited cannot be read on: its peer's fault, and the end of its message.</summary>
internal sealed class DamagedBodyException(string message) : IOException(message);

using System.Net;
using System.Net.Sockets;

namespace RelayCore.Engine;

/// <summary>An address that cannot be bound.</summary>
public sealed class ListenException : Exception
{
    /// <summary>Says which and why.</summary>
    public ListenException(IPEndPoint endPoint, string message, Exception? inner)
        : base(message, inner) => EndPoint = endPoint;

    /// <summary>The address.</summary>
    public IPEndPoint EndPoint { get; }

    /// <summary>Whether somebody else has the port.</summary>
    public bool IsInUse => InnerException is SocketException { SocketErrorCode: SocketError.AddressAlreadyInUse };
}

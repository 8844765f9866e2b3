using RelayCore.Core.Faults;
using RelayCore.Engine.Http.Impairments;
using RelayCore.Protocols;
using RelayCore.Protocols.Http2;

namespace RelayCore.Engine.Http.Exchanges;

internal sealed partial class ExchangeRunner
{
    private FlowFault WrongLength(PeerRole sender, long octets) => sender == PeerRole.Client
        ? new("RC-HTTP-316", FaultStage.Request, FaultKind.Protocol, PeerRole.Client, $"Content-Length says {_requestLength}, {octets} octets came")
        : new("RC-HTTP-317", FaultStage.Response, FaultKind.Protocol, PeerRole.Server, $"Content-Length says {_server!.BodyLength}, {octets} octets came");

    private FlowFault FaultOf(Exception exception)
    {
        if (_pumpFault is { } pump)
        {
            return pump;
        }

        if (ExpiredFault() is { } late)
        {
            return late;
        }

        return (exception, _at) switch
        {
            (MessageFaultException named, _) => named.Fault,
            (_, At.SendingToServer or At.AwaitingResponse) when _impairedFault is { } onPurpose => onPurpose, // what was done to the request is why there is no answer
            (StreamResetException { Blame: PeerRole.Client } reset, _) => new(
                "RC-HTTP-315", FaultStage.Response, FaultKind.Transport, PeerRole.Client, $"{reset.Code}: {reset.Message}"),
            (StreamResetException { IsConnectionLost: false } reset, _) => new(
                "RC-HTTP-319", _isHeadReceived ? FaultStage.Response : FaultStage.Request, FaultKind.Transport, PeerRole.Server, $"{reset.Code}: {reset.Message}", reset.IsUnprocessed),
            (_, At.Client) => new("RC-HTTP-315", FaultStage.Response, FaultKind.Transport, PeerRole.Client, exception.Message),
            (_, At.Connecting) => new("RC-CONN-003", FaultStage.Connect, FaultKind.Transport, PeerRole.Server, exception.Message, true),
            (_, At.SendingToServer) => new("RC-HTTP-312", FaultStage.Request, FaultKind.Transport, PeerRole.Server, exception.Message, true),
            (_, At.AwaitingResponse) => new("RC-HTTP-311", FaultStage.Response, FaultKind.Transport, PeerRole.Server, exception.Message, true),
            _ => new("RC-HTTP-309", FaultStage.Response, FaultKind.Truncated, PeerRole.Server, exception.Message),
        };
    }

    /// <summary>What the client's stream is reset with when its response cannot be completed: what the server said, if it said something.</summary>
    private static Http2ErrorCode CodeOf(Exception exception) =>
        exception is ImpairedException impaired ? (impaired.IsCut ? Http2ErrorCode.NoError : Http2ErrorCode.Cancel)
        : exception is StreamResetException { Blame: PeerRole.Server, IsConnectionLost: false } reset && reset.Code != Http2ErrorCode.NoError ? reset.Code : Http2ErrorCode.InternalError;

    /// <summary>The fault of what was ended from outside; <see langword="null"/> when nothing was.</summary>
    private FlowFault? ExpiredFault() => (Wait)Volatile.Read(ref _expired) switch
    {
        Wait.RequestBody => Http1Session.Late("RC-HTTP-302", FaultStage.Request, PeerRole.Client),
        Wait.Delivery => Http1Session.Late("RC-HTTP-315", FaultStage.Response, PeerRole.Client),
        Wait.Response => Http1Session.Late("RC-HTTP-310", FaultStage.Response, PeerRole.Server),
        Wait.ResponseBody => Http1Session.Late("RC-HTTP-308", FaultStage.Response, PeerRole.Server),
        Wait.Sending => Http1Session.Late("RC-HTTP-312", FaultStage.Request, PeerRole.Server),
        Wait.Tunnel => Http1Session.Late("RC-TUN-001", FaultStage.Tunnel, null),
        Wait.Total => Http1Session.Late("RC-HTTP-313", FaultStage.Response, null),
        Wait.Stopping => new("RC-INT-002", FaultStage.Connection, FaultKind.Policy, null, "the proxy was stopped"),
        Wait.ClientReset => new("RC-HTTP-315", FaultStage.Response, FaultKind.Transport, PeerRole.Client, $"the client reset its stream ({_clientCode})"),
        _ => null,
    };
}

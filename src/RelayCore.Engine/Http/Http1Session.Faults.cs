using RelayCore.Core.Faults;
using RelayCore.Engine.Http.Impairments;
using RelayCore.Protocols;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http1;

namespace RelayCore.Engine.Http;

internal sealed partial class Http1Session
{
    private FlowFault MalformedRequest(Http1Error error) => MalformedRequest(error, _input.Span);

    internal static FlowFault MalformedRequest(Http1Error error, ReadOnlySpan<byte> source)
    {
        var code = FaultCatalog.CodeOf(error.Fault, isResponse: false);
        return new(code, FaultStage.Request, FaultKind.Protocol, PeerRole.Client, FaultCatalog.Find(code)?.Explanation ?? error.Fault.ToString())
        {
            Octets = Around(source, error.Offset, out var offset),
            OctetsOffset = offset,
        };
    }

    internal static FlowFault MalformedResponse(Http1Error error, ReadOnlySpan<byte> source)
    {
        var code = FaultCatalog.CodeOf(error.Fault, isResponse: true);
        return new(code, FaultStage.Response, FaultKind.Protocol, PeerRole.Server, FaultCatalog.Find(code)?.Explanation ?? error.Fault.ToString())
        {
            Octets = Around(source, error.Offset, out var offset),
            OctetsOffset = offset,
        };
    }

    /// <summary>Where in the head the line is that a rule about the whole head rests on.</summary>
    internal static int OffsetOf(Http1Fault fault, FieldSection fields)
    {
        var field = fault switch
        {
            Http1Fault.InvalidContentLength or Http1Fault.DuplicateContentLength => KnownField.ContentLength,
            Http1Fault.LengthAndTransferEncoding or Http1Fault.InvalidTransferEncoding or Http1Fault.TransferEncodingInHttp10 => KnownField.TransferEncoding,
            Http1Fault.DuplicateHost or Http1Fault.InvalidHost => KnownField.Host,
            _ => KnownField.None,
        };
        for (var i = fields.Count - 1; field != KnownField.None && i >= 0; i--)
        {
            if (fields.Known(i) == field)
            {
                return Math.Max(0, fields.Received.LastIndexOf(fields.ReceivedLine(i)));
            }
        }

        return 0;
    }

    private static byte[] Around(ReadOnlySpan<byte> source, int at, out int offset)
    {
        var start = Math.Clamp(at - 32, 0, Math.Max(source.Length - 1, 0));
        offset = Math.Clamp(at - start, 0, 63);
        return source.Slice(start, Math.Min(64, source.Length - start)).ToArray();
    }

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

        if (exception is ImpairedException impaired)
        {
            return impaired.Fault;
        }

        // What was done to the request is why there is no answer.
        if (_impairedFault is { } onPurpose && _at is At.SendingToServer or At.AwaitingResponse)
        {
            return onPurpose;
        }

        return _at switch
        {
            At.Client => new("RC-HTTP-315", FaultStage.Response, FaultKind.Transport, PeerRole.Client, exception.Message),
            At.Connecting => new("RC-CONN-003", FaultStage.Connect, FaultKind.Transport, PeerRole.Server, exception.Message, true),
            At.SendingToServer => new("RC-HTTP-312", FaultStage.Request, FaultKind.Transport, PeerRole.Server, exception.Message, true),
            At.AwaitingResponse => new("RC-HTTP-311", FaultStage.Response, FaultKind.Transport, PeerRole.Server, exception.Message, true),
            _ => new("RC-HTTP-309", FaultStage.Response, FaultKind.Truncated, PeerRole.Server, exception.Message),
        };
    }
}

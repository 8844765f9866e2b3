using System.Buffers.Text;
using RelayCore.Core.Connections;
using RelayCore.Core.Faults;
using RelayCore.Core.Flows;
using RelayCore.Engine.Upstream;
using RelayCore.Protocols;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http1;

namespace RelayCore.Engine.Http.Exchanges;

internal sealed partial class ExchangeRunner
{
    /// <summary>Finds where the request goes and records it.</summary>
    private FlowFault? ReadRequest()
    {
        if (_isRequestRead)
        {
            return null; // its session did
        }

        var request = Exchange.Request;
        var fault = Route();
        _recorder.Request(request.Origin, request.Fields.Received, _repairs);
        _recorder.Stamp(TimingPoint.RequestHead, _now);
        if (_pool is not null && _scope.IsExcluded)
        {
            _recorder.Cancel(); // our own control port: looking at captures must not make more of them
        }

        _requestLength = LengthOf(request.Fields);
        if (_client.IsBodyRead && !IsTunnelRequest)
        {
            if (_requestLength > 0)
            {
                _isMalformed = true;
                fault = WrongLength(PeerRole.Client, 0);
            }

            _recorder.Stamp(TimingPoint.RequestEnd, _now);
        }

        return fault ?? (_scope.Origin is null ? Http1Session.CheckCredentials(_engine.Options, request.Fields) : null);
    }

    private FlowFault? Route()
    {
        var request = Exchange.Request;
        if (_scope.Origin is not null)
        {
            UsePool(_scope.OwnPool(_engine));
            if (NamesAnother(_scope.Origin))
            {
                _recorder.Mark(FlowMarks.HostMismatch);
            }

            return null;
        }

        var isAbsolute = request.TargetForm == RequestTargetForm.Absolute;
        var isSecure = Http2Heads.IsSecure(request);
        var host = request.Fields.IndexOf(KnownField.Host);
        var authority = Http2Heads.TargetAuthority(request) is { IsEmpty: false } named ? named : host >= 0 ? request.Fields.Value(host) : default;
        if (authority.IsEmpty)
        {
            return new("RC-HTTP-305", FaultStage.Request, FaultKind.Protocol, PeerRole.Client, "the request names no host");
        }

        if (_scope.Recall(isSecure, authority) is { } known)
        {
            UsePool(known);
        }
        else if (Authority.TryRead(authority, out var parts)
            && Authority.NormalizeHost(authority.Slice(parts.HostStart, parts.HostLength)) is { } name)
        {
            UsePool(_scope.Remember(_engine, new Origin(isSecure, name, parts.Port > 0 ? parts.Port : isSecure ? 443 : 80), authority));
        }
        else
        {
            return new(FaultCatalog.CodeOf(Http1Fault.InvalidTarget, isResponse: false), FaultStage.Request, FaultKind.Protocol, PeerRole.Client,
                "the authority of the request cannot be read");
        }

        // In absolute form it went through a proxy on purpose: then it is a loop, which shows when the server is dialed.
        return !isAbsolute && Http1Session.IsOwnListener(_engine, request.Origin)
            ? new("RC-HTTP-305", FaultStage.Request, FaultKind.Protocol, PeerRole.Client, $"the request was sent to the proxy itself ({request.Origin.Authority})")
            : null;
    }

    private void UsePool(OriginPool pool)
    {
        _pool = pool;
        Exchange.Request.Load(pool.Origin);
        Exchange.Route = pool.Origin.Route;
        _scope.Use(_engine, pool);
        _interceptors = _scope.Interceptors;
    }

    // Host must not contradict the authority (RFC 9113 §8.3.1), so that one look is enough.
    private bool NamesAnother(Origin origin)
    {
        var request = Exchange.Request;
        if (!request.AuthorityOctets.IsEmpty)
        {
            return !Http1Session.NamesOrigin(request.AuthorityOctets, origin);
        }

        var host = request.Fields.IndexOf(KnownField.Host);
        return host >= 0 && !Http1Session.NamesOrigin(request.Fields.Value(host), origin);
    }

    /// <returns>What Content-Length says; -1 without one.</returns>
    private static long LengthOf(FieldSection fields)
    {
        var index = fields.IndexOf(KnownField.ContentLength);
        return index >= 0 && fields.IndexOf(KnownField.TransferEncoding) < 0
            && Utf8Parser.TryParse(fields.Value(index), out long length, out var consumed) && consumed == fields.Value(index).Length ? length : -1;
    }
}

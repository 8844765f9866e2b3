using System.Text;
using RelayCore.Core.Connections;
using RelayCore.Core.Faults;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Engine.Upstream;
using RelayCore.Protocols;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http1;

namespace RelayCore.Engine.Http;

internal sealed partial class Http1Session
{
    /// <summary>Reads the head and decides framing and route. The head is consumed; the recorder has it.</summary>
    private FlowFault? ReadRequest(int headLength)
    {
        var request = _exchange.Request;
        var allowed = AllowedInRequests;
        _isHeadRead = false;
        if (headLength < 0)
        {
            return MalformedRequest(_headError);
        }

        var head = _input.Span[..headLength];
        var error = Http1HeadReader.ReadRequest(head, _engine.Limits.Http1, allowed, request.Fields, out var line, out var repairs);
        if (error.IsError)
        {
            return MalformedRequest(error);
        }

        if (!RequestTarget.TryRead(head.Slice(line.TargetStart, line.TargetLength), head[..line.MethodLength], out var target))
        {
            return MalformedRequest(new(Http1Fault.InvalidTarget, line.TargetStart));
        }

        request.Load(line, target);
        _isHeadRead = true;
        var problem = Http1Framing.OfRequest(request.Fields, line.MinorVersion, allowed, out _requestFraming, ref repairs);
        if (problem != Http1Fault.None)
        {
            return MalformedRequest(new(problem, OffsetOf(problem, request.Fields)));
        }

        _requestHop = HopByHop.Read(request.Fields);
        _clientKeepsAlive = line.MinorVersion == 1 ? !_requestHop.Close : _requestHop.KeepAlive && !_requestHop.Close;
        problem = HostField.Check(request.Fields, line.MinorVersion, target.Form, out var host, out _);
        if (problem != Http1Fault.None)
        {
            return MalformedRequest(new(problem, OffsetOf(problem, request.Fields)));
        }

        if (target.HasUserInfo)
        {
            repairs |= Http1Repairs.UserInfoRemoved;
        }

        var fault = Route(target, head.Slice(line.TargetStart + target.AuthorityStart, target.AuthorityLength), host, ref repairs);
        if (fault is null && target.Form == RequestTargetForm.Absolute)
        {
            repairs |= ReplaceHost(request, host);
        }

        _recorder.Request(request.Origin, head, repairs);
        _recorder.Stamp(TimingPoint.RequestHead, _now);
        if (_isExcluded)
        {
            _recorder.Cancel(); // our own control port: looking at captures must not make more of them
        }

        _input.Consume(headLength);
        _requestBody.Begin(_requestFraming, _engine.Limits, allowed);
        _requestPlan = BodyPlan.Tap;
        _isUpgrade = _requestHop.Upgrade && line.MinorVersion == 1 && IsForwardableUpgrade(request.Fields); // RFC 9110 §7.8: none from HTTP/1.0
        _acceptsTrailers = AcceptsTrailers(request.Fields);
        return fault ?? (_scope is null ? CheckCredentials(_engine.Options, request.Fields) : null);
    }

    private FlowFault? Route(in RequestTarget target, ReadOnlySpan<byte> authority, int hostIndex, ref Http1Repairs repairs)
    {
        var request = _exchange.Request;
        if (_scope is { } scope)
        {
            UsePool(scope.Origin, authority: default);
            if (hostIndex >= 0 && !NamesOrigin(request.Fields.Value(hostIndex), scope.Origin))
            {
                _recorder.Mark(FlowMarks.HostMismatch);
            }

            return null;
        }

        if (target.Form == RequestTargetForm.Authority)
        {
            return null; // CONNECT has a route of its own
        }

        if (target.Form != RequestTargetForm.Absolute)
        {
            authority = hostIndex >= 0 ? request.Fields.Value(hostIndex) : default;
            if (authority.IsEmpty)
            {
                return new("RC-HTTP-305", FaultStage.Request, FaultKind.Protocol, PeerRole.Client, "the request names no host");
            }
        }

        if (_lastPool is not null && _lastIsSecure == target.IsSecure && authority.SequenceEqual(_lastAuthority))
        {
            UsePool(_lastPool);
        }
        else if (Authority.TryRead(authority, out var parts)
            && Authority.NormalizeHost(authority.Slice(parts.HostStart, parts.HostLength)) is { } host)
        {
            UsePool(new Origin(target.IsSecure, host, parts.Port > 0 ? parts.Port : target.IsSecure ? 443 : 80), authority);
        }
        else
        {
            return MalformedRequest(new(Http1Fault.InvalidTarget, 0));
        }

        return target.Form != RequestTargetForm.Absolute && IsOwnListener(_engine, request.Origin)
            ? new("RC-HTTP-305", FaultStage.Request, FaultKind.Protocol, PeerRole.Client, $"the request was sent to the proxy itself ({request.Origin.Authority})")
            : null;
    }

    internal static bool IsOwnListener(EngineContext engine, Origin origin) =>
        System.Net.IPAddress.TryParse(origin.Host == "localhost" ? "127.0.0.1" : origin.Host, out var address)
        && engine.OwnEndPoints.IsListener(new(address, origin.Port));

    private void UsePool(Origin origin, ReadOnlySpan<byte> authority)
    {
        if (_lastPool is null || _lastPool.Origin != origin)
        {
            _lastPool = _engine.Pool.For(origin);
        }

        (_lastAuthority, _lastIsSecure) = (authority.ToArray(), origin.IsSecure);
        UsePool(_lastPool);
    }

    private void UsePool(OriginPool pool)
    {
        _exchange.Request.Load(pool.Origin);
        _exchange.Route = pool.Origin.Route;
        var pipeline = _engine.Pipeline; // read once: it is replaced while we run
        if (!ReferenceEquals(_interceptorsFor, pool) || !ReferenceEquals(_lastPipeline, pipeline))
        {
            (_interceptorsFor, _lastPipeline) = (pool, pipeline);
            _interceptors = pipeline.For(pool.Origin.Host);
            _isExcluded = _engine.Options.CaptureExclude.Contains(pool.Origin.HostAndPort);
        }
    }

    /// <summary>RFC 9112 §3.2.2: with an absolute target the received Host is ignored and made anew from the target.</summary>
    private static Http1Repairs ReplaceHost(Core.Messages.RequestHead request, int index)
    {
        var authority = request.Origin.Authority;
        if (index >= 0 && NamesOrigin(request.Fields.Value(index), request.Origin))
        {
            return Http1Repairs.None;
        }

        if (index >= 0)
        {
            request.Fields.RepairValue(index, Encoding.ASCII.GetBytes(authority));
        }
        else
        {
            request.Fields.AddUnlogged("Host"u8, Encoding.ASCII.GetBytes(authority));
        }

        return Http1Repairs.HostReplaced;
    }

    internal static bool NamesOrigin(ReadOnlySpan<byte> value, Origin origin)
    {
        if (!Authority.TryRead(value, out var parts))
        {
            return false;
        }

        var host = value.Slice(parts.HostStart, parts.HostLength);
        return (parts.Port > 0 ? parts.Port : origin.DefaultPort) == origin.Port
            && (Ascii.EqualsIgnoreCase(host, origin.Host) || Authority.NormalizeHost(host) == origin.Host);
    }

    // "h2c" would turn the connection into one we do not read; leaving the offer out is every intermediary's right (RFC 9110 §7.8).
    private static bool IsForwardableUpgrade(FieldSection fields)
    {
        var index = fields.IndexOf(KnownField.Upgrade);
        return index >= 0 && !Ascii.EqualsIgnoreCase(fields.Value(index), "h2c"u8);
    }

    internal static bool AcceptsTrailers(FieldSection fields)
    {
        for (var i = fields.IndexOf(KnownField.TE); i >= 0; i = fields.IndexOf(KnownField.TE, i + 1))
        {
            var list = fields.Value(i);
            while (FieldSyntax.TryTakeListMember(ref list, out var member))
            {
                if (Ascii.EqualsIgnoreCase(member, "trailers"u8))
                {
                    return true;
                }
            }
        }

        return false;
    }

    internal static FlowFault? CheckCredentials(EngineOptions options, FieldSection fields)
    {
        if (options.ProxyCredentials is not { } expected)
        {
            return null;
        }

        var index = fields.IndexOf(KnownField.ProxyAuthorization);
        if (index >= 0 && fields.Value(index) is var value && value.Length > 6 && Ascii.EqualsIgnoreCase(value[..6], "basic "u8))
        {
            Span<byte> decoded = stackalloc byte[512];
            var text = Encoding.Latin1.GetString(FieldSyntax.TrimWhiteSpace(value[6..]));
            if (Convert.TryFromBase64String(text, decoded, out var length)
                && System.Security.Cryptography.CryptographicOperations.FixedTimeEquals(decoded[..length], Encoding.UTF8.GetBytes(expected)))
            {
                return null;
            }
        }

        return new("RC-AUTH-001", FaultStage.Request, FaultKind.Policy, PeerRole.Client,
            index < 0 ? "no Proxy-Authorization" : "user or password is wrong");
    }
}

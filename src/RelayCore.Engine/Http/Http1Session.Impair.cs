using RelayCore.Core.Faults;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Engine.Http.Impairments;
using RelayCore.Engine.Transport;
using RelayCore.Engine.Upstream;
using RelayCore.Protocols;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http1;

namespace RelayCore.Engine.Http;

/// <summary>The part for messages that are delayed, damaged or cut short on purpose.</summary>
internal sealed partial class Http1Session : IImpairedHost
{
    private ImpairedOutput? _impairedResponse;
    private ImpairedHttp1Body? _impairedResponseBody;
    private ImpairedOutput? _impairedRequest;
    private ImpairedHttp1Body? _impairedRequestBody;
    private volatile FlowFault? _impairedFault;
    private int _waiting;

    bool IImpairedHost.IsGivenUp(PeerRole sender) => Volatile.Read(ref _expired) != 0 || (sender == PeerRole.Client && _pumpStops);

    void IImpairedHost.Extend(TimeSpan by)
    {
        if (Volatile.Read(ref _totalDeadline) != 0)
        {
            Interlocked.Add(ref _totalDeadline, (long)(by.TotalSeconds * _engine.Time.TimestampFrequency));
        }
    }

    void IImpairedHost.Waiting(bool begins) => Interlocked.Add(ref _waiting, begins ? 1 : -1);

    private void ForgetImpairments() =>
        (_impairedResponse, _impairedResponseBody, _impairedRequest, _impairedRequestBody, _impairedFault) = (null, null, null, null, null);

    /// <summary>Sends the final head from the output, and what lies behind it there of the body.</summary>
    private ValueTask SendResponseAsync(int headLength, int bodyLength = 0) =>
        _exchange.ResponseImpairment is { } what ? SendImpairedResponseAsync(what, headLength, bodyLength)
        : SendToClientAsync(_output.AsMemory(0, headLength + bodyLength));

    private async ValueTask SendImpairedResponseAsync(Impairment what, int headLength, int bodyLength)
    {
        var sink = new ClientSink(this);
        var impaired = new ImpairedOutput(what, PeerRole.Server, this, _engine, _recorder, Microseconds());
        var body = new ImpairedHttp1Body(impaired, sink, _responseFraming.Kind == BodyFramingKind.Chunked, _engine.Limits);
        var output = _output;
        await impaired.SendHeadAsync(output.AsMemory(0, headLength), sink).ConfigureAwait(false);
        (_impairedResponse, _impairedResponseBody) = (impaired, body);
        if (bodyLength > 0)
        {
            await body.SendAsync(output.AsMemory(headLength, bodyLength)).ConfigureAwait(false);
        }
    }

    /// <summary>The response was sent: a connection whose end of message nobody can find has to end, too.</summary>
    private void EndImpairedResponse()
    {
        if (_impairedResponse is { BreaksFraming: true })
        {
            _clientKeepsAlive = false;
        }
    }

    /// <summary>As <see cref="SendRequestAsync"/>. Only the head and a body that is held are waited for: the response to the rest may come meanwhile.</summary>
    private async ValueTask SendImpairedRequestAsync(Impairment what, ServerChannel channel)
    {
        DisarmServer();
        var request = _exchange.Request;
        var output = Output(request.Fields.WrittenBound + request.PathOctets.Length + request.Origin.Authority.Length + Http1HeadWriter.Overhead + 64
            + (channel.ProxyAuthorization?.Length ?? 0));
        var length = WriteRequestHead(output, channel);
        var sink = new ServerSink(this, channel);
        _impairedRequest = new(what, PeerRole.Client, this, _engine, _recorder, Microseconds());
        _impairedRequestBody = new(_impairedRequest, sink, request.Fields.IndexOf(KnownField.TransferEncoding) >= 0, _engine.Limits);
        await _impairedRequest.SendHeadAsync(output.AsMemory(0, length), sink).ConfigureAwait(false);
        if (_bufferedRequest is { IsEmpty: false } buffered && !await TrySendImpairedAsync(_impairedRequestBody, buffered, channel).ConfigureAwait(false)
            && _impairedFault is null)
        {
            throw new IOException("the server takes no body");
        }

        if (!_requestBody.IsComplete)
        {
            _pump = _requestPlan == BodyPlan.Transform ? PumpEditedRequestBodyAsync(channel) : PumpRequestBodyAsync(channel, hasUnread: _input.Length > 0);
            return;
        }

        await EndImpairedRequestAsync(channel).ConfigureAwait(false);
        _recorder.Stamp(TimingPoint.RequestEnd, Now());
    }

    /// <returns>Whether the server takes more.</returns>
    private async ValueTask<bool> TrySendImpairedAsync(ImpairedHttp1Body body, ReadOnlyMemory<byte> octets, ServerChannel channel)
    {
        try
        {
            await body.SendAsync(octets).ConfigureAwait(false);
            return true;
        }
        catch (ImpairedException e)
        {
            // Whoever awaits the response learns why there is none.
            (_impairedFault, _serverRefusesBody) = (e.Fault, true);
            if (e.IsCut)
            {
                await channel.Transport.CompleteOutputAsync().ConfigureAwait(false);
            }
            else
            {
                channel.Transport.Reset();
            }

            return false;
        }
        catch (Exception e) when (DuplexTransport.IsFailure(e))
        {
            _serverRefusesBody = true;
            return false;
        }
        finally
        {
            DisarmServer();
        }
    }

    /// <summary>The request was sent: a server that cannot find its end is told by ending our side.</summary>
    private ValueTask EndImpairedRequestAsync(ServerChannel channel)
    {
        if (_impairedRequest is not { BreaksFraming: true } || _serverRefusesBody)
        {
            return default;
        }

        _serverRefusesBody = true;
        return channel.Transport.CompleteOutputAsync();
    }

    private long Microseconds() => (long)_engine.Time.GetElapsedTime(_started).TotalMicroseconds;

    private sealed class ClientSink(Http1Session session) : IImpairedSink
    {
        public ValueTask SendAsync(ReadOnlyMemory<byte> octets) => session.SendPlainToClientAsync(octets);
    }

    private sealed class ServerSink(Http1Session session, ServerChannel channel) : IImpairedSink
    {
        public async ValueTask SendAsync(ReadOnlyMemory<byte> octets)
        {
            session.ArmServer(Wait.Sending, session._engine.Limits.BodyTimeout);
            channel.Facts.OctetsSent += octets.Length;
            await channel.Transport.SendAsync(octets).ConfigureAwait(false);
            session.DisarmServer();
        }
    }
}

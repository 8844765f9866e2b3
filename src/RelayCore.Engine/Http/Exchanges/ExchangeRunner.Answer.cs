using RelayCore.Core.Faults;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Core.Messages;
using RelayCore.Engine.Transport;
using RelayCore.Protocols;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http1;
using RelayCore.Protocols.Http2;

namespace RelayCore.Engine.Http.Exchanges;

internal sealed partial class ExchangeRunner
{
    /// <summary>Carries out a terminal verdict of a head or body stage.</summary>
    /// <returns>Whether the exchange is over by it.</returns>
    private async ValueTask<bool> ApplyAsync(Verdict verdict)
    {
        switch (verdict)
        {
            case Verdict.Respond respond:
                await RespondAsync(respond).ConfigureAwait(false);
                return true;

            case Verdict.Drop drop:
                await FailAsync(new("RC-POL-001", FaultStage.Request, FaultKind.Policy, null, drop.Reason)).ConfigureAwait(false);
                return true;

            case Verdict.Abort abort:
                await FailAsync(new("RC-POL-002", FaultStage.Request, FaultKind.Policy, null, abort.Reason), Http2ErrorCode.Cancel).ConfigureAwait(false);
                return true;

            default:
                return false;
        }
    }

    private async ValueTask RespondAsync(Verdict.Respond respond)
    {
        StopServer(Http2ErrorCode.Cancel); // its own answer is not read
        var response = _own;
        response.Load(respond.Status, respond.Reason, 1);
        foreach (var (name, value) in respond.Fields)
        {
            if (KnownFields.Identify(System.Text.Encoding.Latin1.GetBytes(name)) is not (KnownField.ContentLength or KnownField.TransferEncoding or KnownField.Connection))
            {
                try
                {
                    response.Fields.Add(name, value);
                }
                catch (ArgumentException)
                {
                    // An actor's mistake costs its field, not the exchange.
                    _recorder.Mark(FlowMarks.InterceptorFailed);
                }
            }
        }

        response.Fields.ClearChanges();
        if (respond.Status is not (204 or 304))
        {
            Reframe(response.Fields, respond.Body.Length, says: true);
        }

        await AnswerAsync(response, respond.Body, Exchange.ResponseImpairment).ConfigureAwait(false);
        await FinishAsync().ConfigureAwait(false);
    }

    /// <summary>Sends and records an answer made here.</summary>
    private async ValueTask AnswerAsync(ResponseHead response, ReadOnlyMemory<byte> body, Impairment? impairment = null)
    {
        var octets = HasNoBody(response) ? default : body;
        var head = SentHead.OfResponse(response, _client.StreamId);
        _recorder.Mark(FlowMarks.ResponseGenerated);
        (_isAnswerOwn, Exchange.ResponseBodyOctets) = (true, octets.Length);
        if (Exchange.HasResponse)
        {
            // The server did answer: its answer stays as received, ours is what was sent.
            _recorder.ResponseSent(head);
            _recorder.BodySent(PeerRole.Server, octets.Span);
        }
        else
        {
            _recorder.Response(head, Http1Repairs.None);
            _recorder.Body(PeerRole.Server, octets.Span);
        }

        _recorder.Stamp(TimingPoint.ResponseHead, Now());
        _recorder.Stamp(TimingPoint.ResponseEnd, _now);
        Exchange.Show(response);
        Exchange.HasResponse = true;
        _responseStarted = true;
        _at = At.Client;
        _impairedResponse = null;
        if (impairment is not null)
        {
            await SendImpairedHeadAsync(impairment, response, octets.Length, octets.IsEmpty).ConfigureAwait(false);
        }
        else
        {
            await DeliverAsync(_client.SendHeadAsync(response, octets.Length, octets.IsEmpty)).ConfigureAwait(false);
        }

        if (!octets.IsEmpty)
        {
            await SendBodyToClientAsync(octets, isLast: true).ConfigureAwait(false);
        }
    }

    /// <summary>The exchange cannot go on: says so to the client if nothing of a response was sent, otherwise resets its stream.</summary>
    /// <param name="fault">Why.</param>
    /// <param name="code">What the client's stream is reset with, when it is.</param>
    private async ValueTask FailAsync(FlowFault fault, Http2ErrorCode code = Http2ErrorCode.InternalError)
    {
        DisarmAll();
        _pumpStops = true;
        StopServer(ServerCode());
        var entry = FaultCatalog.Find(fault.Code);
        var mayAnswer = !_responseStarted && !_isEnded && entry is { Status: > 0 } && (Wait)Volatile.Read(ref _expired) is not (Wait.Stopping or Wait.ClientReset);

        // A malformed message is a stream error, whatever else could be said about it (RFC 9113 §8.1.1).
        if (mayAnswer && _isMalformed && _client.StreamId != 0)
        {
            (mayAnswer, code) = (false, Http2ErrorCode.ProtocolError);
        }

        var isAnswered = mayAnswer && await TryRefuseAsync(entry!, fault).ConfigureAwait(false);
        if (isAnswered)
        {
            await EndRequestBodyAsync(goOn: false).ConfigureAwait(false);
        }
        else
        {
            _client.Reset(code);
            Interlocked.Exchange(ref _retrying, null)?.TrySetResult();
            if (_pump is not null)
            {
                await _pump.ConfigureAwait(false);
            }
        }

        Finish();
        if (!_isEnded)
        {
            await EndFlowAsync(Http1Session.ReasonOf(fault), fault).ConfigureAwait(false);
        }

        ReleaseServer();
    }

    /// <summary>Answers with what a fault means.</summary>
    private async ValueTask<bool> TryRefuseAsync(FaultEntry entry, FlowFault fault)
    {
        var isKnown = Exchange.Request.Fields.Count > 0;
        var body = GeneratedResponse.Load(_own, entry, fault.Detail, isKnown ? Exchange.Request.Fields : null);
        try
        {
            await AnswerAsync(_own, body).ConfigureAwait(false);
            return true;
        }
        catch (Exception e) when (DuplexTransport.IsFailure(e))
        {
            return false;
        }
    }

    /// <summary>Ends the server's side; it is released when nobody uses it any more.</summary>
    private void StopServer(Http2ErrorCode code)
    {
        if (Volatile.Read(ref _server) is { } server)
        {
            _pumpStops = true;
            server.Reset(code);
        }
    }
}

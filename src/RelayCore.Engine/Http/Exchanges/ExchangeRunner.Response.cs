using RelayCore.Core.Faults;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Core.Messages;
using RelayCore.Engine.Pipeline;
using RelayCore.Protocols;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http2;

namespace RelayCore.Engine.Http.Exchanges;

internal sealed partial class ExchangeRunner
{
    // A client that does not go on with its request behind our complete answer is asked to stop.
    private static readonly TimeSpan s_early = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_linger = TimeSpan.FromSeconds(2);

    private readonly BodyChunk _responseChunk = new();
    private readonly List<ReadOnlyMemory<byte>> _responsePieces = [];
    private ReadOnlyMemory<byte>? _bufferedResponse;
    private BodyPlan _responsePlan;
    private long _responseOctets;
    private bool _isResponseEdited;
    private bool _isAnswerOwn;
    private volatile bool _isHeadReceived;
    private volatile bool _isDelivered;
    private volatile bool _isLingering;

    private void BeginResponse() =>
        (_bufferedResponse, _responsePlan, _responseOctets, _isResponseEdited, _isAnswerOwn, _isHeadReceived, _isDelivered, _isLingering) =
            (null, BodyPlan.Tap, 0, false, false, false, false, false);

    private async ValueTask RelayInterimAsync(ResponseHead interim)
    {
        _recorder.Informational(interim.Fields.Received);
        if (_interceptors.Wants(Stage.Informational, Exchange))
        {
            if (_interceptors.MayWait)
            {
                await default(ThreadPoolHop);
            }

            await _stages.InformationalAsync(_interceptors, Exchange, interim, _engine.Stopping).ConfigureAwait(false);
        }

        _at = At.Client;
        await DeliverAsync(_client.SendInterimAsync(interim)).ConfigureAwait(false);
        _at = At.AwaitingResponse;
    }

    /// <summary>Relays the final response and ends the flow.</summary>
    private async ValueTask RelayResponseAsync(ResponseHead head)
    {
        var server = _server!;
        _isHeadReceived = true;
        Disarm(ref _fromServer);
        _at = At.ReceivingBody;
        if (_heldOctets > 0)
        {
            _client.AdvanceBody(_heldOctets); // nobody needs to repeat it now
        }

        Exchange.Show(head);
        Exchange.HasResponse = true;
        _recorder.Response(head.Fields.Received, server.Repairs);
        _recorder.Stamp(TimingPoint.ResponseHead, Now());
        if (head.Status == 101 || (IsTunnelRequest && head.Status < 300))
        {
            await SwitchProtocolAsync(server, head).ConfigureAwait(false);
            return;
        }

        if (_interceptors.Wants(Stage.ResponseHead | Stage.ResponseBody | Stage.ResponseChunk | Stage.Trailers, Exchange)
            && await InterceptResponseAsync(server).ConfigureAwait(false))
        {
            return;
        }

        if (await StartMessagesAsync(PeerRole.Server, !server.IsBodyRead && !HasNoBody(head), server.BodyLength).ConfigureAwait(false))
        {
            return;
        }

        if (_pump is { IsCompleted: false })
        {
            _recorder.Mark(FlowMarks.EarlyResponse);
        }

        if (_responsePlan == BodyPlan.Buffer)
        {
            await SendBufferedResponseAsync(server, head).ConfigureAwait(false);
        }
        else
        {
            await SendResponseAsync(server, head).ConfigureAwait(false);
        }

        _recorder.Stamp(TimingPoint.ResponseEnd, Now());
        await FinishAsync().ConfigureAwait(false);
    }

    /// <summary>The common way: what is there of the body goes with the head, the rest as it comes.</summary>
    private async ValueTask SendResponseAsync(ServerStream server, ResponseHead head)
    {
        var length = _responsePlan == BodyPlan.Transform ? -1 : server.BodyLength;
        if (server.IsBodyRead)
        {
            if (server.BodyLength > 0)
            {
                throw new MessageFaultException(WrongLength(PeerRole.Server, 0));
            }

            var hasNothing = server.Trailers.Count == 0;
            await SendHeadAsync(head, hasNothing ? 0 : -1, isLast: hasNothing).ConfigureAwait(false);
            if (!hasNothing)
            {
                await DeliverTrailersAsync(server).ConfigureAwait(false);
            }

            return;
        }

        var reading = server.ReadBodyAsync();
        if (reading.IsCompleted)
        {
            var octets = await reading.ConfigureAwait(false);
            if (CountResponse(server, octets) is { } wrong)
            {
                throw new MessageFaultException(wrong); // nothing was sent, so that the client can be told
            }

            _responseOctets -= octets.Length; // counted again below
            await SendHeadAsync(head, length, isLast: false).ConfigureAwait(false);
            await RelayBodyAsync(server, new(octets)).ConfigureAwait(false);
            return;
        }

        await SendHeadAsync(head, length, isLast: false).ConfigureAwait(false);
        await DeliverAsync(_client.FlushAsync()).ConfigureAwait(false);
        await RelayBodyAsync(server, reading).ConfigureAwait(false);
    }

    private ValueTask SendHeadAsync(ResponseHead head, long length, bool isLast)
    {
        if (head.Fields.ChangeCount > 0)
        {
            _recorder.ResponseSent(SentHead.OfResponse(head, _client.StreamId));
        }

        _responseStarted = true;
        _at = At.Client;
        return Exchange.ResponseImpairment is { } what && !_isTunnel && head.Status != 101 && !IsTunnelRequest
            ? SendImpairedHeadAsync(what, head, length, isLast) : DeliverAsync(_client.SendHeadAsync(head, length, isLast));
    }

    private async ValueTask RelayBodyAsync(ServerStream server, ValueTask<ReadOnlyMemory<byte>> reading)
    {
        while (true)
        {
            _at = At.ReceivingBody;
            if (!reading.IsCompleted)
            {
                Arm(ref _fromServer, _engine.Limits.BodyTimeout);
            }

            var octets = await ReadResponseAsync(server, reading).ConfigureAwait(false);
            Disarm(ref _fromServer);
            var isEndWanted = _responseMessages?.Injected.IsEndWanted == true && octets.IsEmpty;
            if (!isEndWanted && CountResponse(server, octets) is { } wrong)
            {
                throw new MessageFaultException(wrong);
            }

            _pumpStops |= isEndWanted;
            var isEnd = octets.IsEmpty || server.EndsBehind(octets.Length);
            var isAll = isEnd && (isEndWanted || server.Trailers.Count == 0);
            _recorder.Body(PeerRole.Server, octets.Span);
            _at = At.Client;
            if (_responseMessages is { IsTransformed: true } messages)
            {
                await messages.TransformAsync(octets, isEnd, new ResponseOutput(this)).ConfigureAwait(false);
                server.AdvanceBody(octets.Length);
                octets = default;
                if (!isEnd)
                {
                    reading = server.ReadBodyAsync();
                    continue;
                }
            }
            else
            {
                Observe(_responseMessages, octets, isEnd);
            }

            if (_responsePlan == BodyPlan.Transform)
            {
                await EditAsync(PeerRole.Server, octets, isEnd, _responsePieces, _responseChunk).ConfigureAwait(false);
                await DeliverPiecesAsync(isAll).ConfigureAwait(false);
            }
            else if (!octets.IsEmpty || isAll)
            {
                await SendBodyToClientAsync(octets, isAll).ConfigureAwait(false);
            }

            server.AdvanceBody(octets.Length);
            if (isEnd)
            {
                if (!isAll)
                {
                    await DeliverTrailersAsync(server).ConfigureAwait(false);
                }

                return;
            }

            reading = server.ReadBodyAsync();
        }
    }

    private async ValueTask DeliverPiecesAsync(bool isAll)
    {
        for (var i = 0; i < _responsePieces.Count; i++)
        {
            await SendBodyToClientAsync(_responsePieces[i], isAll && i == _responsePieces.Count - 1).ConfigureAwait(false);
        }

        if (isAll && _responsePieces.Count == 0)
        {
            await SendBodyToClientAsync(default, isLast: true).ConfigureAwait(false);
        }
    }

    private async ValueTask DeliverTrailersAsync(ServerStream server)
    {
        await ShowTrailersAsync(PeerRole.Server, server.Trailers).ConfigureAwait(false);
        _messages.NoteStatus(server.Trailers);
        _at = At.Client;
        await DeliverAsync(_client.SendTrailersAsync(server.Trailers)).ConfigureAwait(false);
    }

    private async ValueTask SendBufferedResponseAsync(ServerStream server, ResponseHead head)
    {
        var body = _bufferedResponse!.Value;
        var isWhole = server.IsBodyRead;
        var isAll = isWhole && server.Trailers.Count == 0;
        var hasNone = HasNoBody(head);
        await SendHeadAsync(head, hasNone ? 0 : !isWhole ? server.BodyLength : isAll ? body.Length : -1, isLast: isAll && (hasNone || body.IsEmpty)).ConfigureAwait(false);
        if (!hasNone && !body.IsEmpty)
        {
            await SendBodyToClientAsync(body, isAll).ConfigureAwait(false);
        }

        (_bufferedResponse, _data) = (null, null);
        if (!isWhole)
        {
            await RelayBodyAsync(server, server.ReadBodyAsync()).ConfigureAwait(false);
        }
        else if (!isAll)
        {
            await DeliverTrailersAsync(server).ConfigureAwait(false);
        }
    }

    private bool HasNoBody(ResponseHead head) => head.Status is 204 or 304 || Exchange.Request.MethodOctets.SequenceEqual("HEAD"u8);

    /// <summary>Counts octets of the response body against its length (RFC 9113 §8.1.1).</summary>
    private FlowFault? CountResponse(ServerStream server, ReadOnlyMemory<byte> octets)
    {
        _responseOctets += octets.Length;
        var expected = server.BodyLength;
        return expected >= 0 && (_responseOctets > expected || (_responseOctets < expected && (octets.IsEmpty || server.EndsBehind(octets.Length))))
            ? WrongLength(PeerRole.Server, _responseOctets) : null;
    }

    private ValueTask DeliverAsync(ValueTask sending)
    {
        if (!sending.IsCompletedSuccessfully)
        {
            return AwaitDeliveryAsync(sending);
        }

        sending.GetAwaiter().GetResult();
        return default;
    }

    // Armed only while the client takes nothing: what comes next may be a long wait for the server, which is not the client's fault.
    private async ValueTask AwaitDeliveryAsync(ValueTask sending)
    {
        Arm(ref _toClient, _engine.Limits.BodyTimeout);
        await sending.ConfigureAwait(false);
        Disarm(ref _toClient);
    }

    private async ValueTask ShowTrailersAsync(PeerRole sender, FieldSection trailers)
    {
        _recorder.Trailers(sender, trailers.Received);
        if (_interceptors.Wants(Stage.Trailers, Exchange))
        {
            if (_interceptors.MayWait)
            {
                await default(ThreadPoolHop);
            }

            await _stages.TrailersAsync(_interceptors, Exchange, sender, trailers, _engine.Stopping).ConfigureAwait(false);
        }
    }

    /// <summary>Everything is delivered: ends the flow and lets go of both sides.</summary>
    private ValueTask FinishAsync()
    {
        if (_pump is not null || !_client.IsBodyRead || _messages.IsActive)
        {
            return FinishWithBodyAsync();
        }

        Finish();
        _isEnded = true;
        CountBodies();
        if (_interceptors.Wants(Stage.Error | Stage.Completed, Exchange))
        {
            return NotifyAndReleaseAsync();
        }

        _recorder.End(CloseReason.Completed, null, Exchange, _now);
        ReleaseServer();
        return default;

        async ValueTask NotifyAndReleaseAsync()
        {
            await NotifyAndEndAsync(CloseReason.Completed, null, _now).ConfigureAwait(false);
            ReleaseServer();
        }
    }

    /// <summary>The response is delivered while the request body may still be coming.</summary>
    private async ValueTask FinishWithBodyAsync()
    {
        _isDelivered = true;
        await EndRequestBodyAsync(goOn: !_pumpStops).ConfigureAwait(false);
        Finish();
        var fault = _pumpFault;
        if (fault is not null)
        {
            _client.Reset(_isMalformed ? Http2ErrorCode.ProtocolError : Http2ErrorCode.Cancel);
        }

        await EndFlowAsync(fault is null ? CloseReason.Completed : Http1Session.ReasonOf(fault), fault).ConfigureAwait(false);
        ReleaseServer();
    }

    /// <summary>Lets the request body come to its end, or makes an end of it.</summary>
    /// <param name="goOn">Whether the server may still want it.</param>
    private async ValueTask EndRequestBodyAsync(bool goOn)
    {
        // It was not asked to continue, so there is nothing to send (RFC 9110 §10.1.1).
        var isUnasked = _requestOctets == 0 && Exchange.Request.Fields.IndexOf(KnownField.Expect) >= 0;
        var isStopped = false;
        if (_pump is { IsCompleted: false })
        {
            if (goOn && !isUnasked && !_serverRefusesBody)
            {
                if (Volatile.Read(ref _fromClient) != 0)
                {
                    Arm(ref _fromClient, s_early);
                }

                await _pump.ConfigureAwait(false);
            }
            else
            {
                (isStopped, _pumpStops, _isLingering) = (true, true, true);
                Arm(ref _fromClient, s_linger);
                _client.StopBody();
                Interlocked.Exchange(ref _retrying, null)?.TrySetResult();
                await _pump.ConfigureAwait(false);
                Disarm(ref _fromClient);
                _pumpFault = null;
            }
        }

        if (Volatile.Read(ref _expired) == (int)Wait.Early || (isUnasked && _pumpFault is { Kind: FaultKind.Truncated or FaultKind.Transport }))
        {
            _pumpFault = null; // it was told to stop, or never told to begin
        }

        if (!isStopped && _pumpFault is null && !_client.IsBodyRead)
        {
            _client.StopBody();
        }
    }

    private ValueTask EndFlowAsync(CloseReason reason, FlowFault? fault)
    {
        _isEnded = true;
        CountBodies();
        if (_messages.IsActive)
        {
            return EndFlowWithMessagesAsync(reason, fault);
        }

        if (_interceptors.Wants(Stage.Error | Stage.Completed, Exchange))
        {
            return NotifyAndEndAsync(reason, fault, Now());
        }

        _recorder.End(reason, fault, Exchange, Now());
        return default;
    }

    // What they say of the flow at its end, tags and why, belongs into its record.
    private async ValueTask NotifyAndEndAsync(CloseReason reason, FlowFault? fault, long now)
    {
        await NotifyEndAsync(fault).ConfigureAwait(false);
        _recorder.End(reason, fault, Exchange, now);
    }

    private void CountBodies()
    {
        Exchange.RequestBodyOctets = _requestOctets;
        if (!_isAnswerOwn)
        {
            Exchange.ResponseBodyOctets = _responseOctets;
        }
    }

    private async ValueTask NotifyEndAsync(FlowFault? fault)
    {
        if (_interceptors.MayWait)
        {
            await default(ThreadPoolHop);
        }

        if (fault is not null)
        {
            await _stages.FlowAsync(_interceptors, Stage.Error, Exchange, async (i, e, c) =>
            {
                await i.OnErrorAsync(e, fault, c).ConfigureAwait(false);
                return Verdict.Continue;
            }, CancellationToken.None).ConfigureAwait(false);
        }

        await _stages.FlowAsync(_interceptors, Stage.Completed, Exchange, async (i, e, c) =>
        {
            await i.OnCompletedAsync(e, c).ConfigureAwait(false);
            return Verdict.Continue;
        }, CancellationToken.None).ConfigureAwait(false);
    }

    /// <summary>The head shown is the server stream's, so it goes last.</summary>
    private void ReleaseServer()
    {
        if (Interlocked.Exchange(ref _server, null) is { } server)
        {
            Exchange.Show(_own);
            server.Release();
        }
    }
}

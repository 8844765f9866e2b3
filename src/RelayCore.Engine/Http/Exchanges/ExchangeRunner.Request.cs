using System.Runtime.CompilerServices;
using RelayCore.Core.Faults;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Core.Messages;
using RelayCore.Engine.Http.Impairments;
using RelayCore.Engine.Messages;
using RelayCore.Engine.Transport;
using RelayCore.Protocols;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http1;

namespace RelayCore.Engine.Http.Exchanges;

internal sealed partial class ExchangeRunner
{
    private const int HeldOctets = 64 * 1024;

    private readonly BodyChunk _requestChunk = new();
    private readonly List<ReadOnlyMemory<byte>> _requestPieces = [];
    private Http1Repairs _repairs;
    private long _requestLength;
    private long _requestOctets;
    private bool _isMalformed;
    private BodyPlan _requestPlan;
    private ReadOnlyMemory<byte>? _bufferedRequest;
    private bool _isRequestWhole;
    private bool _isRequestEdited;
    private int _heldOctets;
    private bool _wasUnprocessed;
    private Task? _pump;
    private volatile FlowFault? _pumpFault;
    private volatile bool _pumpStops;
    private volatile bool _serverRefusesBody;
    private int _bodyState;
    private TaskCompletionSource? _retrying;

    /// <summary>Whose turn it is with the request body.</summary>
    private static class BodyState
    {
        /// <summary>Nothing was sent: another server may get all of it.</summary>
        public const int Unsent = 0;

        /// <summary>The pump sends it.</summary>
        public const int Sending = 1;

        /// <summary>Another server is being found; the pump waits.</summary>
        public const int Retrying = 2;
    }

    // CONNECT, and an upgrade that an HTTP/1 client asks for: no body, but octets both ways behind the answer.
    private bool IsTunnelRequest => Exchange.Request.MethodOctets.SequenceEqual("CONNECT"u8);

    private void BeginRequest()
    {
        (_repairs, _requestLength, _requestOctets, _requestPlan, _bufferedRequest) = (Http1Repairs.None, -1, 0, BodyPlan.Tap, null);
        (_isRequestWhole, _isRequestEdited, _isMalformed, _heldOctets, _wasUnprocessed) = (false, false, false, 0, false);
        (_pump, _pumpFault, _pumpStops, _serverRefusesBody, _bodyState, _retrying) = (null, null, false, false, BodyState.Unsent, null);
    }

    // RFC 9110 §9.2.2, and only with a body that is still at hand.
    private bool IsSafeToRepeat()
    {
        var method = Exchange.Request.MethodOctets;
        return (_isRequestWhole || _client.IsBodyRead || _heldOctets > 0)
            && (method.SequenceEqual("GET"u8) || method.SequenceEqual("HEAD"u8) || method.SequenceEqual("OPTIONS"u8) || method.SequenceEqual("PUT"u8)
                || method.SequenceEqual("DELETE"u8) || method.SequenceEqual("TRACE"u8));
    }

    /// <summary>Whether all of the body can still be sent elsewhere; then a pump that runs is made to wait for it.</summary>
    private bool TryTakeBackBody()
    {
        if (_pump is null)
        {
            return true;
        }

        _retrying ??= new(TaskCreationOptions.RunContinuationsAsynchronously);
        return Interlocked.CompareExchange(ref _bodyState, BodyState.Retrying, BodyState.Unsent) == BodyState.Unsent;
    }

    /// <summary>Sends the head with what is there of the body; a body that goes on is pumped beside the response.</summary>
    private ValueTask SendRequestAsync(ServerStream server)
    {
        var request = Exchange.Request;
        if (request.Fields.ChangeCount > 0)
        {
            _recorder.RequestSent(request.Origin, SentHead.OfRequest(request, server.StreamId));
        }

        if (Exchange.RequestImpairment is { } what && !IsTunnelRequest)
        {
            return SendImpairedRequestAsync(what, server);
        }

        return _bufferedRequest is null && _client.IsBodyRead && _client.Trailers.Count == 0 && !IsTunnelRequest
            ? server.SendHeadAsync(request, 0, isLast: true)
            : SendWithBodyAsync(server);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask SendWithBodyAsync(ServerStream server)
    {
        await server.SendHeadAsync(Exchange.Request, LengthToSend(), isLast: false).ConfigureAwait(false);
        if (IsTunnelRequest)
        {
            await server.FlushAsync().ConfigureAwait(false); // what follows belongs to the tunnel
            return;
        }

        if (_impairedRequest is not null)
        {
            await server.FlushAsync().ConfigureAwait(false);
        }

        if (_pump is not null)
        {
            await server.FlushAsync().ConfigureAwait(false);
            Volatile.Write(ref _bodyState, BodyState.Unsent);
            Interlocked.Exchange(ref _retrying, null)?.TrySetResult(); // it has waited for this server
            return;
        }

        if (_bufferedRequest is { } buffered)
        {
            var isAll = _isRequestWhole && _client.Trailers.Count == 0;
            if (!buffered.IsEmpty || isAll)
            {
                await SendFirstAsync(server, buffered, isAll).ConfigureAwait(false);
            }

            if (!_isRequestWhole)
            {
                _bodyState = BodyState.Sending; // a part has gone
                _pump = PumpAsync(_client.ReadBodyAsync());
            }
            else if (!isAll)
            {
                await SendTrailersAsync(server).ConfigureAwait(false);
            }

            return;
        }

        var reading = _client.ReadBodyAsync();
        if (_requestPlan == BodyPlan.Tap && reading.IsCompletedSuccessfully)
        {
            // A small body that is there already goes with the head, and stays here until there is an answer: it can be repeated.
            var octets = await reading.ConfigureAwait(false);
            if (_impairedRequest is null && octets.Length <= HeldOctets && _client.EndsBehind(octets.Length))
            {
                await SendHeldAsync(server, octets).ConfigureAwait(false);
                return;
            }

            _pump = PumpAsync(new(octets));
            return;
        }

        if (!reading.IsCompleted)
        {
            await server.FlushAsync().ConfigureAwait(false);
        }

        _pump = PumpAsync(reading);
    }

    private async ValueTask SendHeldAsync(ServerStream server, ReadOnlyMemory<byte> octets)
    {
        if (_heldOctets == 0)
        {
            if (Count(octets.Length, isEnd: true) is { } wrong)
            {
                _isMalformed = true;
                throw new MessageFaultException(wrong); // the server never sees it
            }

            _recorder.Body(PeerRole.Client, octets.Span);
            Observe(_requestMessages, octets, isEnd: true);
            _recorder.Stamp(TimingPoint.RequestEnd, _now);
        }

        _heldOctets = octets.Length;
        var isAll = _client.Trailers.Count == 0;
        if (!octets.IsEmpty || isAll)
        {
            await SendFirstAsync(server, octets, isAll).ConfigureAwait(false);
        }

        if (!isAll)
        {
            await SendTrailersAsync(server).ConfigureAwait(false);
        }
    }

    /// <returns>Length of the body as it goes to the server; -1 when it is not known, or something may come behind it.</returns>
    private long LengthToSend() =>
        IsTunnelRequest ? 0
        : _requestPlan == BodyPlan.Transform || (_client.IsBodyRead && _client.Trailers.Count > 0) || Exchange.Request.Fields.IndexOf(KnownField.Trailer) >= 0 ? -1
        : _isRequestWhole ? _bufferedRequest!.Value.Length
        : _requestLength;

    private async ValueTask SendTrailersAsync(ServerStream server)
    {
        var trailers = _client.Trailers;
        await ShowTrailersAsync(PeerRole.Client, trailers).ConfigureAwait(false);
        await server.SendTrailersAsync(trailers).ConfigureAwait(false);
    }

    /// <summary>Counts octets of the request body against Content-Length (RFC 9113 §8.1.1).</summary>
    private FlowFault? Count(int octets, bool isEnd)
    {
        _requestOctets += octets;
        return _requestLength >= 0 && (_requestOctets > _requestLength || (isEnd && _requestOctets < _requestLength))
            ? WrongLength(PeerRole.Client, _requestOctets) : null;
    }

    /// <summary>Moves the request body while the response is awaited. Never throws for a peer; what went wrong is in <see cref="_pumpFault"/>.</summary>
    private async Task PumpAsync(ValueTask<ReadOnlyMemory<byte>> reading)
    {
        try
        {
            while (true)
            {
                if (!reading.IsCompleted && !_pumpStops)
                {
                    Arm(ref _fromClient, _isDelivered ? s_early : _engine.Limits.BodyTimeout);
                }

                var octets = await ReadRequestAsync(reading).ConfigureAwait(false);
                if (!_pumpStops)
                {
                    Disarm(ref _fromClient);
                }

                var isEnd = octets.IsEmpty || _client.EndsBehind(octets.Length);
                if (Count(octets.Length, isEnd) is { } wrong)
                {
                    (_pumpFault, _isMalformed) = (wrong, true);
                    break;
                }

                _recorder.Body(PeerRole.Client, octets.Span);
                Observe(_requestMessages, octets, isEnd);
                if (_pumpStops || _serverRefusesBody || !await TryForwardAsync(octets, isEnd).ConfigureAwait(false))
                {
                    // HTTP/1 clients are read on for a while, or they would not see the answer.
                    _serverRefusesBody = true;
                }

                _client.AdvanceBody(octets.Length);
                if (isEnd || (_serverRefusesBody && _client.StreamId != 0))
                {
                    break;
                }

                reading = _client.ReadBodyAsync();
            }
        }
        catch (MessageFaultException e)
        {
            _pumpFault = e.Fault;
        }
        catch (Exception e) when (DuplexTransport.IsFailure(e))
        {
            _pumpFault = ExpiredFault() ?? new("RC-HTTP-315", FaultStage.Request, FaultKind.Transport, PeerRole.Client, e.Message);
        }

        EndPump();
    }

    /// <summary>Makes sure that what is sent now goes to the server that stays.</summary>
    /// <returns><see langword="null"/> when there is none any more.</returns>
    private async ValueTask<ServerStream?> TakeServerAsync()
    {
        while (Interlocked.CompareExchange(ref _bodyState, BodyState.Sending, BodyState.Unsent) == BodyState.Retrying)
        {
            if (Volatile.Read(ref _retrying) is { } retrying)
            {
                await retrying.Task.ConfigureAwait(false);
            }
        }

        return _pumpStops ? null : Volatile.Read(ref _server);
    }

    private async ValueTask<bool> TryForwardAsync(ReadOnlyMemory<byte> octets, bool isEnd)
    {
        if (await TakeServerAsync().ConfigureAwait(false) is not { } server)
        {
            return false;
        }

        try
        {
            var isAll = isEnd && _client.Trailers.Count == 0;
            if (_requestMessages is { IsTransformed: true } messages)
            {
                await messages.TransformAsync(octets, isEnd, new RequestOutput(this)).ConfigureAwait(false);
                octets = default;
            }

            if (_requestMessages is { IsTransformed: true } && !isEnd)
            {
                return !_serverRefusesBody;
            }

            if (_requestPlan == BodyPlan.Transform)
            {
                await EditAsync(PeerRole.Client, octets, isEnd, _requestPieces, _requestChunk).ConfigureAwait(false);
                await SendPiecesAsync(server, isAll).ConfigureAwait(false);
            }
            else if (!octets.IsEmpty || isAll)
            {
                await SendBodyToServerAsync(server, octets, isAll).ConfigureAwait(false);
            }

            if (isEnd && !isAll)
            {
                await SendTrailersAsync(server).ConfigureAwait(false);
            }

            return true;
        }
        catch (Exception e) when (DuplexTransport.IsFailure(e) && e is not (DamagedBodyException or ImpairedException))
        {
            // The server may have answered before it stopped reading; whoever awaits the response finds out.
            Disarm(ref _toServer);
            return false;
        }
    }

    // The head and what goes with it are under the bound of the whole request.
    private ValueTask SendFirstAsync(ServerStream server, ReadOnlyMemory<byte> octets, bool isLast) =>
        _impairedRequest is { } impaired ? SendImpairedToServerAsync(impaired, server, octets, isLast) : server.SendBodyAsync(octets, isLast);

    private async ValueTask SendPiecesAsync(ServerStream server, bool isAll)
    {
        for (var i = 0; i < _requestPieces.Count; i++)
        {
            await SendBodyToServerAsync(server, _requestPieces[i], isAll && i == _requestPieces.Count - 1).ConfigureAwait(false);
        }

        if (isAll && _requestPieces.Count == 0)
        {
            await SendBodyToServerAsync(server, default, isLast: true).ConfigureAwait(false);
        }
    }

    // Armed only while the server takes nothing.
    private ValueTask SendToServerAsync(ValueTask sending)
    {
        if (!sending.IsCompletedSuccessfully)
        {
            return AwaitAsync(sending);
        }

        sending.GetAwaiter().GetResult();
        return default;

        async ValueTask AwaitAsync(ValueTask pending)
        {
            Arm(ref _toServer, _engine.Limits.BodyTimeout);
            await pending.ConfigureAwait(false);
            Disarm(ref _toServer);
        }
    }

    private void EndPump()
    {
        Disarm(ref _fromClient);
        if (_pumpFault is not null && !_pumpStops)
        {
            // The server must not take a part for the whole.
            Volatile.Read(ref _server)?.Reset(ServerCode());
        }
        else if (!_pumpStops && !_serverRefusesBody)
        {
            _recorder.Stamp(TimingPoint.RequestEnd, _engine.Time.GetTimestamp());
        }

        if (!_pumpStops && !_isHeadReceived)
        {
            Arm(ref _fromServer, _engine.Limits.FirstByteTimeout); // the request is through: now the server's time runs
        }
    }
}

using RelayCore.Core.Faults;
using RelayCore.Core.Flows;
using RelayCore.Core.Messages;
using RelayCore.Engine.Transport;
using RelayCore.Engine.Upstream;
using RelayCore.Protocols;
using RelayCore.Protocols.Http1;

namespace RelayCore.Engine.Http;

internal sealed partial class Http1Session
{
    private readonly BodyChunk _chunk = new();
    private readonly List<ReadOnlyMemory<byte>> _pieces = [];
    private Task? _pump;
    private volatile FlowFault? _pumpFault;
    private volatile bool _pumpStops;
    private volatile bool _serverRefusesBody;
    private readonly bool[] _isBodyEdited = new bool[2];
    private ReadOnlyMemory<byte>? _bufferedRequest;
    private ReadOnlyMemory<byte>? _bufferedResponse;

    /// <summary>Moves the rest of the request body while the response is awaited. Never throws; what went wrong is in <see cref="_pumpFault"/>.</summary>
    /// <param name="channel">The server.</param>
    /// <param name="hasUnread">Whether the input holds octets nobody looked at yet.</param>
    private async Task PumpRequestBodyAsync(ServerChannel channel, bool hasUnread)
    {
        var serverTakes = true;
        try
        {
            while (!_requestBody.IsComplete)
            {
                if (!hasUnread && !await ReceiveBodyAsync(channel).ConfigureAwait(false))
                {
                    break;
                }

                hasUnread = false;
                var forward = _requestBody.Advance(_input.Span, out var error);
                if (error.IsError)
                {
                    _pumpFault = MalformedRequest(error);
                    break;
                }

                if (serverTakes && !_pumpStops && forward > 0)
                {
                    serverTakes = await TrySendAsync(channel, _input.Memory[..forward]).ConfigureAwait(false);
                }

                _input.Consume(forward);
                if (_requestBody.RepairedTrailers is { } trailers)
                {
                    _input.Consume(_requestBody.TakeTrailers());
                    serverTakes = serverTakes && !_pumpStops && await TrySendAsync(channel, trailers).ConfigureAwait(false);
                }
            }

            if (_pumpFault is null && _impairedRequest is not null)
            {
                await EndImpairedRequestAsync(channel).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (DuplexTransport.IsFailure(e))
        {
            _pumpFault = ExpiredFault() ?? new("RC-HTTP-315", FaultStage.Request, FaultKind.Transport, PeerRole.Client, e.Message);
        }

        EndPump(channel);
    }

    /// <summary>As <see cref="PumpRequestBodyAsync"/>, with interceptors editing the pieces; chunked anew.</summary>
    private async Task PumpEditedRequestBodyAsync(ServerChannel channel)
    {
        var serverTakes = true;
        var messages = _requestBody.Messages is { IsTransformed: true } ? _requestBody.Messages : null;
        try
        {
            while (true)
            {
                var step = _requestBody.IsComplete && _input.Length == 0 ? new ChunkedStep(ChunkedStatus.End, 0) : _requestBody.Step(_input.Span);
                if (step.Status == ChunkedStatus.Invalid)
                {
                    _pumpFault = MalformedRequest(step.Error);
                    break;
                }

                if (step.Status == ChunkedStatus.NeedMore && !_requestBody.IsComplete)
                {
                    _input.Consume(step.Consumed);
                    if (!await ReceiveBodyAsync(channel).ConfigureAwait(false))
                    {
                        break;
                    }

                    continue;
                }

                var isLast = _requestBody.IsComplete;
                var data = step.Status == ChunkedStatus.Data ? _input.Memory.Slice(step.Start, step.Length) : default;
                if (messages is not null)
                {
                    await messages.TransformAsync(data, isLast, new RequestOutput(this, channel, isEdited: true)).ConfigureAwait(false);
                    (data, serverTakes) = (default, serverTakes && !_serverRefusesBody);
                    if (!isLast)
                    {
                        _input.Consume(step.Consumed);
                        continue;
                    }
                }

                var octets = await EditAsync(PeerRole.Client, data, isLast, _requestBody.Trailers, isChunked: true).ConfigureAwait(false);
                if (serverTakes && !_pumpStops && octets.Length > 0)
                {
                    serverTakes = await TrySendAsync(channel, octets).ConfigureAwait(false);
                }

                _input.Consume(step.Consumed);
                if (isLast)
                {
                    break;
                }
            }

            if (_pumpFault is null && _impairedRequest is not null)
            {
                await EndImpairedRequestAsync(channel).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (DuplexTransport.IsFailure(e))
        {
            _pumpFault = ExpiredFault() ?? new("RC-HTTP-315", FaultStage.Request, FaultKind.Transport, PeerRole.Client, e.Message);
        }

        EndPump(channel);
    }

    /// <summary>Receives more of the request body into the input.</summary>
    /// <returns>Whether something came; otherwise <see cref="_pumpFault"/> is set.</returns>
    private async ValueTask<bool> ReceiveBodyAsync(ServerChannel channel)
    {
        if (!_pumpStops)
        {
            ArmClient(Wait.RequestBody, _engine.Limits.BodyTimeout);
        }

        var received = await ReceiveRequestBodyAsync(channel).ConfigureAwait(false);
        if (received == 0)
        {
            _pumpFault = new("RC-HTTP-303", FaultStage.Request, FaultKind.Truncated, PeerRole.Client, "the client ended its side within the request body");
            return false;
        }

        if (!_pumpStops)
        {
            DisarmClient(); // while the server takes it, the client is not late
        }

        _input.Received(received);
        return true;
    }

    private ValueTask<bool> TrySendAsync(ServerChannel channel, ReadOnlyMemory<byte> octets) =>
        _impairedRequestBody is { } impaired ? TrySendImpairedAsync(impaired, octets, channel) : TrySendPlainAsync(channel, octets);

    private async ValueTask<bool> TrySendPlainAsync(ServerChannel channel, ReadOnlyMemory<byte> octets)
    {
        try
        {
            ArmServer(Wait.Sending, _engine.Limits.BodyTimeout);
            channel.Facts.OctetsSent += octets.Length;
            await channel.Transport.SendAsync(octets).ConfigureAwait(false);
            DisarmServer();
            return true;
        }
        catch (Exception e) when (DuplexTransport.IsFailure(e))
        {
            // The server may have answered before it stopped reading; the loop that awaits the response finds out. Until then the rest is read and dropped.
            DisarmServer();
            _serverRefusesBody = true;
            return false;
        }
    }

    private void EndPump(ServerChannel channel)
    {
        DisarmClient();
        if (_pumpFault is not null && !_pumpStops)
        {
            // The server must not take a part for the whole.
            channel.Transport.Reset();
        }
        else if (!_pumpStops)
        {
            // Sending took the server's slot from whoever waits for the response; it is given back, or that wait would have no end.
            _recorder.Stamp(TimingPoint.RequestEnd, _engine.Time.GetTimestamp());
            if (_responseStarted)
            {
                ArmServer(Wait.ResponseBody, _engine.Limits.BodyTimeout);
            }
            else
            {
                ArmServer(Wait.Response, _engine.Limits.FirstByteTimeout);
            }
        }
    }

    /// <summary>The response is delivered or refused while the request body may still be coming.</summary>
    private async ValueTask<Next> FinishPumpAsync(bool serverKeeps, Next next)
    {
        if (!serverKeeps || next != Next.Continue)
        {
            _pumpStops = true;
            if (!_pump!.IsCompleted)
            {
                if (next != Next.Gone)
                {
                    ArmClient(Wait.Linger, TimeSpan.FromSeconds(2));
                    await _client.CompleteOutputAsync().ConfigureAwait(false);
                }

                await _pump.ConfigureAwait(false);
                _pumpFault = null;
                return next == Next.Gone ? next : Next.Close;
            }
        }

        await _pump!.ConfigureAwait(false);
        DisarmServer();
        return _pumpFault is null && _requestBody.IsComplete ? next : next == Next.Gone ? next : Next.Close;
    }
}

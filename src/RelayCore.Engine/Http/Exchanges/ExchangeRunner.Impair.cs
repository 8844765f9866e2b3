using RelayCore.Core.Faults;
using RelayCore.Core.Interception;
using RelayCore.Core.Messages;
using RelayCore.Engine.Http.Impairments;
using RelayCore.Protocols;
using RelayCore.Protocols.Http2;

namespace RelayCore.Engine.Http.Exchanges;

/// <summary>The part for messages that are delayed, damaged or cut short on purpose.</summary>
internal sealed partial class ExchangeRunner : IImpairedHost
{
    private ImpairedOutput? _impairedResponse;
    private ImpairedOutput? _impairedRequest;
    private volatile FlowFault? _impairedFault;

    bool IImpairedHost.IsGivenUp(PeerRole sender) => Volatile.Read(ref _expired) != 0 || (sender == PeerRole.Client && _pumpStops);

    void IImpairedHost.Extend(TimeSpan by)
    {
        if (Volatile.Read(ref _totalDeadline) != 0)
        {
            Interlocked.Add(ref _totalDeadline, (long)(by.TotalSeconds * _engine.Time.TimestampFrequency));
        }
    }

    // The streams tell by themselves when their peers leave.
    void IImpairedHost.Waiting(bool begins)
    {
    }

    private void BeginImpairments() => (_impairedResponse, _impairedRequest, _impairedFault) = (null, null, null);

    /// <summary>Sends a response head as it is to be sent on purpose; its body follows in the same way.</summary>
    private async ValueTask SendImpairedHeadAsync(Impairment what, ResponseHead head, long length, bool isLast)
    {
        var impaired = _impairedResponse = new(what, PeerRole.Server, this, _engine, _recorder, Microseconds());
        if (_client.StreamId != 0)
        {
            await impaired.WaitForHeadAsync(SentHead.OfResponse(head, _client.StreamId).Length).ConfigureAwait(false);
        }

        _client.Impair(impaired);
        await _client.SendHeadAsync(head, length, isLast).ConfigureAwait(false);
        await _client.FlushAsync().ConfigureAwait(false);
    }

    /// <summary>Sends a piece of a response body.</summary>
    private ValueTask SendBodyToClientAsync(ReadOnlyMemory<byte> octets, bool isLast) =>
        _impairedResponse is { } impaired ? SendImpairedToClientAsync(impaired, octets, isLast) : DeliverAsync(_client.SendBodyAsync(octets, isLast));

    private async ValueTask SendImpairedToClientAsync(ImpairedOutput impaired, ReadOnlyMemory<byte> octets, bool isLast)
    {
        try
        {
            await impaired.SendAsync(octets, new ClientSink(this)).ConfigureAwait(false);
        }
        catch (ImpairedException e) when (e.IsCut)
        {
            await DeliverAsync(_client.EndEarlyAsync(isCut: true)).ConfigureAwait(false);
            throw;
        }

        if (isLast)
        {
            await DeliverAsync(impaired.BreaksFraming ? _client.EndEarlyAsync(isCut: false) : _client.SendBodyAsync(default, isLast: true)).ConfigureAwait(false);
        }
    }

    private async ValueTask SendImpairedRequestAsync(Impairment what, ServerStream server)
    {
        Disarm(ref _toServer);
        var request = Exchange.Request;
        var impaired = _impairedRequest = new(what, PeerRole.Client, this, _engine, _recorder, Microseconds());
        if (server is Http2.Http2ServerStream)
        {
            await impaired.WaitForHeadAsync(SentHead.OfRequest(request, 1).Length).ConfigureAwait(false);
        }

        server.Impair(impaired);
        if (_bufferedRequest is null && _client.IsBodyRead && _client.Trailers.Count == 0)
        {
            await server.SendHeadAsync(request, 0, isLast: true).ConfigureAwait(false);
            return;
        }

        await SendWithBodyAsync(server).ConfigureAwait(false);
    }

    /// <summary>Sends a piece of the request body.</summary>
    private ValueTask SendBodyToServerAsync(ServerStream server, ReadOnlyMemory<byte> octets, bool isLast) =>
        _impairedRequest is { } impaired ? SendImpairedToServerAsync(impaired, server, octets, isLast) : SendToServerAsync(server.SendBodyAsync(octets, isLast));

    private async ValueTask SendImpairedToServerAsync(ImpairedOutput impaired, ServerStream server, ReadOnlyMemory<byte> octets, bool isLast)
    {
        if (_impairedFault is not null)
        {
            return; // it ended before
        }

        try
        {
            await impaired.SendAsync(octets, new ServerSink(this, server)).ConfigureAwait(false);
        }
        catch (ImpairedException e)
        {
            _impairedFault = e.Fault;
            if (!e.IsCut)
            {
                server.Reset(Http2ErrorCode.Cancel);
                throw;
            }

            // What the server makes of it goes to the client.
            _serverRefusesBody = true;
            await SendToServerAsync(server.EndEarlyAsync(isCut: true)).ConfigureAwait(false);
            return;
        }

        if (isLast)
        {
            await SendToServerAsync(impaired.BreaksFraming ? server.EndEarlyAsync(isCut: false) : server.SendBodyAsync(default, isLast: true)).ConfigureAwait(false);
        }
    }

    private long Microseconds() => (long)_engine.Time.GetElapsedTime(_started).TotalMicroseconds;

    private sealed class ClientSink(ExchangeRunner runner) : IImpairedSink
    {
        public ValueTask SendAsync(ReadOnlyMemory<byte> octets) => runner.DeliverAsync(runner._client.SendBodyAsync(octets, isLast: false));
    }

    private sealed class ServerSink(ExchangeRunner runner, ServerStream server) : IImpairedSink
    {
        public ValueTask SendAsync(ReadOnlyMemory<byte> octets) => runner.SendToServerAsync(server.SendBodyAsync(octets, isLast: false));
    }
}

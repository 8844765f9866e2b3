using RelayCore.Engine.Http.Exchanges;
using RelayCore.Engine.Transport;
using RelayCore.Protocols;
using RelayCore.Protocols.Http1;
using RelayCore.Protocols.Http2;

namespace RelayCore.Engine.Http;

internal sealed partial class Http1Session
{
    private ExchangeScope? _streamScope;
    private ExchangeRunner? _runner;
    private Http1ClientStream? _stream;
    private bool _isRunning;

    // CONNECT and upgrades want octets both ways, which HTTP/1 gives to whoever asks in HTTP/1.
    private bool GoesOverHttp2 =>
        !_requestHop.Upgrade && _exchange.Request.TargetForm != RequestTargetForm.Authority && _lastPool is { } pool && _engine.Servers.PrefersHttp2(pool);

    /// <summary>Hands an exchange whose server speaks HTTP/2 to the pipeline that knows both versions.</summary>
    private async ValueTask<Next> ForwardOverHttp2Async()
    {
        Volatile.Write(ref _totalDeadline, 0); // the runner's from here
        var stream = _stream ??= new(_engine.Limits);
        var runner = _runner ??= new(_engine, _facts, _exchange, _recorder);
        var scope = _streamScope ??= new() { IsIntercepted = _client is TlsTransport };
        (stream.Input, _input) = (_input, default);
        stream.Begin(_client, _facts, _exchange.Request, _requestFraming, AllowedInRequests, _clientKeepsAlive && !_engine.IsDraining);
        Volatile.Write(ref _isRunning, true);
        try
        {
            await runner.ContinueAsync(stream, scope, _started, _lastPool!, _interceptors).ConfigureAwait(false);
        }
        finally
        {
            Volatile.Write(ref _isRunning, false);
            (_input, stream.Input) = (stream.Input, default);
            stream.End();
        }

        Now();
        return stream.KeepsAlive && !_engine.IsDraining ? Next.Continue
            : stream.IsGone ? Next.Gone

            // With unread input a close would reset the connection and could take our last octets along.
            : _input.Length > 0 || !stream.IsBodyRead ? Next.Linger : Next.Close;
    }

    /// <summary>Lets the runner look at its deadlines.</summary>
    private void SweepRunner(long now, bool isSecond)
    {
        if (!Volatile.Read(ref _isRunning))
        {
            return;
        }

        _runner!.Sweep(now);
        if (isSecond && _client.IsReset)
        {
            _stream!.OnReset?.Invoke(new(Http2ErrorCode.Cancel, PeerRole.Client, "the client reset its connection"));
        }
    }
}

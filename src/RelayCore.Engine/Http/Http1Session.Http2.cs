using System.Buffers;
using System.Net.Security;
using RelayCore.Core.Faults;
using RelayCore.Engine.Http.Exchanges;
using RelayCore.Engine.Http.Http2;
using RelayCore.Engine.Transport;
using RelayCore.Engine.Upstream;
using RelayCore.Protocols;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http1;
using RelayCore.Protocols.Http2;
using RelayCore.Protocols.Tls;

namespace RelayCore.Engine.Http;

internal sealed partial class Http1Session
{
    private static readonly List<SslApplicationProtocol> s_http1Protocols = [SslApplicationProtocol.Http11, new SslApplicationProtocol("http/1.0")];
    private static readonly List<SslApplicationProtocol> s_bothProtocols = [SslApplicationProtocol.Http2, .. s_http1Protocols];
    private static readonly byte[] s_switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"u8.ToArray();

    private bool SpeaksHttp2 => _engine.Options.Http2 != Http2Use.Never;

    private bool IsHttp2Chosen => _facts.Tls?.ApplicationProtocol == "h2";

    /// <summary>What we offer a client by ALPN: what its server speaks, so that it meets what it would meet without us.</summary>
    private async ValueTask<List<SslApplicationProtocol>> ChooseProtocolsAsync(ClientHello hello)
    {
        if (!SpeaksHttp2 || !hello.OffersProtocol("h2"))
        {
            return s_http1Protocols;
        }

        if (_engine.Options.Http2 == Http2Use.Always || !hello.OffersProtocol("http/1.1"))
        {
            return s_bothProtocols; // a client of HTTP/2 alone is translated for
        }

        DisarmClient(); // it waits for the server's handshake now, which has time-outs of its own
        var version = await _engine.Servers.LearnAsync(_engine.Pool.For(_scope!.Origin)).ConfigureAwait(false);
        return version == ServerVersion.Http1 ? s_http1Protocols : s_bothProtocols;
    }

    /// <summary>Receives until the octets are the preface of HTTP/2 or cannot become it (RFC 9113 §3.4).</summary>
    private async ValueTask<bool> BeginsHttp2Async()
    {
        ArmClient(Wait.Head, _engine.Limits.HeadTimeout);
        while (true)
        {
            var match = Http2Preface.Match(_input.Span);
            if (match != OperationStatus.NeedMoreData)
            {
                DisarmClient();
                return match == OperationStatus.Done;
            }

            int received;
            try
            {
                received = await _client.ReceiveAsync(_input.Room(HeadBufferOctets)).ConfigureAwait(false);
            }
            catch (Exception e) when (DuplexTransport.IsFailure(e))
            {
                return false; // whoever reads on meets the failure again, and records it
            }

            if (received == 0)
            {
                return false;
            }

            _input.Received(received);
        }
    }

    /// <summary>The rest of the connection is HTTP/2. Its client's preface comes first.</summary>
    private async ValueTask<Next> ServeHttp2Async(ExchangeRunner? upgrade = null, Http2Settings? settings = null)
    {
        var begins = await BeginsHttp2Async().ConfigureAwait(false);
        if (!begins)
        {
            return await RefuseHttp2Async().ConfigureAwait(false);
        }

        _input.Consume(Http2Preface.Octets);
        var scope = new ExchangeScope { Origin = _scope?.Origin, IsIntercepted = _client is TlsTransport };
        var session = new Http2Session(_engine, _client, _facts, _input, scope, settings);
        _input = default; // the session's from here
        await session.RunAsync(upgrade).ConfigureAwait(false);
        return Next.Close;
    }

    private async ValueTask<Next> RefuseHttp2Async()
    {
        _started = Now();
        BeginFlow(Core.Flows.FlowKind.Connection);
        var fault = ExpiredFault() ?? new("RC-H2-001", FaultStage.Request, FaultKind.Protocol, PeerRole.Client, "HTTP/2 was agreed on and the client preface did not come")
        {
            Octets = Around(_input.Span, 0, out var offset),
            OctetsOffset = offset,
        };
        var goAway = new byte[Http2FrameWriter.GoAwayOctets];
        Http2FrameWriter.WriteGoAway(goAway, 0, Http2ErrorCode.ProtocolError, default);
        await EndFlowAsync(ReasonOf(fault), fault).ConfigureAwait(false);
        await SendToClientAsync(goAway).ConfigureAwait(false);
        return Next.Linger;
    }

    /// <summary>The settings of a request that asks for HTTP/2 without TLS (RFC 7540 §3.2); <see langword="null"/> when it does not, or not in a way we take up.</summary>
    private Http2Settings? UpgradeSettings()
    {
        // Whoever does not take an upgrade up answers in HTTP/1.1, which any such client must accept (RFC 9110 §7.8).
        var fields = _exchange.Request.Fields;
        if (!SpeaksHttp2 || !_requestHop.Upgrade || _client is TlsTransport || !_requestFraming.IsEmpty || _exchange.Request.MinorVersion != 1)
        {
            return null;
        }

        var (upgrade, settings) = (fields.IndexOf(KnownField.Upgrade), fields.IndexOf("HTTP2-Settings"u8));
        Span<byte> buffer = stackalloc byte[Http2UpgradeSettings.BufferOctets];
        var parsed = new Http2Settings();
        return upgrade >= 0 && System.Text.Ascii.EqualsIgnoreCase(fields.Value(upgrade), "h2c"u8)
            && settings >= 0 && fields.IndexOf("HTTP2-Settings"u8, settings + 1) < 0
            && Http2UpgradeSettings.TryRead(fields.Value(settings), buffer, out var parameters)
            && !parsed.Apply(parameters, PeerRole.Client, _engine.Limits.Http2).IsError ? parsed : null;
    }

    /// <summary>Takes the upgrade up: the request is answered on stream 1.</summary>
    private async ValueTask<Next> UpgradeToHttp2Async(Http2Settings settings)
    {
        // Its flow is the exchange's on the stream.
        _recorder.Cancel();
        var runner = new ExchangeRunner(_engine, _facts);
        var request = runner.Exchange.Request;
        var head = _exchange.Request.Fields.Received.ToArray();
        Http1HeadReader.ReadRequest(head, _engine.Limits.Http1, AllowedInRequests, request.Fields, out var line, out _);
        RequestTarget.TryRead(head.AsSpan(line.TargetStart, line.TargetLength), head.AsSpan(0, line.MethodLength), out var target);
        request.Load(line, target);
        foreach (var name in (string[])["HTTP2-Settings", "Upgrade", "Connection"])
        {
            for (var i = request.Fields.Count - 1; i >= 0; i--)
            {
                if (FieldSyntax.NameEquals(request.Fields.Name(i), System.Text.Encoding.ASCII.GetBytes(name)))
                {
                    request.Fields.RemoveUnlogged(i);
                }
            }
        }

        _responseStarted = true;
        _at = At.Client;
        await SendToClientAsync(s_switching).ConfigureAwait(false);
        return await ServeHttp2Async(runner, settings).ConfigureAwait(false);
    }
}

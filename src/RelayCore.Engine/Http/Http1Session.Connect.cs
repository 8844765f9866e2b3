using System.Buffers;
using System.Net.Security;
using RelayCore.Core.Connections;
using RelayCore.Core.Faults;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Engine.Certificates;
using RelayCore.Engine.Pipeline;
using RelayCore.Engine.Transport;
using RelayCore.Protocols;
using RelayCore.Protocols.Http1;
using RelayCore.Protocols.Http2;
using RelayCore.Protocols.Tls;

namespace RelayCore.Engine.Http;

internal sealed partial class Http1Session
{
    private static readonly byte[] s_established = "HTTP/1.1 200 Connection established\r\n\r\n"u8.ToArray();

    // What actors said of the CONNECT and the ClientHello of this tunnel: it belongs into the record of what becomes of them.
    private FlowContext? _opening;

    /// <summary>What the octets inside a tunnel are.</summary>
    private enum Inner : byte
    {
        /// <summary>The client ended without a word.</summary>
        Nothing,
        Tls,
        Http1,
        Http2,
        Raw,
    }

    /// <summary>Answers CONNECT and finds out what the tunnel carries (RFC 9110 §9.3.6).</summary>
    private async ValueTask<Next> ServeConnectAsync()
    {
        var request = _exchange.Request;
        if (!_requestFraming.IsEmpty)
        {
            // Octets behind a CONNECT are the tunnel's; a length or coding would let two readers disagree where it begins.
            return await RefuseAsync(new(FaultCatalog.CodeOf(Http1Fault.InvalidContentLength, false), FaultStage.Request, FaultKind.Protocol, PeerRole.Client,
                "CONNECT has no body"), Next.Linger).ConfigureAwait(false);
        }

        if (!ReadConnectTarget(out var host, out var port))
        {
            return await RefuseAsync(MalformedRequest(new(Http1Fault.InvalidTarget, 0)), Next.Linger).ConfigureAwait(false);
        }

        var pipeline = _engine.Pipeline;
        _interceptors = pipeline.For(host);
        (_interceptorsFor, _lastPipeline, _lastPool, _lastAuthority) = (null, null, null, []);
        _opening = null;
        _recorder.Tunnel(host, port);
        if (IsOwnListener(_engine, new(false, host, port)))
        {
            return await RefuseAsync(new("RC-LOOP-001", FaultStage.Request, FaultKind.Policy, PeerRole.Client,
                $"{Origin.Format(host, port)} is this proxy's own listener"), Next.Linger).ConfigureAwait(false);
        }

        if (_interceptors.Wants(Stage.Connect))
        {
            if (await InterceptConnectAsync(host, port).ConfigureAwait(false) is not { } target)
            {
                return Next.Gone;
            }

            (host, port) = target;
        }

        _facts.TunnelAuthority = Origin.Format(host, port);
        _at = At.Client;
        await SendToClientAsync(s_established).ConfigureAwait(false);
        DisarmClient();

        // The CONNECT is not shown on its own: what it carries is, with the tunnel's authority on its connection.
        _recorder.Cancel();
        return await OpenTunnelAsync(host, port, isSecure: false).ConfigureAwait(false);
    }

    private bool ReadConnectTarget(out string host, out int port)
    {
        var octets = _exchange.Request.PathOctets;
        (host, port) = ("", 0);
        if (!Authority.TryRead(octets, out var authority) || Authority.NormalizeHost(octets.Slice(authority.HostStart, authority.HostLength)) is not { } name)
        {
            return false;
        }

        (host, port) = (name, authority.Port);
        return port > 0;
    }

    /// <returns>Where the tunnel goes; <see langword="null"/> when it was refused and the connection ends.</returns>
    private async ValueTask<(string Host, int Port)?> InterceptConnectAsync(string host, int port)
    {
        if (_interceptors.MayWait)
        {
            await default(ThreadPoolHop);
        }

        var context = new ConnectContext { Host = host, Port = port, Request = _exchange.Request };
        context.Begin(_exchange.Id, _facts);
        context.StartedAt = _started;
        var verdict = await _stages.FlowAsync(_interceptors, Stage.Connect, context, static (i, c, t) => i.OnConnectAsync(c, t), _engine.Stopping).ConfigureAwait(false);
        _opening = context;
        _exchange.Continue(context);
        (_route, _decision) = (context.Route, context.Decision);
        switch (verdict)
        {
            case Verdict.RedirectTarget redirect:
                return (redirect.Target.Host, redirect.Target.Port);

            case Verdict.Respond respond:
                _clientKeepsAlive = false;
                await RespondAsync(respond).ConfigureAwait(false);
                await LingerAsync().ConfigureAwait(false);
                return null;

            case Verdict.Drop or Verdict.Abort:
                await ApplyAsync(verdict).ConfigureAwait(false);
                if (verdict is Verdict.Drop)
                {
                    await LingerAsync().ConfigureAwait(false);
                }

                return null;

            default:
                return (host, port);
        }
    }

    /// <summary>Looks at what comes first inside a tunnel, from either end, and goes on accordingly.</summary>
    private async ValueTask<Next> OpenTunnelAsync(string host, int port, bool isSecure)
    {
        var raw = await AwaitFirstOctetsAsync(host, port, isSecure).ConfigureAwait(false);
        var inner = raw is { ServerSpokeFirst: true } ? Inner.Raw : await DetectAsync().ConfigureAwait(false);
        if (inner == Inner.Tls && !isSecure)
        {
            raw?.Transport.Close();
            return await ServeTlsAsync(host, port).ConfigureAwait(false);
        }

        if (inner == Inner.Http1)
        {
            raw?.Transport.Close();
            _scope ??= new(new Origin(false, host, port) { Route = _route }, host);
            Now();
            return Next.Continue;
        }

        if (inner == Inner.Http2)
        {
            raw?.Transport.Close();
            _scope ??= new(new Origin(false, host, port) { Route = _route }, host);
            if (!isSecure)
            {
                // Without TLS there is no asking: the client knows what its server speaks (RFC 9113 §3.3).
                _engine.Pool.For(_scope.Origin).Http2.IsPriorKnowledge = true;
            }

            return await ServeHttp2Async().ConfigureAwait(false);
        }

        if (inner == Inner.Nothing)
        {
            raw?.Transport.Close();
            return Next.Close;
        }

        return await ServeRawTunnelAsync(host, port, isSecure, raw, FlowMarks.None).ConfigureAwait(false);
    }

    /// <summary>
    /// Receives the client's first octets. A client that stays silent may wait for the server to speak (SMTP, SSH, MySQL): then the server
    /// is asked too, and whoever speaks first decides.
    /// </summary>
    /// <returns>The server's connection, when it was opened.</returns>
    private async ValueTask<RawServer?> AwaitFirstOctetsAsync(string host, int port, bool isSecure)
    {
        ArmClient(Wait.Tunnel, _engine.Limits.TunnelIdleTimeout);
        if (_input.Length > 0)
        {
            return null;
        }

        var receiving = _client.ReceiveAsync(_input.Room(HeadBufferOctets));
        if (receiving.IsCompleted)
        {
            _input.Received(await receiving.ConfigureAwait(false));
            return null;
        }

        var first = receiving.AsTask();
        if (await IsDoneWithinAsync(first, _engine.Limits.ServerFirstDelay).ConfigureAwait(false))
        {
            _input.Received(await first.ConfigureAwait(false));
            return null;
        }

        RawServer server;
        try
        {
            server = await OpenRawAsync(host, port, isSecure).ConfigureAwait(false);
        }
        catch (Upstream.UpstreamException)
        {
            // Whether that matters depends on the client: TLS gets its answer inside, raw octets fail when they are relayed.
            _input.Received(await first.ConfigureAwait(false));
            return null;
        }

        var buffer = new byte[HeadBufferOctets];
        var fromServer = server.Received.IsEmpty ? server.Transport.ReceiveAsync(buffer).AsTask() : Task.FromResult(0);
        await Task.WhenAny(first, fromServer).ConfigureAwait(false);
        if (first.IsCompleted)
        {
            if (!first.IsCompletedSuccessfully)
            {
                server.Transport.Reset(); // the client is gone, and nobody else knows of this connection
            }

            _input.Received(await first.ConfigureAwait(false));
            return server with { Pending = fromServer, PendingBuffer = buffer };
        }

        return server with { Pending = fromServer, PendingBuffer = buffer, ServerSpokeFirst = true, PendingClient = first };
    }

    /// <summary>Waits for a receive, but no longer than a delay; the sweeper keeps the time, so that a common CONNECT costs no timer.</summary>
    private async ValueTask<bool> IsDoneWithinAsync(Task<int> receiving, TimeSpan delay)
    {
        var silence = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Volatile.Write(ref _silence, silence);
        ArmClient(Wait.Silence, delay);
        var done = await Task.WhenAny(receiving, silence.Task).ConfigureAwait(false);
        ArmClient(Wait.Tunnel, _engine.Limits.TunnelIdleTimeout);
        return done == receiving;
    }

    /// <summary>Tells TLS, HTTP/1 and anything else apart; receives more while that is open.</summary>
    private async ValueTask<Inner> DetectAsync()
    {
        while (true)
        {
            if (_input.Length == 0)
            {
                return Inner.Nothing;
            }

            var inner = Detect(_input.Span, _engine.Options.Http2 != Http2Use.Never);
            if (inner is { } known)
            {
                return known;
            }

            var receiving = _client.ReceiveAsync(_input.Room(HeadBufferOctets)).AsTask();
            if (!await IsDoneWithinAsync(receiving, _engine.Limits.HeadTimeout).ConfigureAwait(false))
            {
                return Inner.Nothing;
            }

            var received = await receiving.ConfigureAwait(false);
            _input.Received(received);
            if (received == 0)
            {
                return Inner.Raw; // the relay passes on what came, and the end
            }
        }
    }

    /// <returns><see langword="null"/> while the octets fit more than one.</returns>
    internal static object? DetectForTests(ReadOnlySpan<byte> octets) => Detect(octets, speaksHttp2: true)?.ToString();

    private static Inner? Detect(ReadOnlySpan<byte> octets, bool speaksHttp2)
    {
        if (speaksHttp2 && Http2Preface.Match(octets) is var match and not OperationStatus.InvalidData && octets.Length >= 3)
        {
            return match == OperationStatus.Done ? Inner.Http2 : null;
        }

        if (octets[0] == 0x16)
        {
            return ClientHelloReader.LooksLikeTls(octets) ? (octets.Length >= 6 ? Inner.Tls : null) : Inner.Raw;
        }

        // A request line: a method in capitals, a target that begins like one, and "HTTP/1" at the end of the line.
        var method = octets.IndexOfAnyExceptInRange((byte)'A', (byte)'Z');
        if (method < 0)
        {
            return octets.Length > 24 ? Inner.Raw : null;
        }

        if (method is 0 or > 24 || octets[method] is not ((byte)' ' or (byte)'-' or (byte)'_'))
        {
            return Inner.Raw;
        }

        var end = octets.IndexOf((byte)'\n');
        if (end >= 0)
        {
            return octets[..end].LastIndexOf(" HTTP/1."u8) > 0 ? Inner.Http1 : Inner.Raw;
        }

        var space = octets.IndexOf((byte)' ');
        if (space < 0 || space + 1 == octets.Length)
        {
            return octets.Length > 64 ? Inner.Raw : null;
        }

        return octets[space + 1] is (byte)'/' or (byte)'*' or (byte)'h' or (byte)'H' ? Inner.Http1 : octets.Length > 1024 ? Inner.Raw : null;
    }

    /// <summary>A client that speaks TLS to the proxy port itself ("secure web proxy").</summary>
    private async ValueTask<Next?> AcceptTlsToProxyAsync()
    {
        _started = _engine.Time.GetTimestamp();
        var (hello, _) = await ReadClientHelloAsync().ConfigureAwait(false);
        if (hello is null)
        {
            BeginFlow(FlowKind.Connection);
            var fault = new FlowFault("RC-TLS-104", FaultStage.ClientTls, FaultKind.Protocol, PeerRole.Client, "the first octets are not a ClientHello")
            {
                Octets = Around(_input.Span, 0, out _),
                OctetsOffset = 0,
            };
            await EndFlowAsync(ReasonOf(fault), fault).ConfigureAwait(false);
            return Next.Gone;
        }

        var name = hello.IsServerNameValid ? hello.ServerName!
            : (_facts.LocalEndPoint as System.Net.IPEndPoint)?.Address.ToString() ?? "localhost";
        if (!await HandshakeAsync(name, SpeaksHttp2 ? s_bothProtocols : s_http1Protocols).ConfigureAwait(false))
        {
            return Next.Gone;
        }

        return IsHttp2Chosen ? await ServeHttp2Async().ConfigureAwait(false) : null;
    }

    /// <summary>A ClientHello inside a tunnel: the policy decides what happens with it.</summary>
    private async ValueTask<Next> ServeTlsAsync(string host, int port)
    {
        var (hello, _) = await ReadClientHelloAsync().ConfigureAwait(false);
        if (hello is null)
        {
            // It began like TLS and is not: two peers that understand each other are not ours to part.
            return await ServeRawTunnelAsync(host, port, isSecure: false, null, FlowMarks.PassedThrough).ConfigureAwait(false);
        }

        var name = hello.IsServerNameValid ? hello.ServerName!.ToLowerInvariant() : host;
        var decision = _decision != InterceptDecision.Default ? _decision : Decide(name, host, port, hello);
        var target = (Host: host, Port: port);
        if (_interceptors.Wants(Stage.ClientHello))
        {
            var context = new ClientHelloContext { Host = host, Port = port, Hello = _facts.Tls!, Decision = InterceptDecision.Default };
            if (_opening is null)
            {
                context.Begin(FlowId.Create(_engine.Time.GetUtcNow()), _facts);
                context.StartedAt = _engine.Time.GetTimestamp();
                _opening = context;
            }
            else
            {
                context.Begin(_opening);
            }

            context.Route = _route;
            if (_interceptors.MayWait)
            {
                await default(ThreadPoolHop);
            }

            var verdict = await _stages.FlowAsync(_interceptors, Stage.ClientHello, context, static (i, c, t) => i.OnClientHelloAsync(c, t), _engine.Stopping).ConfigureAwait(false);
            _route = context.Route;
            decision = verdict is Verdict.Drop or Verdict.Abort ? InterceptDecision.Drop
                : context.Decision != InterceptDecision.Default ? context.Decision : decision;
            target = verdict is Verdict.RedirectTarget redirect ? (redirect.Target.Host, redirect.Target.Port) : target;
        }

        switch (decision)
        {
            case InterceptDecision.Drop:
                BeginFlow(FlowKind.Connection);
                _recorder.Tunnel(host, port);
                var fault = new FlowFault("RC-POL-001", FaultStage.ClientTls, FaultKind.Policy, null, $"TLS to {name} refused");
                await EndFlowAsync(ReasonOf(fault), fault).ConfigureAwait(false);
                return Next.Gone;

            case InterceptDecision.PassThrough:
                return await ServeRawTunnelAsync(target.Host, target.Port, isSecure: false, null, FlowMarks.PassedThrough).ConfigureAwait(false);
        }

        _scope = new(new Origin(true, name, target.Port) { DialHost = name == target.Host ? null : target.Host, Route = _route }, host);
        if (!await HandshakeAsync(name, await ChooseProtocolsAsync(hello).ConfigureAwait(false), host, port).ConfigureAwait(false))
        {
            return Next.Gone;
        }

        try
        {
            if (IsHttp2Chosen)
            {
                return await ServeHttp2Async().ConfigureAwait(false);
            }

            return await OpenTunnelAsync(target.Host, target.Port, isSecure: true).ConfigureAwait(false);
        }
        catch (Exception e) when (DuplexTransport.IsFailure(e) && _input.Length == 0)
        {
            // With TLS 1.3 a client may refuse the certificate after its side of the handshake is done (RFC 8446 §4.4.4, §6.2): the first
            // thing that comes is then its alert.
            BeginFlow(FlowKind.Connection);
            _recorder.Tunnel(host, port);
            var refusal = ExpiredFault() ?? Diagnosis.OfClientHandshake(e, name, _facts.Tls!);
            await EndFlowAsync(ReasonOf(refusal), refusal).ConfigureAwait(false);
            return Next.Gone;
        }
    }

    private InterceptDecision Decide(string name, string host, int port, ClientHello hello)
    {
        var options = _engine.Options;
        foreach (var pattern in options.PassThrough)
        {
            if (pattern.Matches(name, port) || pattern.Matches(host, port))
            {
                return InterceptDecision.PassThrough;
            }
        }

        if (options.InterceptOnly.Count > 0 && !options.InterceptOnly.Any(x => x.Matches(name, port) || x.Matches(host, port)))
        {
            return InterceptDecision.PassThrough;
        }

        // A client that offers only protocols we do not speak would fail with us and works without.
        if (hello.ApplicationProtocols.Length > 0 && !hello.OffersProtocol("http/1.1") && !hello.OffersProtocol("http/1.0")
            && !(SpeaksHttp2 && hello.OffersProtocol("h2")))
        {
            return InterceptDecision.PassThrough;
        }

        return LeafCertificates.CanIssueFor(name) ? InterceptDecision.Intercept : InterceptDecision.PassThrough;
    }

    private async ValueTask<(ClientHello? Hello, ClientHelloFault Fault)> ReadClientHelloAsync()
    {
        ArmClient(Wait.Handshake, _engine.Limits.HandshakeTimeout);
        while (true)
        {
            var status = ClientHelloReader.TryRead(_input.Span, out var hello, out var fault);
            if (status == OperationStatus.Done)
            {
                _facts.Tls = FactsOf(hello!);
                return (hello, default);
            }

            if (status == OperationStatus.InvalidData)
            {
                return (null, fault);
            }

            int received;
            try
            {
                received = await _client.ReceiveAsync(_input.Room(HeadBufferOctets)).ConfigureAwait(false);
            }
            catch (Exception e) when (DuplexTransport.IsFailure(e))
            {
                // Neither silence nor a reset within a hello goes unrecorded.
                BeginFlow(FlowKind.Connection);
                var failure = ExpiredFault() ?? new FlowFault("RC-TLS-102", FaultStage.ClientTls, FaultKind.Transport, PeerRole.Client, e.Message);
                await EndFlowAsync(ReasonOf(failure), failure with { Octets = Around(_input.Span, 0, out _), OctetsOffset = 0 }).ConfigureAwait(false);
                throw;
            }

            if (received == 0)
            {
                return (null, fault);
            }

            _input.Received(received);
        }
    }

    private static TlsFacts FactsOf(ClientHello hello) => new()
    {
        ServerName = hello.ServerName,
        OfferedProtocols = hello.ApplicationProtocols,
        OfferedVersions = [.. (hello.SupportedVersions.Length > 0 ? hello.SupportedVersions : [hello.LegacyVersion]).Select(NameOfVersion)],
        OfferedCipherSuites = hello.CipherSuites,
        Ja3 = Ja3.Hash(hello),
        Ja4 = Ja4.Compute(hello),
        HasEncryptedClientHello = hello.HasEncryptedClientHello,
    };

    private static string NameOfVersion(ushort version) => version switch
    {
        0x0304 => "TLSv1.3",
        0x0303 => "TLSv1.2",
        0x0302 => "TLSv1.1",
        0x0301 => "TLSv1.0",
        0x0300 => "SSLv3",
        _ => $"0x{version:x4}",
    };

    /// <summary>Shakes hands with the client in the name of a host; afterwards the session goes on inside.</summary>
    /// <returns>Whether it succeeded; otherwise a flow says why.</returns>
    private async ValueTask<bool> HandshakeAsync(string name, List<SslApplicationProtocol> protocols, string? host = null, int port = 0)
    {
        var leaf = await _engine.Leaves.GetAsync(name).ConfigureAwait(false);
        ArmClient(Wait.Handshake, _engine.Limits.HandshakeTimeout);
        var wire = new TransportStream(_client, _input.Memory);
        _input.Release(discard: true);
        var stream = new SslStream(wire, leaveInnerStreamOpen: true);
        try
        {
            await stream.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
            {
                ServerCertificateContext = leaf,
                ApplicationProtocols = _facts.Tls!.OfferedProtocols.Count > 0 ? protocols : null,
                CertificateRevocationCheckMode = System.Security.Cryptography.X509Certificates.X509RevocationMode.NoCheck,
            }).ConfigureAwait(false);
        }
        catch (Exception e) when (DuplexTransport.IsFailure(e))
        {
            BeginFlow(FlowKind.Connection);
            if (host is not null)
            {
                _recorder.Tunnel(host, port);
            }

            var fault = ExpiredFault() ?? Diagnosis.OfClientHandshake(e, name, _facts.Tls!);
            await stream.DisposeAsync().ConfigureAwait(false);
            await EndFlowAsync(ReasonOf(fault), fault).ConfigureAwait(false);
            return false;
        }

        DisarmClient();
        Now();
        _client = new TlsTransport(_client, stream, wire);
        _facts.Tls = _facts.Tls! with
        {
            Version = Upstream.TlsNames.Of(stream.SslProtocol),
            CipherSuite = stream.NegotiatedCipherSuite.ToString(),
            ApplicationProtocol = stream.NegotiatedApplicationProtocol.Protocol.IsEmpty ? null : stream.NegotiatedApplicationProtocol.ToString(),
        };
        return true;
    }
}

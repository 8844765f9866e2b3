using System.Globalization;
using System.Net;
using System.Text;
using RelayCore.Core.Connections;
using RelayCore.Core.Faults;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Core.Messages;
using RelayCore.Protocols;
using RelayCore.Protocols.Grpc;
using RelayCore.Protocols.Http1;

namespace RelayCore.Engine.Capture;

/// <summary>The part that makes the model everybody outside sees.</summary>
public sealed partial class CapturedFlow
{
    /// <summary>Largest content decoded for the model, in octets (reference: 16 MiB).</summary>
    public const int MaxContent = 16 * 1024 * 1024;

    private const int MaxTunnelContent = 64 * 1024;

    /// <summary>The line of a list.</summary>
    public FlowSummary ToSummary() => FlowSummaries.Read(View);

    /// <summary>The whole flow.</summary>
    /// <param name="codings">Removes content codings; <see langword="null"/> shows bodies as received.</param>
    /// <param name="maxContent">Octets of content shown of each body; what is cut is marked.</param>
    public Flow ToFlow(IContentCodings? codings, int maxContent = MaxContent)
    {
        var view = View;
        var contents = new RecordContents(view.Sections);
        var facts = FlowFacts.Read(view);
        var client = ConnectionRecord.ReadClient(_client);
        var server = _server.Length == 0 ? null : ConnectionRecord.ReadServer(_server);
        var kind = (FlowKind)_entry.Kind;
        var marks = (FlowMarks)_entry.Marks;
        var fault = contents.Fault.IsEmpty ? null : ReadFault(contents.Fault);
        var bodies = new BodyMaker(this, facts, codings, maxContent);
        var said = new ContextContents(contents.Context);
        var mutations = ReadMutations();
        return new()
        {
            Id = Id.ToString(),
            StartTime = Time(_entry.StartedAt),
            EndTime = IsRunning || facts.Timings[(int)TimingPoint.End] is not (>= 0 and var end) ? null : Time(_entry.StartedAt + end),
            Network = Network(contents, client, server),
            Layer = kind switch
            {
                FlowKind.Http => new FlowLayer.Http(HttpLayer(contents, facts, bodies, fault, maxContent)),
                FlowKind.WebSocket => new FlowLayer.WebSocket(WebSocketLayer(contents, facts, bodies, fault, maxContent)),
                _ => new FlowLayer.Tcp(TcpLayer(view, contents, facts, bodies, fault)),
            },
            Tags = said.Tags,
            ResilienceTrace = (marks & FlowMarks.Retried) == 0 ? null : new(1, false, false, []),
            RuleVariables = said.Variables.Count == 0 ? null : said.Variables,
            MatchedRules = said.Rules.Length == 0 ? null : said.Rules,
            RuleTrace = ContextContents.ReadTrace(contents.RuleTrace),
            Marker = said.Marker,
            Comment = said.Comment,
            CloseReason = facts.Reason == CloseReason.None ? null : Reason(facts.Reason, kind, fault),
            Kind = kind,
            ParentId = facts.Parent.IsEmpty ? null : facts.Parent.ToString(),
            StreamId = facts.Streams.Client == 0 ? null : facts.Streams.Client,
            ServerStreamId = facts.Streams.Server == 0 ? null : facts.Streams.Server,
            ProtocolStack = Stack(contents, kind, client),
            Connection = new() { Client = Client(client), Server = server is null ? null : Server(server, facts) },
            Timings = Timings(facts),
            Octets = new()
            {
                RequestHead = contents.Request.IsEmpty ? null : new RequestContents(contents.Request).Head.Length,
                RequestBody = facts.Bodies[BodySlot.RequestReceived].Total,
                ResponseHead = contents.Response.IsEmpty ? null : new ResponseContents(contents.Response).Head.Length,
                ResponseBody = facts.Bodies[BodySlot.ResponseReceived].Total,
            },
            Truncated = FlowSummaries.IsTruncated(marks),
            Marks = FlowNames.OfFlags<FlowMarks>(_entry.Marks),
            Repairs = Repairs(contents),
            Mutations = mutations.Count == 0 ? null : mutations,
        };
    }

    /// <summary>What there is of a body, without making anything of it.</summary>
    /// <param name="sender">Whose.</param>
    /// <param name="sent">As sent after an actor changed it, or as received; <see langword="null"/> for as sent when there is that.</param>
    /// <returns><see langword="null"/> when nothing was changed and <paramref name="sent"/> is asked for.</returns>
    public CapturedBody? Body(PeerRole sender, bool? sent)
    {
        var bodies = FlowFacts.Read(View).Bodies;
        var isSent = sent ?? bodies[(int)sender + 2].IsUsed;
        if (isSent && !bodies[(int)sender + 2].IsUsed)
        {
            return null;
        }

        var facts = bodies[(int)sender + (isSent ? 2 : 0)];
        var contents = new RecordContents(_sections.Span);
        var section = (sender, isSent) switch
        {
            (PeerRole.Client, false) => contents.Request,
            (PeerRole.Client, true) => contents.FinalRequest,
            (_, false) => contents.Response,
            _ => contents.FinalResponse,
        };
        var head = section.IsEmpty ? [] : sender == PeerRole.Client ? new RequestContents(section).Head : new ResponseContents(section).Head;
        var fields = HeadText.Fields(head, hasStartLine: true);
        var (size, captured) = (facts.Total + facts.Prefix, BodyLength(sender, isSent));
        return new(
            isSent, size, captured, facts.IsTruncated || captured < size, HeadText.List(fields, "content-type"), HeadText.List(fields, "content-encoding"));
    }

    private static string Time(long microseconds) =>
        DateTime.UnixEpoch.AddTicks(microseconds * 10).ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture);

    private static FlowNetwork Network(RecordContents contents, ClientRecord client, ServerRecord? server)
    {
        var (clientIp, clientPort) = Split(client.Remote);
        var (serverIp, serverPort) = Split(server?.Remote);
        string? target = null;
        if (!contents.FinalRequest.IsEmpty)
        {
            var request = new RequestContents(contents.FinalRequest);
            target = Origin.Format(Encoding.UTF8.GetString(request.Host), request.Port);
        }
        else if (!contents.Tunnel.IsEmpty)
        {
            var (host, port) = FlowSummaries.Target(contents.Tunnel);
            target = Origin.Format(host, port);
        }

        return new()
        {
            ClientIp = clientIp,
            ClientPort = clientPort,
            ServerIp = serverIp,
            ServerPort = serverPort,
            ServerHost = target ?? client.TunnelAuthority,
            Tls = client.Tls is not null,
            TlsVersion = client.Tls?.Version,
            Sni = client.Tls?.ServerName,
        };
    }

    private static (string Ip, int Port) Split(string? endPoint) =>
        IPEndPoint.TryParse(endPoint ?? "", out var parsed) ? (parsed.Address.ToString(), parsed.Port) : (endPoint ?? "0.0.0.0", 0);

    private HttpLayer HttpLayer(RecordContents contents, FlowFacts facts, BodyMaker bodies, FlowError? fault, int maxContent)
    {
        var informational = ReadInformational();
        var (messages, omitted, dropped) = NewestMessages(facts, maxContent);
        return new()
        {
            Request = Request(contents, bodies),
            Response = Response(contents, facts, bodies),
            Error = fault,
            Informational = informational.Count == 0 ? null : informational,
            Messages = facts.Messages == 0 ? null : messages,
            MessageCount = facts.Messages == 0 ? null : facts.Messages,
            MessagesOmitted = omitted == 0 ? null : omitted,
            MessagesDropped = dropped == 0 ? null : dropped,
            Grpc = ReadGrpc(contents.GrpcStatus),
        };
    }

    private WebSocketLayer WebSocketLayer(RecordContents contents, FlowFacts facts, BodyMaker bodies, FlowError? fault, int maxContent)
    {
        var (messages, omitted, dropped) = NewestMessages(facts, maxContent);
        return new()
        {
            HandshakeRequest = Request(contents, bodies with { Hidden = true }),
            HandshakeResponse = Response(contents, facts, bodies with { Hidden = true }) ?? new() { Status = 0, StatusText = "", Version = "HTTP/1.1" },
            Messages = messages,
            MessageCount = facts.Messages,
            MessagesOmitted = omitted == 0 ? null : omitted,
            MessagesDropped = dropped == 0 ? null : dropped,
            Closed = !IsRunning,
            ClosedBy = facts.Closed is { } closed ? closed.By is { } by ? FlowNames.Of(by) : "proxy" : null,
            CloseCode = facts.Closed?.Code,
            CloseReason = facts.Closed?.Reason is { Length: > 0 } reason ? reason : null,
            BytesUp = facts.Bodies[BodySlot.RequestReceived].Total,
            BytesDown = facts.Bodies[BodySlot.ResponseReceived].Total,
            Error = fault,
        };
    }

    private static TcpLayer TcpLayer(FlowView view, RecordContents contents, FlowFacts facts, BodyMaker bodies, FlowError? fault)
    {
        var tunnel = bodies with { Codings = null, MaxContent = Math.Min(bodies.MaxContent, MaxTunnelContent) };
        var (_, target, _, _) = FlowSummaries.Address(view, contents);
        return new()
        {
            BytesUp = facts.Bodies[BodySlot.RequestReceived].Total,
            BytesDown = facts.Bodies[BodySlot.ResponseReceived].Total,
            Target = target.Length == 0 ? null : target,
            Up = tunnel.Make(PeerRole.Client, false, null),
            Down = tunnel.Make(PeerRole.Server, false, null),
            Error = fault,
        };
    }

    private FlowRequest? Request(RecordContents contents, BodyMaker bodies)
    {
        if (contents.FinalRequest.IsEmpty)
        {
            return null;
        }

        var changed = !contents.RequestSent.IsEmpty || bodies.IsSentUsed(PeerRole.Client);
        var trailers = ReadTrailers(PeerRole.Client);
        var final = Request(contents.FinalRequest, bodies, changed, trailers);
        return !changed || contents.Request.IsEmpty ? final : final with { Received = Request(contents.Request, bodies, false, trailers) };
    }

    private static FlowRequest Request(ReadOnlySpan<byte> section, BodyMaker bodies, bool sent, List<string[]>? trailers)
    {
        var request = new RequestContents(section);
        var path = Encoding.Latin1.GetString(request.Path);
        var fields = HeadText.Fields(request.Head, hasStartLine: true);
        return new()
        {
            Method = Encoding.Latin1.GetString(request.Method),
            Url = FlowSummaries.Url(request, Encoding.UTF8.GetString(request.Host), path),
            Version = HeadText.Version(request.Version),
            Headers = fields,
            Cookies = HeadText.RequestCookies(fields),
            Query = HeadText.Query(path),
            Body = bodies.Make(PeerRole.Client, sent, HeadText.List(fields, "content-encoding")),
            Trailers = trailers,
        };
    }

    private FlowResponse? Response(RecordContents contents, FlowFacts facts, BodyMaker bodies)
    {
        if (contents.FinalResponse.IsEmpty)
        {
            return null;
        }

        var changed = !contents.ResponseSent.IsEmpty || bodies.IsSentUsed(PeerRole.Server);
        var trailers = ReadTrailers(PeerRole.Server);
        var timing = Timing(facts);
        var final = Response(new ResponseContents(contents.FinalResponse).Head, bodies, changed, trailers) with { Timing = timing };
        return !changed || contents.Response.IsEmpty
            ? final
            : final with { Received = Response(new ResponseContents(contents.Response).Head, bodies, false, trailers) with { Timing = timing } };
    }

    private static FlowResponse Response(ReadOnlySpan<byte> head, BodyMaker? bodies, bool sent, List<string[]>? trailers)
    {
        var line = HeadText.FirstLine(head);
        var space = line.IndexOf((byte)' ');
        var status = space < 0 ? [] : line[(space + 1)..];
        var fields = HeadText.Fields(head, hasStartLine: true);
        var version = HeadText.Version(space < 0 ? line : line[..space]);
        var code = status.Length >= 3 && int.TryParse(status[..3], NumberStyles.None, CultureInfo.InvariantCulture, out var parsed) ? parsed : 0;
        return new()
        {
            Status = code,
            StatusText = StatusText(Encoding.Latin1.GetString(status).TrimEnd(), code, version),
            Version = version,
            Headers = fields,
            Cookies = HeadText.ResponseCookies(fields),
            Body = bodies?.Make(PeerRole.Server, sent, HeadText.List(fields, "content-encoding")),
            Trailers = trailers,
        };
    }

    // HTTP/2 has no reason phrase (RFC 9113 §8.3.2): the registered one is shown, as the model has it.
    private static string StatusText(string received, int code, string version) =>
        version == HeadText.Http2 && ReasonPhrases.Get(code) is { Length: > 0 } phrase ? $"{received} {phrase}" : received;

    private List<FlowResponse> ReadInformational()
    {
        var list = new List<FlowResponse>();
        var reader = new RecordReader(_sections.Span);
        while (reader.TryTakeSection(out var tag, out var payload))
        {
            if (tag == SectionTag.Informational)
            {
                list.Add(Response(payload.Rest, null, false, null));
            }
        }

        return list;
    }

    private List<string[]>? ReadTrailers(PeerRole sender)
    {
        List<string[]>? trailers = null;
        var reader = new RecordReader(_sections.Span);
        while (reader.TryTakeSection(out var tag, out var payload))
        {
            if (tag == SectionTag.Trailers && payload.Octet() == (byte)sender && HeadText.Fields(payload.Rest, hasStartLine: false) is { Count: > 0 } fields)
            {
                (trailers ??= []).AddRange(fields);
            }
        }

        return trailers;
    }

    private static FlowGrpc? ReadGrpc(ReadOnlySpan<byte> section)
    {
        if (section.IsEmpty)
        {
            return null;
        }

        var reader = new RecordReader(section);
        var status = (int)reader.Number();
        return new(status, GrpcStatus.NameOf(status), reader.Text());
    }

    private List<FlowMutation> ReadMutations()
    {
        var list = new List<FlowMutation>();
        var reader = new RecordReader(_sections.Span);
        while (reader.TryTakeSection(out var tag, out var payload))
        {
            if (tag == SectionTag.Mutation)
            {
                var (actor, stage) = (payload.Text() ?? "", (Stage)payload.Number());
                list.Add(new(actor, FlowNames.Of(stage), payload.Text() ?? "", payload.Text(), payload.Text(), (long)payload.Number()));
            }
        }

        return list;
    }

    private static FlowError ReadFault(ReadOnlySpan<byte> fault)
    {
        var reader = new RecordReader(fault);
        var (code, stage, kind, blame) = (reader.Text() ?? "", (FaultStage)reader.Octet(), (FaultKind)reader.Octet(), reader.OptionalNumber());
        var (detail, retryable) = (reader.Text() ?? "", reader.Octet() != 0);
        var octets = Convert.ToHexStringLower(reader.Block());
        var (offset, chain) = (reader.OptionalNumber(), reader.Texts());
        var entry = FaultCatalog.Find(code);
        return new()
        {
            Code = code,
            Stage = FlowNames.Of(stage),
            Kind = FlowNames.Of(kind),
            Blame = blame < 0 ? null : FlowNames.Of((PeerRole)blame),
            Title = entry?.Title,
            Detail = detail,
            Retryable = retryable,
            Octets = octets.Length == 0 ? null : octets,
            OctetsOffset = offset < 0 ? null : (int)offset,
            CertificateChain = chain.Length == 0 ? null : chain,
            Clause = entry?.Clause,
            NextSteps = entry?.NextSteps ?? [],
        };
    }

    private static FlowCloseReason Reason(CloseReason reason, FlowKind kind, FlowError? fault) => new(
        FlowNames.Of(reason),
        reason != CloseReason.Timeout ? null
            : fault?.Stage == "client_tls" || fault?.Code.StartsWith("RC-TLS-", StringComparison.Ordinal) == true ? "handshake"
            : kind == FlowKind.WebSocket ? "websocket_idle"
            : kind == FlowKind.Tunnel ? "tunnel_idle"
            : "total",
        fault?.Detail);

    private static List<string> Stack(RecordContents contents, FlowKind kind, ClientRecord client)
    {
        var stack = new List<string> { "tcp" };
        if (client.Tls is not null)
        {
            stack.Add("tls");
        }

        if (kind is FlowKind.Http or FlowKind.WebSocket && !contents.Request.IsEmpty)
        {
            var version = new RequestContents(contents.Request).Version;
            stack.Add(version.IsEmpty ? "http" : HeadText.Version(version).ToLowerInvariant());
        }

        if (kind == FlowKind.WebSocket)
        {
            stack.Add("websocket");
        }

        return stack;
    }

    private static FlowClient Client(ClientRecord client) => new()
    {
        Id = client.Id,
        Remote = client.Remote,
        Local = client.Local,
        Listener = client.Listener,
        TunnelAuthority = client.TunnelAuthority,
        Tls = Tls(client.Tls),
        Http2 = Http2(client.Http2),
    };

    private static FlowServer Server(ServerRecord server, FlowFacts facts) => new()
    {
        Id = server.Id,
        Host = server.Host,
        Port = server.Port,
        Remote = server.Remote,
        Local = server.Local,
        Via = server.Via,
        Reuse = facts.Exchange,
        ResolveUs = Known(server.Resolve),
        ConnectUs = Known(server.Connect),
        TlsUs = Known(server.Handshake),
        Unverified = server.IsUnverified,
        Tls = Tls(server.Tls),
        Http2 = Http2(server.Http2),
    };

    private static FlowHttp2? Http2(Http2Facts? facts) => facts is null ? null : new()
    {
        Settings = facts.Settings,
        WindowUpdate = facts.WindowUpdate,
        Priority = facts.Priority,
        PseudoFields = facts.PseudoFields,
        Fingerprint = facts.Fingerprint,
    };

    private static FlowTls? Tls(TlsFacts? tls) => tls is null ? null : new()
    {
        Version = tls.Version,
        Cipher = tls.CipherSuite,
        Alpn = tls.ApplicationProtocol,
        Sni = tls.ServerName,
        OfferedAlpn = tls.OfferedProtocols.Count == 0 ? null : tls.OfferedProtocols,
        OfferedVersions = tls.OfferedVersions.Count == 0 ? null : tls.OfferedVersions,
        OfferedCiphers = tls.OfferedCipherSuites.Count == 0 ? null : [.. tls.OfferedCipherSuites.Select(x => (int)x)],
        Ja3 = tls.Ja3,
        Ja4 = tls.Ja4,
        Ech = tls.HasEncryptedClientHello ? true : null,
        Resumed = tls.IsResumed,
        PeerCertificates = tls.PeerCertificates.Count == 0 ? null : tls.PeerCertificates,
        PeerFingerprint = tls.PeerFingerprint,
    };

    private static FlowRepairs? Repairs(RecordContents contents)
    {
        var request = contents.Request.IsEmpty ? 0 : new RequestContents(contents.Request).Repairs;
        var response = contents.Response.IsEmpty ? 0 : new ResponseContents(contents.Response).Repairs;
        return request + response == 0 ? null : new(FlowNames.OfFlags<Http1Repairs>(request), FlowNames.OfFlags<Http1Repairs>(response));
    }

    private static Dictionary<string, long> Timings(FlowFacts facts)
    {
        var timings = new Dictionary<string, long>();
        for (var point = 1; point < facts.Timings.Length; point++)
        {
            if (facts.Timings[point] >= 0)
            {
                timings[FlowNames.Of((TimingPoint)point)] = facts.Timings[point];
            }
        }

        return timings;
    }

    private static FlowTiming Timing(FlowFacts facts)
    {
        var at = facts.Timings;
        return new(
            Between(0, at[(int)TimingPoint.ResponseHead]),
            Between(0, at[(int)TimingPoint.ResponseEnd]),
            Between(at[(int)TimingPoint.ConnectStart], at[(int)TimingPoint.Connected]),
            Between(at[(int)TimingPoint.Connected], at[(int)TimingPoint.TlsEstablished]));
    }

    private static double? Between(long start, long end) => start < 0 || end < 0 ? null : (end - start) / 1000.0;

    private static long? Known(long value) => value < 0 ? null : value;
}

/// <summary>What there is of a body.</summary>
/// <param name="IsSent">As sent after an actor changed it, or as received.</param>
/// <param name="Size">Octets on the wire, transfer coding removed.</param>
/// <param name="Captured">Octets that can be read.</param>
/// <param name="IsTruncated">Whether that is not all.</param>
/// <param name="ContentType">Content-Type; <see langword="null"/> without.</param>
/// <param name="ContentEncoding">Content-Encoding; <see langword="null"/> without.</param>
public readonly record struct CapturedBody(bool IsSent, long Size, long Captured, bool IsTruncated, string? ContentType, string? ContentEncoding);

using System.Text;
using RelayCore.Core.Connections;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Protocols;

namespace RelayCore.Runtime.Rules;

/// <summary>An exchange that rules are tried on: from a stored flow, a HAR file, or a test in a rule file. Content is decoded.</summary>
public sealed record DryRunInput
{
    /// <summary>Method.</summary>
    public string Method { get; init; } = "GET";

    /// <summary>Absolute http or https URL.</summary>
    public required string Url { get; init; }

    /// <summary>Whether the client speaks HTTP/2.</summary>
    public bool IsHttp2 { get; init; }

    /// <summary>Field lines of the request; Host is added when it is missing.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Headers { get; init; } = [];

    /// <summary>Content of the request.</summary>
    public ReadOnlyMemory<byte> Body { get; init; }

    /// <summary>The response; <see langword="null"/> when there is none.</summary>
    public DryRunResponse? Response { get; init; }

    /// <summary>Messages of a WebSocket or of a body.</summary>
    public IReadOnlyList<DryRunMessage> Messages { get; init; } = [];

    /// <summary>Address of the client.</summary>
    public string ClientAddress { get; init; } = "127.0.0.1";

    /// <summary>TLS of the client, as far as it is known; <see langword="null"/> without.</summary>
    public TlsFacts? Tls { get; init; }

    /// <summary>Address of the server; <see langword="null"/> for unknown.</summary>
    public string? ServerAddress { get; init; }

    /// <summary>What to know about it before trusting the result: a body that was not captured whole.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>The exchange of a stored flow, as its peers sent it.</summary>
    /// <returns><see langword="null"/> for a flow that is no exchange.</returns>
    public static DryRunInput? Of(Flow flow)
    {
        ArgumentNullException.ThrowIfNull(flow);
        var (request, response, messages) = flow.Layer switch
        {
            FlowLayer.Http http => (http.Data.Request, http.Data.Response, http.Data.Messages ?? []),
            FlowLayer.WebSocket socket => (socket.Data.HandshakeRequest, socket.Data.HandshakeResponse, socket.Data.Messages),
            _ => (null, null, []),
        };
        if (request is null)
        {
            return null;
        }

        (request, response) = (request.Received ?? request, response?.Received ?? response);
        var notes = new List<string>();
        return new()
        {
            Method = request.Method,
            Url = request.Url,
            IsHttp2 = request.Version == "HTTP/2.0",
            Headers = Lines(request.Headers),
            Body = Content(request.Body, "request", notes),
            Response = response is null or { Status: 0 } ? null
                : new(response.Status, Lines(response.Headers), Content(response.Body, "response", notes)) { Reason = Reason(response.StatusText) },
            Messages = [.. messages.Where(x => !x.Injected).Select(Message).OfType<DryRunMessage>()],
            ClientAddress = flow.Network.ClientIp,
            ServerAddress = flow.Network.ServerPort == 0 ? null : flow.Network.ServerIp,
            Tls = Facts(flow.Connection.Client.Tls),
            Notes = notes,
        };
    }

    private static List<KeyValuePair<string, string>> Lines(IReadOnlyList<string[]> lines) => [.. lines.Where(x => x.Length == 2).Select(x => KeyValuePair.Create(x[0], x[1]))];

    private static string? Reason(string statusText) => statusText.IndexOf(' ', StringComparison.Ordinal) is > 0 and var space ? statusText[(space + 1)..] : null;

    private static ReadOnlyMemory<byte> Content(FlowBody? body, string side, List<string> notes)
    {
        if (body is null)
        {
            return default;
        }

        if (body.Truncated || body.ContentTruncated)
        {
            notes.Add($"The body of the {side} was not captured whole ({body.Captured} of {body.Size} octets); rules that look at its end may decide otherwise.");
        }

        return body.Encoding switch
        {
            "base64" => Convert.FromBase64String(body.Content),
            "none" => default(ReadOnlyMemory<byte>),
            _ => Encoding.UTF8.GetBytes(body.Content),
        };
    }

    private static DryRunMessage? Message(FlowMessage message)
    {
        if (!Enum.TryParse<MessageType>(message.Received?.Opcode ?? message.Opcode, out var type))
        {
            return null;
        }

        var content = Content(message.Received?.Content ?? message.Content, "message", []);
        return new(message.Direction == "ClientToServer" ? PeerRole.Client : PeerRole.Server, type, content)
        {
            CloseCode = message.CloseCode ?? 1005,
            CloseReason = message.CloseReason ?? "",
            EventId = message.Event?.Id,
            EventName = message.Event?.Event,
        };
    }

    private static TlsFacts? Facts(FlowTls? tls) => tls is null ? null : new()
    {
        Version = tls.Version,
        CipherSuite = tls.Cipher,
        ApplicationProtocol = tls.Alpn,
        ServerName = tls.Sni,
        OfferedProtocols = tls.OfferedAlpn ?? [],
        OfferedVersions = tls.OfferedVersions ?? [],
        OfferedCipherSuites = [.. (tls.OfferedCiphers ?? []).Select(x => (ushort)x)],
        Ja3 = tls.Ja3,
        Ja4 = tls.Ja4,
        HasEncryptedClientHello = tls.Ech ?? false,
        IsResumed = tls.Resumed,
        PeerCertificates = tls.PeerCertificates ?? [],
        PeerFingerprint = tls.PeerFingerprint,
    };
}

/// <summary>The response of a dry run.</summary>
/// <param name="Status">100 to 999.</param>
/// <param name="Headers">Field lines.</param>
/// <param name="Body">Content.</param>
public sealed record DryRunResponse(int Status, IReadOnlyList<KeyValuePair<string, string>> Headers, ReadOnlyMemory<byte> Body)
{
    /// <summary>Reason phrase; <see langword="null"/> for the registered one.</summary>
    public string? Reason { get; init; }
}

/// <summary>A message of a dry run.</summary>
/// <param name="Sender">Who sends it.</param>
/// <param name="Type">What it is.</param>
/// <param name="Content">Its content.</param>
public sealed record DryRunMessage(PeerRole Sender, MessageType Type, ReadOnlyMemory<byte> Content)
{
    /// <summary>Code of a close.</summary>
    public int CloseCode { get; init; } = 1005;

    /// <summary>Reason of a close.</summary>
    public string CloseReason { get; init; } = "";

    /// <summary>Id of an event.</summary>
    public string? EventId { get; init; }

    /// <summary>Name of an event.</summary>
    public string? EventName { get; init; }
}

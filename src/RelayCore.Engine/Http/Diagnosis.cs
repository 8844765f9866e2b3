using RelayCore.Core.Connections;
using RelayCore.Core.Faults;
using RelayCore.Protocols;

namespace RelayCore.Engine.Http;

/// <summary>Why a peer did not do what was expected of it, from what it left behind.</summary>
internal static class Diagnosis
{
    /// <summary>What a server that closed its connection had sent in place of an answer.</summary>
    /// <param name="received">Everything it sent, less than a head.</param>
    /// <remarks>A server of HTTP/2 alone begins with a SETTINGS frame (RFC 9113 §3.4) and closes when it meets HTTP/1.</remarks>
    public static string OfMissingAnswer(ReadOnlySpan<byte> received) =>
        received.IsEmpty ? "the server closed the connection without an answer"
        : received.Length >= 9 && received[3..9].SequenceEqual((ReadOnlySpan<byte>)[4, 0, 0, 0, 0, 0])
            ? "the server answered in HTTP/2, which it was not asked for; the option --h2c names servers that speak nothing else"
        : "the server closed the connection within the response head";

    /// <summary>Why a client did not finish the TLS handshake, from what the TLS library says.</summary>
    public static FlowFault OfClientHandshake(Exception exception, string name, TlsFacts hello)
    {
        var text = string.Join(": ", Messages(exception));
        var (code, alert) = text switch
        {
            _ when Has(text, "unknown ca") => ("RC-TLS-101", "alert unknown_ca: the client does not know the issuer"),
            _ when Has(text, "certificate unknown") => ("RC-TLS-101", "alert certificate_unknown: the client rejects the certificate"),
            _ when Has(text, "bad certificate") => ("RC-TLS-101", "alert bad_certificate: the client rejects the certificate"),
            _ when Has(text, "certificate expired") => ("RC-TLS-101", "alert certificate_expired: the client's clock or ours is wrong"),
            _ when Has(text, "certificate revoked") => ("RC-TLS-101", "alert certificate_revoked: the client rejects the certificate"),
            _ when Has(text, "unsupported certificate") => ("RC-TLS-101", "alert unsupported_certificate: the client does not accept this kind of key"),
            _ when Has(text, "access denied") => ("RC-TLS-101", "alert access_denied"),
            _ when Has(text, "unsupported protocol") || Has(text, "protocol version") => ("RC-TLS-103", $"versions offered: {string.Join(", ", hello.OfferedVersions)}"),
            _ when Has(text, "no shared cipher") || Has(text, "handshake failure") || Has(text, "no suitable") => ("RC-TLS-103", $"{text}; versions offered: {string.Join(", ", hello.OfferedVersions)}"),
            _ when Has(text, "no application protocol") => ("RC-TLS-103", $"ALPN offered: {string.Join(", ", hello.OfferedProtocols)}"),
            _ when Has(text, "unexpected EOF") || Has(text, "0 bytes") || Has(text, "reset by peer") || Has(text, "Broken pipe")
                => ("RC-TLS-102", "the connection ended without an alert after the certificate was sent"),
            _ => ("RC-TLS-106", text),
        };
        return new(code, FaultStage.ClientTls, FaultKind.Tls, PeerRole.Client, $"{name}: {alert}");
    }

    private static bool Has(string text, string part) => text.Contains(part, StringComparison.OrdinalIgnoreCase);

    private static IEnumerable<string> Messages(Exception? exception)
    {
        for (; exception is not null; exception = exception.InnerException)
        {
            yield return exception.Message;
        }
    }
}

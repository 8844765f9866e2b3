using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using RelayCore.Core.Faults;
using RelayCore.Core.Messages;
using RelayCore.Protocols.Fields;

namespace RelayCore.Engine.Http;

/// <summary>Answers the proxy makes itself: <c>application/problem+json</c> (RFC 9457), or HTML for those who ask for it first.</summary>
internal static class GeneratedResponse
{
    /// <summary>Builds head and body of the answer to a fault.</summary>
    /// <param name="entry">What the fault means; its status is not 0.</param>
    /// <param name="detail">One line about this case.</param>
    /// <param name="request">Fields of the request, for Accept; <see langword="null"/> when there are none to trust.</param>
    /// <param name="close">Whether the connection ends behind it.</param>
    /// <param name="isHead">Whether the request was HEAD: the head as for GET, without body.</param>
    public static byte[] Build(FaultEntry entry, string detail, FieldSection? request, bool close, bool isHead)
    {
        var body = Body(entry, detail, request, out var contentType);
        var head = new StringBuilder(512).Append(CultureInfo.InvariantCulture, $"HTTP/1.1 {entry.Status} {ReasonPhrases.Get(entry.Status)}\r\n");
        foreach (var (name, value) in Fields(entry, contentType, body.Length))
        {
            head.Append(CultureInfo.InvariantCulture, $"{name}: {value}\r\n");
        }

        if (close)
        {
            head.Append("Connection: close\r\n");
        }

        head.Append("\r\n");
        return [.. Encoding.ASCII.GetBytes(head.ToString()), .. isHead ? [] : body];
    }

    /// <summary>Makes the same answer as a head that any HTTP version can send.</summary>
    /// <param name="head">Receives status and fields.</param>
    /// <param name="entry">What the fault means; its status is not 0.</param>
    /// <param name="detail">One line about this case.</param>
    /// <param name="request">Fields of the request, for Accept; <see langword="null"/> when there are none to trust.</param>
    /// <returns>The body; not to be sent to HEAD.</returns>
    public static byte[] Load(ResponseHead head, FaultEntry entry, string detail, FieldSection? request)
    {
        var body = Body(entry, detail, request, out var contentType);
        head.Load(entry.Status, null, 1);
        foreach (var (name, value) in Fields(entry, contentType, body.Length))
        {
            head.Fields.AddUnlogged(Encoding.ASCII.GetBytes(name), Encoding.ASCII.GetBytes(value));
        }

        return body;
    }

    private static byte[] Body(FaultEntry entry, string detail, FieldSection? request, out string contentType)
    {
        var html = request?.Get("Accept") is { } accept && PrefersHtml(accept);
        contentType = html ? "text/html; charset=utf-8" : "application/problem+json";
        return html ? Html(entry, detail) : Json(entry, detail);
    }

    private static IEnumerable<(string Name, string Value)> Fields(FaultEntry entry, string contentType, int length)
    {
        yield return ("Content-Type", contentType);
        yield return ("Content-Length", length.ToString(CultureInfo.InvariantCulture));
        yield return ("Cache-Control", "no-store");
        yield return ("X-Content-Type-Options", "nosniff");
        yield return ("X-Relay-Core-Error", entry.Code);
        if (entry.Status == 407)
        {
            yield return ("Proxy-Authenticate", "Basic realm=\"RelayCore\", charset=\"UTF-8\"");
        }
    }

    private static bool PrefersHtml(string accept)
    {
        var html = accept.IndexOf("text/html", StringComparison.OrdinalIgnoreCase);
        var json = accept.IndexOf("json", StringComparison.OrdinalIgnoreCase);
        return html >= 0 && (json < 0 || html < json);
    }

    private static byte[] Json(FaultEntry entry, string detail)
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream))
        {
            writer.WriteStartObject();
            writer.WriteString("type", $"about:blank#{entry.Code}");
            writer.WriteString("title", entry.Title);
            writer.WriteNumber("status", entry.Status);
            writer.WriteString("detail", detail);
            writer.WriteString("code", entry.Code);
            writer.WriteString("explanation", entry.Explanation);
            writer.WriteString("clause", entry.Clause);
            writer.WriteStartArray("next_steps");
            foreach (var step in entry.NextSteps)
            {
                writer.WriteStringValue(step);
            }

            writer.WriteEndArray();
            writer.WriteString("generated_by", "RelayCore");
            writer.WriteEndObject();
        }

        stream.WriteByte((byte)'\n');
        return stream.ToArray();
    }

    private static byte[] Html(FaultEntry entry, string detail)
    {
        var steps = string.Concat(entry.NextSteps.Select(x => $"<li>{WebUtility.HtmlEncode(x)}</li>"));
        return Encoding.UTF8.GetBytes(
            $$$"""
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
            <title>{{{WebUtility.HtmlEncode(entry.Title)}}}</title>
            <style>body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:3rem auto;padding:0 1rem;color:#1b1f24;background:#fff}
            code{background:#eef1f4;padding:.1em .3em;border-radius:3px}footer{color:#57606a;margin-top:2rem;font-size:.9em}
            @media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}code{background:#21262d}footer{color:#8b949e}}</style></head>
            <body><h1>{{{WebUtility.HtmlEncode(entry.Title)}}}</h1>
            <p>{{{WebUtility.HtmlEncode(entry.Explanation)}}}</p><p><code>{{{WebUtility.HtmlEncode(detail)}}}</code></p>
            <h2>What to do</h2><ul>{{{steps}}}</ul>
            <footer>{{{entry.Code}}} · {{{entry.Clause}}} · This page comes from the proxy RelayCore, not from the site.</footer></body></html>

            """);
    }
}

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
        var html = request?.Get("Accept") is { } accept && PrefersHtml(accept);
        var body = html ? Html(entry, detail) : Json(entry, detail);
        var head = new StringBuilder(512)
            .Append(CultureInfo.InvariantCulture, $"HTTP/1.1 {entry.Status} {ReasonPhrases.Get(entry.Status)}\r\n")
            .Append(html ? "Content-Type: text/html; charset=utf-8\r\n" : "Content-Type: application/problem+json\r\n")
            .Append(CultureInfo.InvariantCulture, $"Content-Length: {body.Length}\r\n")
            .Append("Cache-Control: no-store\r\n")
            .Append("X-Content-Type-Options: nosniff\r\n")
            .Append(CultureInfo.InvariantCulture, $"X-Relay-Core-Error: {entry.Code}\r\n");
        if (entry.Status == 407)
        {
            head.Append("Proxy-Authenticate: Basic realm=\"RelayCore\", charset=\"UTF-8\"\r\n");
        }

        if (close)
        {
            head.Append("Connection: close\r\n");
        }

        head.Append("\r\n");
        return [.. Encoding.ASCII.GetBytes(head.ToString()), .. isHead ? [] : body];
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

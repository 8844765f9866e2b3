using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using RelayCore.Cli.Arguments;
using RelayCore.Cli.Text;
using RelayCore.Core.Flows;

namespace RelayCore.Cli.Flows;

/// <summary>A whole flow for a person: what was said, how long it took, over which connections, who changed what, what went wrong and what to do.</summary>
internal sealed class FlowText(Flow flow, CliEnvironment environment)
{
    private const int MaxBodyCharacters = 64 * 1024;
    private const int MaxHexOctets = 512;
    private const int MaxMessages = 100;

    private readonly TextWriter _output = environment.Output;
    private readonly Style _style = new(environment.HasColor);

    /// <summary>Writes it.</summary>
    public void Write()
    {
        switch (flow.Layer)
        {
            case FlowLayer.Http http:
                WriteExchange(http.Data.Request, http.Data.Informational ?? [], http.Data.Response, http.Data.Error);
                WriteMessages("Messages", http.Data.Messages ?? [], http.Data.MessageCount ?? 0, http.Data.MessagesDropped ?? 0);
                break;
            case FlowLayer.WebSocket socket:
                WriteExchange(socket.Data.HandshakeRequest, [], socket.Data.HandshakeResponse, socket.Data.Error);
                WriteMessages("WebSocket", socket.Data.Messages, socket.Data.MessageCount, socket.Data.MessagesDropped ?? 0);
                Line($"{SizeText.Format(socket.Data.BytesUp)} from the client, {SizeText.Format(socket.Data.BytesDown)} from the server");
                if (socket.Data.CloseCode is { } code)
                {
                    Line($"closed by the {socket.Data.ClosedBy} with {code}{(socket.Data.CloseReason is { } why ? $" \"{Printable.Line(why)}\"" : "")}");
                }

                break;
            case FlowLayer.Tcp tcp:
                _output.WriteLine(_style.Bold($"{(flow.Kind == FlowKind.Tunnel ? "Tunnel" : "Connection")} to {Printable.Line(tcp.Data.Target ?? "?")}"));
                WriteFacts(tcp.Data.Error);
                WriteTunnelSide("From the client", tcp.Data.BytesUp, tcp.Data.Up);
                WriteTunnelSide("From the server", tcp.Data.BytesDown, tcp.Data.Down);
                break;
            default:
                _output.WriteLine("This flow is of a kind this version does not know; see --output json.");
                break;
        }

        WriteRules();
        WriteMutations();
        WriteTimings();
        WriteConnections();
    }

    private void WriteExchange(FlowRequest? request, IReadOnlyList<FlowResponse> informational, FlowResponse? response, FlowError? error)
    {
        _output.WriteLine(_style.Bold(request is null ? "No request" : $"{Printable.Line(request.Method)} {Printable.Line(request.Url)}"));
        WriteFacts(error);
        if (request is not null)
        {
            Title("Request");
            Line($"{Printable.Line(request.Method)} {Printable.Line(request.Url)} {request.Version}");
            WriteFields(request.Headers);
            WriteBody(request.Body, request.Headers, "request");
            WriteFields(request.Trailers ?? []);
        }

        foreach (var interim in informational)
        {
            Title("Interim response");
            WriteResponseHead(interim);
        }

        if (response is not null)
        {
            Title("Response");
            WriteResponseHead(response);
            WriteBody(response.Body, response.Headers, "response");
            WriteFields(response.Trailers ?? []);
        }
    }

    private void WriteMessages(string title, IReadOnlyList<FlowMessage> messages, long count, long dropped)
    {
        if (messages.Count == 0 && count == 0 && title != "WebSocket")
        {
            return;
        }

        Title(string.Create(CultureInfo.InvariantCulture, $"{title}: {count} {(count == 1 ? "message" : "messages")}"));
        var shown = messages.Skip(Math.Max(0, messages.Count - MaxMessages)).ToList();
        if (dropped > 0)
        {
            Line(_style.Yellow(string.Create(CultureInfo.InvariantCulture, $"[{dropped} not kept]")));
        }

        if (count - dropped > shown.Count)
        {
            Line(_style.Dim(string.Create(CultureInfo.InvariantCulture, $"[{count - dropped - shown.Count} older: flows messages {flow.Id}]")));
        }

        foreach (var message in shown)
        {
            Line(MessageLine.Format(message, environment.Width == int.MaxValue ? int.MaxValue : environment.Width - 2, _style, environment.Time.LocalTimeZone));
        }
    }

    private void WriteResponseHead(FlowResponse response)
    {
        Line(_style.Status(response.Status, $"{response.Version} {Printable.Line(response.StatusText)}"));
        WriteFields(response.Headers);
    }

    private void WriteFacts(FlowError? error)
    {
        Line($"id {flow.Id}   started {flow.StartTime}   {(flow.EndTime is null ? "still running" : "took " + FlowLine.Duration(At("end")))}");
        var reason = error is null && flow.CloseReason is { Reason: not "completed" } close
            ? $"ended: {close.Reason}{(close.Kind is null ? "" : $" ({close.Kind})")}{(close.Detail is null ? "" : ": " + Printable.Line(close.Detail))}"
            : null;
        if (reason is not null)
        {
            Line(reason);
        }

        if (flow.Marks.Count > 0 || flow.Tags.Count > 0)
        {
            Line("marks " + string.Join(", ", flow.Marks.Concat(flow.Tags.Select(Printable.Line))));
        }

        if (flow.Marker is { } marker)
        {
            Line("marker " + Printable.Line(marker));
        }

        if (flow.Comment is { } comment)
        {
            Line("comment " + Printable.Line(comment));
        }

        if (flow.Repairs is { } repairs)
        {
            Line("repaired " + string.Join(", ", repairs.Request.Select(x => "request " + x).Concat(repairs.Response.Select(x => "response " + x))));
        }

        WriteError(error);
    }

    private void WriteError(FlowError? error)
    {
        if (error is null)
        {
            return;
        }

        _output.WriteLine();
        _output.WriteLine(_style.Red($"{error.Code}: {error.Title ?? error.Kind}"));
        Line(Printable.Line(error.Detail) + (error.Blame is null ? "" : $" (by the {error.Blame})"));
        if (error.Octets is { Length: > 0 } octets)
        {
            var bytes = Convert.FromHexString(octets);
            WriteHex(bytes, error.OctetsOffset ?? -1);
        }

        foreach (var (certificate, i) in (error.CertificateChain ?? []).Select((x, i) => (x, i)))
        {
            Line($"{new string(' ', i * 2)}{(i == 0 ? "certificate" : "issued by")} {Printable.Line(certificate)}");
        }

        if (error.NextSteps.Count > 0)
        {
            Line("What to do:");
            foreach (var step in error.NextSteps)
            {
                Line(environment.Advice("  - " + step));
            }
        }
    }

    private void WriteFields(IReadOnlyList<string[]> fields)
    {
        foreach (var field in fields)
        {
            Line($"{_style.Cyan(Printable.Line(field[0]))}: {Printable.Line(field[1])}");
        }
    }

    private void WriteBody(FlowBody? body, IReadOnlyList<string[]> headers, string side)
    {
        if (body is null)
        {
            return;
        }

        _output.WriteLine();
        if (body.Captured > 0)
        {
            var contentType = headers.FirstOrDefault(x => x[0].Equals("content-type", StringComparison.OrdinalIgnoreCase))?[1] ?? "";
            WriteContent(body, contentType);
        }

        var notes = new List<string>();
        if (body.ContentEncoding is { } coding)
        {
            notes.Add($"{SizeText.Format(body.Size)} on the wire as {Printable.Line(coding)}");
        }

        if (body.Truncated)
        {
            notes.Add($"only {SizeText.Format(body.Captured)} of {SizeText.Format(body.Size)} captured");
        }

        if (body.DecodingProblem is { } problem)
        {
            notes.Add("not decoded whole: " + Printable.Line(problem));
        }

        if (body.ContentTruncated)
        {
            notes.Add($"cut here; the rest: flows get {flow.Id} --body {side}");
        }

        if (notes.Count > 0)
        {
            Line(_style.Yellow($"[{string.Join("; ", notes)}]"));
        }
    }

    private void WriteContent(FlowBody body, string contentType)
    {
        if (body.Encoding != "utf-8")
        {
            var octets = Convert.FromBase64String(body.Content);
            WriteHex(octets.AsSpan(0, Math.Min(octets.Length, MaxHexOctets)), -1);
            if (octets.Length > MaxHexOctets)
            {
                Line(_style.Dim($"[{SizeText.Format(octets.Length - MaxHexOctets)} more]"));
            }

            return;
        }

        var text = Printable.Block(contentType.Contains("json", StringComparison.OrdinalIgnoreCase) ? PrettyJson(body.Content) : body.Content).TrimEnd('\n');
        foreach (var line in text.AsSpan(0, Math.Min(text.Length, MaxBodyCharacters)).EnumerateLines())
        {
            Line(line.ToString());
        }

        if (text.Length > MaxBodyCharacters)
        {
            Line(_style.Dim($"[{text.Length - MaxBodyCharacters} more characters; see --body]"));
        }
    }

    private void WriteTunnelSide(string title, long octets, FlowBody? first)
    {
        if (octets == 0 && flow.Kind == FlowKind.Connection)
        {
            return; // it never came to that
        }

        Title($"{title}: {SizeText.Format(octets)}");
        if (first is { Captured: > 0 })
        {
            var content = first.Encoding == "utf-8" ? Encoding.UTF8.GetBytes(first.Content) : Convert.FromBase64String(first.Content);
            WriteHex(content.AsSpan(0, Math.Min(content.Length, MaxHexOctets)), -1);
        }
    }

    private void WriteRules()
    {
        // Of rules beyond what a trace holds there is only the name.
        var events = (flow.RuleTrace?.Events ?? []).Where(x => x.Matched).ToLookup(x => x.RuleId);
        var matched = (flow.MatchedRules ?? []).Union(events.Select(x => x.Key)).ToList();
        if (matched.Count == 0)
        {
            return;
        }

        Title($"Rules that matched (more: flows why {flow.Id})");
        foreach (var id in matched)
        {
            Line($"{Printable.Line(id)}{(events.Contains(id) ? "  " + string.Join("; ", events[id].Select(RuleLine)) : "")}");
        }
    }

    private static string RuleLine(RuleEvent item)
    {
        var actions = string.Join(", ", (item.Actions ?? []).Select(x => Printable.Line(x.Type) + (x.Outcome is "done" or "terminal" ? "" : $" ({x.Outcome.Replace('_', ' ')})")));
        var how = item.Outcome switch
        {
            "MatchedAndTerminated" => ", ended the stage",
            "Failed" => $", failed{(item.Detail is null ? "" : ": " + Printable.Line(item.Detail))}",
            _ => "",
        };
        return $"{Printable.Line(item.Stage)}{(actions.Length == 0 ? "" : ": " + actions)}{how}";
    }

    private void WriteMutations()
    {
        if (flow.Mutations is not { Count: > 0 } mutations)
        {
            return;
        }

        Title("Changes");
        foreach (var change in mutations)
        {
            Line($"{Printable.Line(change.Actor)} at {change.Stage}: {Printable.Line(change.Target)}  {Value(change.Before)} -> {Value(change.After)}");
        }

        static string Value(string? text) => text is null ? "(none)" : $"\"{Printable.Cut(Printable.Line(text), 120)}\"";
    }

    private void WriteTimings()
    {
        if (flow.Timings.Count == 0)
        {
            return;
        }

        Title("Timings");
        var last = 0L;
        foreach (var (point, at) in flow.Timings.OrderBy(x => x.Value))
        {
            Line($"{point.Replace('_', ' '),-18} {FlowLine.Duration(at / 1000.0),10}   {_style.Dim($"+{FlowLine.Duration((at - last) / 1000.0)}")}");
            last = at;
        }
    }

    private void WriteConnections()
    {
        Title("Connections");
        var client = flow.Connection.Client;
        var tunnel = client.TunnelAuthority is { } authority ? $" through CONNECT {Printable.Line(authority)}" : "";
        Line($"client {client.Remote} on {client.Listener ?? client.Local}{tunnel}");
        WriteTls(client.Tls);
        WriteHttp2(client.Http2, flow.StreamId);
        if (flow.Connection.Server is { } server)
        {
            var reuse = server.Reuse > 0 ? $", request {server.Reuse + 1} on this connection" : ", new connection";
            Line($"server {Printable.Line(server.Host)}:{server.Port} at {server.Remote ?? "?"}{(server.Via is null ? "" : $" through {Printable.Line(server.Via)}")}{reuse}");
            WriteTls(server.Tls);
            WriteHttp2(server.Http2, flow.ServerStreamId);
            if (server.Unverified)
            {
                Line(_style.Yellow("  its certificate was not verified (--insecure-upstream)"));
            }
        }
    }

    private void WriteTls(FlowTls? tls)
    {
        if (tls is null)
        {
            return;
        }

        var facts = new (string Name, string? Value)[]
        {
            ("", tls.Version), ("", tls.Cipher), ("ALPN ", tls.Alpn), ("SNI ", tls.Sni), ("JA3 ", tls.Ja3), ("JA4 ", tls.Ja4),
            ("", tls.Resumed == true ? "resumed" : null),
        };
        Line("  " + string.Join(", ", facts.Where(x => x.Value is not null).Select(x => x.Name + Printable.Line(x.Value!))));
        foreach (var certificate in tls.PeerCertificates ?? [])
        {
            Line("  certificate " + Printable.Line(certificate));
        }
    }

    private void WriteHttp2(FlowHttp2? http2, long? stream)
    {
        if (http2 is null && stream is null)
        {
            return;
        }

        var id = stream is null ? "" : string.Create(CultureInfo.InvariantCulture, $" stream {stream}");
        Line($"  HTTP/2{id}{(http2 is null ? "" : $", fingerprint {Printable.Line(http2.Fingerprint)}")}");
    }

    private void WriteHex(ReadOnlySpan<byte> octets, int mark)
    {
        for (var at = 0; at < octets.Length; at += 16)
        {
            var row = octets[at..Math.Min(octets.Length, at + 16)];
            var hex = new StringBuilder();
            var text = new StringBuilder();
            for (var i = 0; i < row.Length; i++)
            {
                hex.Append(CultureInfo.InvariantCulture, $"{row[i]:x2}{(at + i == mark ? '<' : ' ')}");
                text.Append(row[i] is >= 0x20 and < 0x7f ? (char)row[i] : '.');
            }

            Line($"{_style.Dim(at.ToString("x4", CultureInfo.InvariantCulture))}  {hex,-48}  {text}");
        }
    }

    private void Title(string text)
    {
        _output.WriteLine();
        _output.WriteLine(_style.Bold(text));
    }

    private void Line(string text) => _output.WriteLine("  " + text);

    private double? At(string point) => flow.Timings.TryGetValue(point, out var at) ? at / 1000.0 : null;

    private static string PrettyJson(string text)
    {
        try
        {
            using var document = JsonDocument.Parse(text);
            var buffer = new ArrayBufferWriter<byte>();
            using (var writer = new Utf8JsonWriter(buffer, new() { Indented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
            {
                document.WriteTo(writer);
            }

            return Encoding.UTF8.GetString(buffer.WrittenSpan);
        }
        catch (JsonException)
        {
            return text; // it only says it is JSON
        }
    }
}

using System.Text;
using RelayCore.Core.Connections;
using RelayCore.Core.Flows;

namespace RelayCore.Engine.Capture;

/// <summary>Makes list lines from stored octets, and tells which flows a query wants without making anything.</summary>
internal sealed class FlowMatcher(FlowQuery query)
{
    private readonly byte[] _host = Lower(query.Host);
    private readonly byte[] _path = Lower(query.PathContains);
    private readonly byte[] _method = Lower(query.Method);

    /// <summary>Whether the index already rules a flow out.</summary>
    public bool MayMatch(in FlowEntry entry) =>
        (query.StatusMin is not { } min || entry.Status >= min)
        && (query.StatusMax is not { } max || (entry.Status <= max && entry.Status > 0))
        && (query.HasError is not { } error || error == FlowSummaries.HasError(entry))
        && (query.IsWebsocket is not { } socket || socket == ((FlowKind)entry.Kind == FlowKind.WebSocket));

    /// <summary>Whether a flow is wanted, given that <see cref="MayMatch"/> said so.</summary>
    public bool Matches(FlowView view)
    {
        if (_host.Length + _path.Length + _method.Length == 0)
        {
            return true;
        }

        var contents = new RecordContents(view.Sections);
        if (contents.FinalRequest.IsEmpty)
        {
            return _path.Length + _method.Length == 0 && Contains(HostOf(contents, view), _host);
        }

        var request = new RequestContents(contents.FinalRequest);
        return Contains(request.Host, _host) && Contains(request.Path, _path)
            && (_method.Length == 0 || Ascii.EqualsIgnoreCase(request.Method, _method));
    }

    private static ReadOnlySpan<byte> HostOf(RecordContents contents, FlowView view)
    {
        if (contents.Tunnel.IsEmpty)
        {
            return Encoding.UTF8.GetBytes(FlowSummaries.HostOf(view));
        }

        var reader = new RecordReader(contents.Tunnel);
        reader.Number();
        return reader.TextOctets();
    }

    private static bool Contains(ReadOnlySpan<byte> text, ReadOnlySpan<byte> lower)
    {
        for (var start = 0; start <= text.Length - lower.Length; start++)
        {
            if (Ascii.EqualsIgnoreCase(text.Slice(start, lower.Length), lower))
            {
                return true;
            }
        }

        return false;
    }

    private static byte[] Lower(string? text) => string.IsNullOrEmpty(text) ? [] : Encoding.UTF8.GetBytes(text.ToLowerInvariant());
}

/// <summary>Makes list lines from stored octets.</summary>
internal static class FlowSummaries
{
    public static bool HasError(in FlowEntry entry) => (entry.Flags & FlowEntry.HasFault) != 0 || entry.Status >= 500;

    public static FlowSummary Read(FlowView view)
    {
        var entry = view.Entry;
        var contents = new RecordContents(view.Sections);
        var facts = FlowFacts.Read(view);
        var (method, url, host, path) = Address(view, contents);
        var isRunning = (entry.Flags & FlowEntry.IsRunning) != 0;
        var end = facts.Timings[(int)TimingPoint.End];
        var contentType = contents.FinalResponse.IsEmpty ? [] : HeadText.Value(new ResponseContents(contents.FinalResponse).Head, "content-type"u8);
        return new()
        {
            Id = new FlowId(entry.Id).ToString(),
            Method = method,
            Url = url,
            Host = host,
            Path = path,
            Status = entry.Status == 0 ? null : entry.Status,
            DurationMs = isRunning || end < 0 ? null : end / 1000.0,
            Tags = contents.Context.IsEmpty ? [] : new RecordReader(contents.Context).Texts(),
            StartTimeMs = entry.StartedAt / 1000,
            HasError = HasError(entry),
            IsWebsocket = (FlowKind)entry.Kind == FlowKind.WebSocket,
            Kind = (FlowKind)entry.Kind,
            State = isRunning ? "running" : (entry.Flags & FlowEntry.HasFault) != 0 ? "errored" : "completed",
            RequestSize = facts.Bodies[BodySlot.RequestReceived].Total,
            Size = facts.Bodies[BodySlot.ResponseReceived].Total,
            ContentType = contentType.IsEmpty ? null : Encoding.Latin1.GetString(contentType),
            ErrorCode = contents.Fault.IsEmpty ? null : new RecordReader(contents.Fault).Text(),
            ServerReused = ((FlowMarks)entry.Marks & FlowMarks.ServerReused) != 0,
            Truncated = IsTruncated((FlowMarks)entry.Marks),
            MessageCount = facts.Messages == 0 ? null : facts.Messages,
            ClientConnection = (long)new RecordReader(view.Client).Number(),
            ParentId = facts.Parent.IsEmpty ? null : facts.Parent.ToString(),
        };
    }

    public static bool IsTruncated(FlowMarks marks) =>
        (marks & (FlowMarks.RequestBodyTruncated | FlowMarks.ResponseBodyTruncated | FlowMarks.CaptureBudgetExceeded
            | FlowMarks.MessagesDropped | FlowMarks.MessageTruncated)) != 0;

    /// <summary>Host of a flow without request and tunnel: what the client asked for by SNI or CONNECT.</summary>
    public static string HostOf(FlowView view)
    {
        var client = ConnectionRecord.ReadClient(view.Client);
        return client.Tls?.ServerName ?? client.TunnelAuthority ?? "";
    }

    public static (string Method, string Url, string Host, string Path) Address(FlowView view, RecordContents contents)
    {
        if (!contents.FinalRequest.IsEmpty)
        {
            var request = new RequestContents(contents.FinalRequest);
            var host = Encoding.UTF8.GetString(request.Host);
            var path = Encoding.Latin1.GetString(request.Path);
            var query = path.IndexOf('?', StringComparison.Ordinal);
            return (Encoding.Latin1.GetString(request.Method), Url(request, host, path), host, query < 0 ? path : path[..query]);
        }

        if (!contents.Tunnel.IsEmpty)
        {
            var (host, port) = Target(contents.Tunnel);
            return ("", Origin.Format(host, port), host, "");
        }

        var name = HostOf(view);
        return ("", name, name, "");
    }

    /// <summary>The absolute URL of a request.</summary>
    public static string Url(RequestContents request, string host, string path)
    {
        if (request.IsAuthority)
        {
            return Origin.Format(host, request.Port);
        }

        var origin = new Origin(request.IsSecure, host, request.Port);
        return path switch
        {
            "" or "*" => origin.ToString(),
            ['/', ..] => $"{origin}{path}",
            _ => $"{origin}/{path}",
        };
    }

    public static (string Host, int Port) Target(ReadOnlySpan<byte> tunnel)
    {
        var reader = new RecordReader(tunnel);
        var port = (int)reader.Number();
        return (reader.Text() ?? "", port);
    }
}

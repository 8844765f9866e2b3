using System.Globalization;
using Microsoft.AspNetCore.Http;
using RelayCore.Core.Flows;
using RelayCore.Engine.Capture;
using RelayCore.Protocols;
using RelayCore.Runtime.Flows;

namespace RelayCore.Api.Endpoints;

/// <summary>Captured flows: <c>GET /flows</c>, <c>/flows/{id}</c>, <c>/flows/{id}/request/body</c>, <c>/flows/{id}/response/body</c>.</summary>
internal sealed class FlowEndpoints(FlowService flows)
{
    public Task ListAsync(HttpContext context)
    {
        var query = new Parameters(context.Request.Query);
        var page = flows.Query(new()
        {
            Host = query.Text("host"),
            PathContains = query.Text("path_contains") ?? query.Text("path"),
            Method = query.Text("method"),
            StatusMin = query.Number("status_min"),
            StatusMax = query.Number("status_max"),
            HasError = query.Flag("has_error"),
            IsWebsocket = query.Flag("is_websocket"),
            Limit = query.Number("limit") ?? 50,
            Offset = query.Number("offset") ?? 0,
            Cursor = query.FlowId("cursor"),
        });
        return Answer.JsonAsync(context, page, FlowJson.Default.FlowPage);
    }

    public Task GetAsync(HttpContext context) =>
        Answer.JsonAsync(context, flows.Get(Id(context)) ?? throw Unknown(context), FlowJson.Default.Flow);

    public Task RequestBodyAsync(HttpContext context) => BodyAsync(context, PeerRole.Client);

    public Task ResponseBodyAsync(HttpContext context) => BodyAsync(context, PeerRole.Server);

    private async Task BodyAsync(HttpContext context, PeerRole sender)
    {
        var query = new Parameters(context.Request.Query);
        var isDecoded = query.Choice("view", "raw", "decoded") == 1;
        bool? isSent = query.Text("version") is null ? null : query.Choice("version", "received", "sent") == 1;
        var id = Id(context);
        await using var body = flows.OpenBody(id, sender, isSent);
        if (body is null)
        {
            // Which of the two is missing matters to whoever asks.
            throw flows.Get(id, maxContent: 0) is null
                ? Unknown(context)
                : new ApiException(StatusCodes.Status404NotFound, "body_not_found", "This flow has no such body.");
        }

        Describe(context, body.Body, id, sender);
        if (isDecoded)
        {
            var content = flows.DecodeBody(id, sender, isSent, out var problem) ?? throw Unknown(context);
            if (problem is not null)
            {
                context.Response.Headers["X-Relay-Core-Decoding-Problem"] = HeaderText(problem);
            }

            context.Response.ContentLength = content.Length;
            await (HttpMethods.IsHead(context.Request.Method) ? Task.CompletedTask : context.Response.Body.WriteAsync(content, context.RequestAborted).AsTask());
            return;
        }

        if (body.Body.ContentEncoding is { } coding)
        {
            // Not as Content-Encoding: a client would take it off, and raw is what was asked for.
            context.Response.Headers["X-Relay-Core-Content-Encoding"] = HeaderText(coding);
        }

        context.Response.ContentLength = body.Length;
        if (!HttpMethods.IsHead(context.Request.Method))
        {
            await body.CopyToAsync(context.Response.Body, context.RequestAborted);
        }
    }

    // The octets are a stranger's: saved, never shown or run as a page of ours.
    private static void Describe(HttpContext context, CapturedBody body, FlowId id, PeerRole sender)
    {
        var headers = context.Response.Headers;
        context.Response.ContentType = body.ContentType is { } type && HeaderText(type) == type ? type : "application/octet-stream";
        headers.ContentDisposition = $"attachment; filename=\"{id}-{(sender == PeerRole.Client ? "request" : "response")}\"";
        headers.ContentSecurityPolicy = "sandbox; default-src 'none'";
        headers["X-Relay-Core-Body-Size"] = body.Size.ToString(CultureInfo.InvariantCulture);
        if (body.IsTruncated)
        {
            headers["X-Relay-Core-Truncated"] = body.Size.ToString(CultureInfo.InvariantCulture);
        }
    }

    private static string HeaderText(string text) => string.Concat(text.Where(x => x is >= ' ' and <= '~'));

    /// <summary>The id in the path.</summary>
    /// <exception cref="ApiException">It is none.</exception>
    internal static FlowId Id(HttpContext context) =>
        FlowId.TryParse(context.Request.RouteValues["id"] as string, out var id) ? id : throw Unknown(context);

    internal static ApiException Unknown(HttpContext context) =>
        new(StatusCodes.Status404NotFound, "flow_not_found",
            $"There is no flow {HeaderText(context.Request.RouteValues["id"] as string ?? "")}: it is unknown, or had to go.");
}

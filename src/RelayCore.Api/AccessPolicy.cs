using System.Net;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace RelayCore.Api;

/// <summary>
/// Who may use the API. A request must name us (Host: a page whose name was rebound to our address names itself), must not come from a foreign page
/// (Origin), and must hold the token, as bearer (RFC 6750 §2.1) or in the cookie <c>relay_core_token</c>. Everything that goes wrong below is answered as JSON.
/// </summary>
internal sealed class AccessPolicy(string token, IPAddress bound, Action<Exception>? onInternalFailure)
{
    private const string CookieName = "relay_core_token";
    private readonly byte[] _token = Encoding.UTF8.GetBytes(token);

    /// <summary>The middleware.</summary>
    public async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        context.Response.Headers.CacheControl = "no-store";
        context.Response.Headers.XContentTypeOptions = "nosniff";
        if (!IsHostAllowed(context.Request.Host.Host))
        {
            await Problem.WriteAsync(context, StatusCodes.Status421MisdirectedRequest, "host_not_allowed",
                "The Host of this request does not name this API; use its address, e.g. 127.0.0.1.");
        }
        else if (!IsOriginAllowed(context.Request))
        {
            await Problem.WriteAsync(context, StatusCodes.Status403Forbidden, "origin_not_allowed", "Pages of other origins cannot use this API.");
        }
        else if (!HasToken(context.Request))
        {
            await Problem.WriteUnauthorizedAsync(context);
        }
        else
        {
            await RunAsync(context, next);
        }
    }

    private async Task RunAsync(HttpContext context, RequestDelegate next)
    {
        try
        {
            await next(context);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            return; // the client went away
        }
        catch (ApiException error)
        {
            await Problem.WriteAsync(context, error.Status, error.Code, error.Message);
            return;
        }
        catch (Exception error)
        {
            onInternalFailure?.Invoke(error);

            // What went wrong inside is not the client's business, and a stack trace never is.
            await Problem.WriteAsync(context, StatusCodes.Status500InternalServerError, "internal_error", "The request failed inside the proxy; this is a defect.");
            return;
        }

        // Routing answers with a bare status.
        if (!context.Response.HasStarted && context.Response.StatusCode is var status and >= 400 && context.Response.ContentLength is null)
        {
            await (status switch
            {
                StatusCodes.Status404NotFound => Problem.WriteAsync(context, status, "not_found", "There is nothing at this path."),
                StatusCodes.Status405MethodNotAllowed => Problem.WriteAsync(context, status, "method_not_allowed", "This path does not take this method; see Allow."),
                _ => Problem.WriteAsync(context, status, "request_failed", "The request cannot be served."),
            });
        }
    }

    private bool IsHostAllowed(string host)
    {
        if (host.Equals("localhost", StringComparison.OrdinalIgnoreCase))
        {
            return true;
        }

        // Rebinding needs a name; where every address is bound, every address is fine.
        return IPAddress.TryParse(host, out var address)
            && (IPAddress.IsLoopback(address) || address.Equals(bound) || bound.Equals(IPAddress.Any) || bound.Equals(IPAddress.IPv6Any));
    }

    private static bool IsOriginAllowed(HttpRequest request) =>
        request.Headers.Origin.Count == 0
        || (request.Headers.Origin.Count == 1 && string.Equals(request.Headers.Origin, $"http://{request.Host.Value}", StringComparison.OrdinalIgnoreCase));

    private bool HasToken(HttpRequest request)
    {
        const string Scheme = "Bearer ";
        var authorization = request.Headers.Authorization;
        return authorization.Count == 1 && authorization[0] is { } value && value.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)
            ? IsToken(value[Scheme.Length..].Trim())
            : request.Cookies[CookieName] is { } cookie && IsToken(cookie);
    }

    private bool IsToken(string candidate) => CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(candidate), _token);
}

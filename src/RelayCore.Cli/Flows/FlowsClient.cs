using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.ServerSentEvents;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using RelayCore.Cli.Discovery;
using RelayCore.Core.Flows;

namespace RelayCore.Cli.Flows;

/// <summary>The control API of a running proxy, as the commands use it. Every failure is a sentence.</summary>
internal sealed class FlowsClient : IDisposable
{
    private readonly HttpClient _http;
    private readonly Uri _base;

    private FlowsClient(Uri url, string? token)
    {
        _base = url;

        // The environment may name our own proxy as the proxy of everything.
        _http = new HttpClient(new SocketsHttpHandler { UseProxy = false, ConnectTimeout = TimeSpan.FromSeconds(5) }) { Timeout = Timeout.InfiniteTimeSpan };
        if (token is not null)
        {
            _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        }
    }

    /// <summary>The proxy named by <c>--api-url</c> and RELAY_API_TOKEN, or the one that runs with the data directory.</summary>
    /// <exception cref="CliException">There is none.</exception>
    public static FlowsClient Find(string? apiUrl, string? dataDirectory, CliEnvironment environment)
    {
        if (apiUrl is not null)
        {
            return Uri.TryCreate(apiUrl, UriKind.Absolute, out var url) && url.Scheme is "http" or "https"
                ? new(url, environment["RELAY_API_TOKEN"])
                : throw new CliException($"--api-url: '{Text.Printable.Line(apiUrl)}' is not a URL such as http://127.0.0.1:8082.", ExitCode.Usage);
        }

        if (!Manifest.TryFind(DataDirectory.Resolve(dataDirectory, environment), out var manifest, out var problem))
        {
            throw new CliException(problem);
        }

        return manifest.ApiUrl is { } found
            ? new(new(found), manifest.Token)
            : throw new CliException($"The proxy (pid {manifest.Pid}) runs without its API (--no-api), so its flows cannot be read.");
    }

    /// <summary>One page of flows, newest first.</summary>
    public Task<FlowPage> ListAsync(FlowQuery query, CancellationToken cancellationToken) =>
        GetAsync("flows" + QueryString(query), FlowJson.Default.FlowPage, cancellationToken);

    /// <summary>One flow; <see langword="null"/> when the proxy has no such flow.</summary>
    public async Task<(Flow Flow, byte[] Json)?> FindAsync(string id, CancellationToken cancellationToken)
    {
        using var response = await SendAsync($"flows/{Uri.EscapeDataString(id)}", HttpCompletionOption.ResponseContentRead, cancellationToken);
        if (response.StatusCode == HttpStatusCode.NotFound)
        {
            return null;
        }

        await ThrowIfRefusedAsync(response, cancellationToken);
        var json = await response.Content.ReadAsByteArrayAsync(cancellationToken);
        return (Parse(json, FlowJson.Default.Flow), json);
    }

    /// <summary>Copies a body, as captured, to a stream.</summary>
    /// <returns>Octets the body had on the wire when the capture has fewer; otherwise -1.</returns>
    public async Task<long> CopyBodyAsync(string id, string side, bool decoded, Stream destination, CancellationToken cancellationToken)
    {
        using var response = await SendAsync(
            $"flows/{Uri.EscapeDataString(id)}/{side}/body?view={(decoded ? "decoded" : "raw")}", HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        await ThrowIfRefusedAsync(response, cancellationToken);
        await response.Content.CopyToAsync(destination, cancellationToken);
        return response.Headers.TryGetValues("X-Relay-Core-Truncated", out var values)
            && long.TryParse(values.First(), NumberStyles.None, CultureInfo.InvariantCulture, out var total) ? total : -1;
    }

    /// <summary>One page of a flow's messages, oldest first.</summary>
    /// <param name="id">The flow.</param>
    /// <param name="after">Number of the last message already seen.</param>
    /// <param name="cancellationToken">Gives it up.</param>
    public Task<IReadOnlyList<FlowMessage>> MessagesAsync(string id, long after, CancellationToken cancellationToken) => GetAsync(
        string.Create(CultureInfo.InvariantCulture, $"flows/{Uri.EscapeDataString(id)}/messages?limit=1000&after={after}"),
        FlowJson.Default.IReadOnlyListFlowMessage, cancellationToken);

    /// <summary>Asks for something to be said in a flow.</summary>
    /// <param name="id">The flow.</param>
    /// <param name="what"><c>messages</c> or <c>close</c>.</param>
    /// <param name="json">What.</param>
    /// <param name="cancellationToken">Gives it up.</param>
    public async Task SayAsync(string id, string what, ReadOnlyMemory<byte> json, CancellationToken cancellationToken)
    {
        using var content = new ReadOnlyMemoryContent(json);
        content.Headers.ContentType = new("application/json");
        using var request = new HttpRequestMessage(HttpMethod.Post, Address($"flows/{Uri.EscapeDataString(id)}/{what}")) { Content = content };
        using var response = await SendAsync(request, HttpCompletionOption.ResponseContentRead, cancellationToken);
        await ThrowIfRefusedAsync(response, cancellationToken);
    }

    /// <summary>Asks for anything of the API that answers with JSON.</summary>
    /// <param name="method">Method.</param>
    /// <param name="path">Path behind <c>/api/v1/</c>.</param>
    /// <param name="content">What is sent; <see langword="null"/> for nothing.</param>
    /// <param name="cancellationToken">Gives it up.</param>
    /// <returns>Whether it was done, and what the API says.</returns>
    public async Task<(bool IsDone, byte[] Json)> RequestAsync(HttpMethod method, string path, ReadOnlyMemory<byte>? content, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, Address(path)) { Content = content is { } octets ? new ReadOnlyMemoryContent(octets) : null };
        using var response = await SendAsync(request, HttpCompletionOption.ResponseContentRead, cancellationToken);
        if (!response.IsSuccessStatusCode && response.Content.Headers.ContentType?.MediaType != "application/problem+json")
        {
            await ThrowIfRefusedAsync(response, cancellationToken);
        }

        return (response.IsSuccessStatusCode, await response.Content.ReadAsByteArrayAsync(cancellationToken));
    }

    /// <summary>Events from now on: name and data, until the proxy ends.</summary>
    /// <param name="messages">Whether messages of flows come too.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async IAsyncEnumerable<(string Name, byte[] Data)> FollowAsync(
        bool messages, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var response = await SendAsync(
            $"events?flow=summary&messages={(messages ? "true" : "false")}", HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        await ThrowIfRefusedAsync(response, cancellationToken);
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        await using var events = SseParser.Create(stream, static (_, data) => data.ToArray()).EnumerateAsync(cancellationToken).GetAsyncEnumerator(cancellationToken);
        while (true)
        {
            try
            {
                if (!await events.MoveNextAsync())
                {
                    yield break;
                }
            }
            catch (Exception error) when (error is HttpRequestException or IOException)
            {
                yield break; // the proxy is gone
            }

            yield return (events.Current.EventType, events.Current.Data);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    /// <summary>The query part of a list, <c>?…</c>.</summary>
    internal static string QueryString(FlowQuery query)
    {
        var parts = new List<string>();
        Add("host", query.Host);
        Add("path_contains", query.PathContains);
        Add("method", query.Method);
        Add("status_min", query.StatusMin?.ToString(CultureInfo.InvariantCulture));
        Add("status_max", query.StatusMax?.ToString(CultureInfo.InvariantCulture));
        Add("has_error", query.HasError switch { true => "true", false => "false", _ => null });
        Add("is_websocket", query.IsWebsocket switch { true => "true", false => "false", _ => null });
        Add("limit", query.Limit.ToString(CultureInfo.InvariantCulture));
        Add("cursor", query.Cursor?.ToString());
        return "?" + string.Join('&', parts);

        void Add(string name, string? value)
        {
            if (value is not null)
            {
                parts.Add($"{name}={Uri.EscapeDataString(value)}");
            }
        }
    }

    private async Task<T> GetAsync<T>(string path, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        using var response = await SendAsync(path, HttpCompletionOption.ResponseContentRead, cancellationToken);
        await ThrowIfRefusedAsync(response, cancellationToken);
        return Parse(await response.Content.ReadAsByteArrayAsync(cancellationToken), type);
    }

    private Uri Address(string path) => new(_base, "/api/v1/" + path);

    private async Task<HttpResponseMessage> SendAsync(string path, HttpCompletionOption completion, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, Address(path));
        return await SendAsync(request, completion, cancellationToken);
    }

    private async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, HttpCompletionOption completion, CancellationToken cancellationToken)
    {
        try
        {
            return await _http.SendAsync(request, completion, cancellationToken);
        }
        catch (HttpRequestException error)
        {
            throw new CliException($"The API at {_base} does not answer: {error.InnerException?.Message ?? error.Message}.", inner: error);
        }
    }

    private async Task ThrowIfRefusedAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        if (response.IsSuccessStatusCode)
        {
            return;
        }

        if (response.StatusCode == HttpStatusCode.Unauthorized)
        {
            throw new CliException($"The API at {_base} wants another token; put the one the proxy showed into RELAY_API_TOKEN.");
        }

        string? detail = null;
        try
        {
            using var problem = JsonDocument.Parse(await response.Content.ReadAsByteArrayAsync(cancellationToken));
            detail = problem.RootElement.TryGetProperty("detail", out var text) ? text.GetString() : null;
        }
        catch (JsonException)
        {
            // Something else answers at this address.
        }

        throw new CliException(detail is null ? $"{_base} answers {(int)response.StatusCode}; is it the API of RelayCore?" : Text.Printable.Line(detail));
    }

    private T Parse<T>(byte[] json, JsonTypeInfo<T> type)
    {
        try
        {
            return JsonSerializer.Deserialize(json, type) ?? throw new JsonException();
        }
        catch (JsonException error)
        {
            throw new CliException($"{_base} answers something else than expected; is it the API of this version of RelayCore?", inner: error);
        }
    }
}

using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using RelayCore.Runtime;
using RelayCore.Testing;
using Xunit;

namespace RelayCore.Api.Tests;

/// <summary>A whole proxy with its API on free ports, an origin behind it, and clients for each.</summary>
public sealed class ApiFixture : IAsyncLifetime
{
    public const string Token = "token-of-these-tests";
    private readonly string _folder = Directory.CreateTempSubdirectory("relay-core-api-").FullName;

    /// <summary>What went wrong inside the API; nothing may.</summary>
    public System.Collections.Concurrent.ConcurrentQueue<Exception> Failures { get; } = new();

    public RelayCoreHost Host { get; private set; } = null!;

    public ApiServer Api { get; private set; } = null!;

    public ScriptedOrigin Origin { get; private set; } = null!;

    /// <summary>Client of the API, with the token.</summary>
    public HttpClient Client { get; private set; } = null!;

    /// <summary>Client of the API, without anything.</summary>
    public HttpClient Stranger { get; private set; } = null!;

    /// <summary>Client that goes through the proxy.</summary>
    public HttpClient Browser { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Origin = new((head, _, _) => Task.FromResult<string?>(Answer(head.Split(' ')[1])));
        var limits = new Core.Limits.EngineLimits { MaxBodyCapture = 100_000 };
        Host = await RelayCoreHost.StartAsync(new() { DataDirectory = _folder, Engine = new() { Listen = [new(IPAddress.Loopback, 0)], Limits = limits } });
        Api = ApiServer.Bind(new()
        {
            Listen = new(IPAddress.Loopback, 0),
            Token = Token,
            EngineVersion = "1.2.3",
            KeepAlive = TimeSpan.FromMilliseconds(50),
            OnInternalFailure = Failures.Enqueue,
        });
        Api.Start(Host);
        Stranger = new(new SocketsHttpHandler { UseProxy = false, UseCookies = false }) { BaseAddress = new(Api.Url) };
        Client = new(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = new(Api.Url) };
        Client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Token);
        Browser = new(new SocketsHttpHandler { Proxy = new WebProxy($"http://{Host.EndPoints[0]}"), UseProxy = true });
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        Stranger.Dispose();
        Browser.Dispose();
        await Api.DisposeAsync();
        await Host.DisposeAsync();
        await Origin.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
        Assert.Empty(Failures);
    }

    /// <summary>Sends a request through the proxy and waits until its flow has ended.</summary>
    /// <returns>The flow's id.</returns>
    public async Task<string> BrowseAsync(string path, HttpContent? body = null)
    {
        var after = Host.Events.LastNumber;
        using var request = new HttpRequestMessage(body is null ? HttpMethod.Get : HttpMethod.Post, Origin.Url(path)) { Content = body };
        (await Browser.SendAsync(request)).Dispose();
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        await foreach (var item in Host.Events.ReadAsync(after, summaries: true, cancellationToken: patience.Token))
        {
            if (item.Name != "flow-summary")
            {
                continue;
            }

            using var flow = JsonDocument.Parse(item.Data);
            if (flow.RootElement.GetProperty("state").GetString() != "running" && flow.RootElement.GetProperty("url").GetString() == Origin.Url(path))
            {
                return flow.RootElement.GetProperty("id").GetString()!;
            }
        }

        throw new InvalidOperationException("The event log ended.");
    }

    public async Task<JsonElement> GetJsonAsync(string path)
    {
        using var document = JsonDocument.Parse(await Client.GetByteArrayAsync("/api/v1" + path));
        return document.RootElement.Clone();
    }

    private static string Answer(string path) => path switch
    {
        "/gzip" => ScriptedOrigin.Response(Gzip("<script>x</script>"), "text/html; charset=utf-8", fields: "Content-Encoding: gzip\r\n"),
        "/odd" => ScriptedOrigin.Response("abc", "caf\u00e9/x"),
        "/big" => ScriptedOrigin.Response(new string('x', 150_000)),
        "/gone" => ScriptedOrigin.Response("gone", status: "410 Gone"),
        _ => ScriptedOrigin.Response("hello " + path),
    };

    private static string Gzip(string text)
    {
        using var buffer = new MemoryStream();
        using (var gzip = new GZipStream(buffer, CompressionLevel.Fastest))
        {
            gzip.Write(Encoding.UTF8.GetBytes(text));
        }

        return Encoding.Latin1.GetString(buffer.ToArray());
    }
}

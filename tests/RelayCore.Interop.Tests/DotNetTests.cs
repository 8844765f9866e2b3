using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using RelayCore.Engine;
using RelayCore.Interop.Tests.Harness;

namespace RelayCore.Interop.Tests;

/// <summary>SocketsHttpHandler as the client and Kestrel as the server, in every combination of versions.</summary>
public sealed class DotNetTests
{
    private const int Large = 50_000_000;

    /// <summary>Client's version, server's version, TLS.</summary>
    public static TheoryData<int, int, bool> Combinations => new()
    {
        { 1, 1, false }, { 1, 1, true }, { 1, 2, false }, { 2, 1, true }, { 2, 2, true },
    };

    [Theory]
    [MemberData(nameof(Combinations))]
    public async Task Exchange_EachKind_ArrivesAndIsRecorded(int clientVersion, int serverVersion, bool isSecure)
    {
        await using var set = await StartAsync(AnswerAsync, clientVersion, serverVersion, isSecure);

        var get = await set.SendAsync(HttpMethod.Get, "/get?a=1&b=%20");
        var post = await set.SendAsync(HttpMethod.Post, "/post", Octets.Ascii("some content"));
        var head = await set.SendAsync(HttpMethod.Head, "/head");
        var empty = await set.SendAsync(HttpMethod.Delete, "/204");
        var unchanged = await set.SendAsync(HttpMethod.Get, "/304");
        var missing = await set.SendAsync(HttpMethod.Get, "/404");

        Assert.Equal([(200, "GET /get?a=1&b=%20|"), (200, "POST /post|some content"), (200, ""), (204, ""), (304, ""), (404, "GET /404|")],
            new[] { get, post, head, empty, unchanged, missing }.Select(x => (x.Status, Encoding.ASCII.GetString(x.Body))));
        Assert.All(new[] { get, post, head, empty, unchanged, missing }, x => Assert.Equal(clientVersion, x.Version));
        Assert.Equal(1234, head.Length);
        Assert.Equal(["one", "two"], get.Cookies);
        Assert.All(set.Origin.Protocols, x => Assert.Equal(serverVersion == 2 ? "HTTP/2" : "HTTP/1.1", x));
        Assert.Single(set.Origin.Connections);

        var flows = await set.Proxy.FinishedAsync(6);
        flows[0].Completed("GET", set.Url + "/get?a=1&b=%20", 200);
        flows[1].Completed("POST", set.Url + "/post", 200);
        flows[2].Completed("HEAD", set.Url + "/head", 200);
        flows[3].Completed("DELETE", set.Url + "/204", 204);
        flows[4].Completed("GET", set.Url + "/304", 304);
        flows[5].Completed("GET", set.Url + "/404", 404);
        Assert.Equal(("some content", "POST /post|some content"), (flows[1].Http().Request!.Body!.Content, flows[1].Http().Response!.Body!.Content));
        Assert.All(flows, x => x.Spoke(clientVersion, serverVersion));
        Assert.Single(flows.Select(x => x.Connection.Client.Id).Distinct());
        Assert.Single(flows.Select(x => x.Connection.Server!.Id).Distinct());
        if (clientVersion == 2)
        {
            Assert.Equal([1, 3, 5, 7, 9, 11], flows.Select(x => x.StreamId!.Value));
            Assert.Equal("m,s,a,p", flows[0].Connection.Client.Http2!.PseudoFields);
        }
    }

    [Theory]
    [MemberData(nameof(Combinations))]
    public async Task LargeBodies_BothWays_KeepTheirHash(int clientVersion, int serverVersion, bool isSecure)
    {
        await using var set = await StartAsync(AnswerAsync, clientVersion, serverVersion, isSecure);
        var content = Octets.Random(Large, 5);

        var up = await set.SendAsync(HttpMethod.Put, "/hash", content);
        var down = await set.SendAsync(HttpMethod.Get, "/large");

        Assert.Equal(Octets.Hash(content), Encoding.ASCII.GetString(up.Body));
        Assert.Equal(Octets.Hash(Octets.Random(Large, 6)), Octets.Hash(down.Body));
        var flows = await set.Proxy.FinishedAsync(2);
        Assert.Equal([(Large, 64), (0, Large)], flows.Select(x => (x.Octets.RequestBody, x.Octets.ResponseBody)));
        Assert.All(flows, x => Assert.Equal("completed", x.CloseReason!.Reason));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task ManyRequestsAtOnce_OnOneClientConnection_AllArriveWithTheirOwnAnswer(int serverVersion)
    {
        await using var set = await StartAsync(AnswerAsync, 2, serverVersion, isSecure: true);
        await set.SendAsync(HttpMethod.Get, "/first");

        var answers = await Task.WhenAll(Enumerable.Range(0, 500).Select(x => set.SendAsync(HttpMethod.Post, $"/n{x}", Octets.Ascii(new string('x', x * 20)))));

        Assert.Equal(Enumerable.Range(0, 500).Select(x => $"POST /n{x}|{new string('x', x * 20)}"), answers.Select(x => Encoding.ASCII.GetString(x.Body)));
        var flows = await set.Proxy.FinishedAsync(501);
        Assert.Single(flows.Select(x => x.Connection.Client.Id).Distinct());
        Assert.Equal(501, flows.Select(x => x.StreamId).Distinct().Count());
        Assert.All(flows, x => x.Spoke(2, serverVersion));
        Assert.Equal(501, set.Origin.Protocols.Count);
    }

    [Theory]
    [InlineData(2, 1, true)]
    [InlineData(2, 2, true)]
    public async Task Stream_FullDuplex_EachPartIsAnsweredBeforeTheNextIsSent(int clientVersion, int serverVersion, bool isSecure)
    {
        await using var set = await StartAsync(EchoPartsAsync, clientVersion, serverVersion, isSecure);
        var pipe = new Pipe();
        using var request = set.Request(HttpMethod.Post, "/Service/Chat");
        request.Content = new PipeContent(pipe.Reader);
        request.Headers.TE.Add(new("trailers"));

        using var response = await set.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
        await using var stream = await response.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken);
        var got = new List<string>();
        var buffer = new byte[1000];
        foreach (var part in (string[])["alpha", "beta", "gamma"])
        {
            await pipe.Writer.WriteAsync(Octets.Ascii(part), TestContext.Current.CancellationToken);
            await stream.ReadExactlyAsync(buffer.AsMemory(0, part.Length), TestContext.Current.CancellationToken);
            got.Add(Encoding.ASCII.GetString(buffer, 0, part.Length));
        }

        await pipe.Writer.CompleteAsync();
        Assert.Equal(0, await stream.ReadAsync(buffer, TestContext.Current.CancellationToken));

        Assert.Equal(["ALPHA", "BETA", "GAMMA"], got);
        string[] trailers = serverVersion == 2 ? ["grpc-status: 0"] : [];
        Assert.Equal(trailers, response.TrailingHeaders.Select(x => $"{x.Key}: {string.Join(',', x.Value)}"));
        var flow = await set.Proxy.OnlyFlowAsync();
        var http = flow.Completed("POST", set.Url + "/Service/Chat", 200);
        flow.Spoke(clientVersion, serverVersion);
        Assert.Equal(("alphabetagamma", "ALPHABETAGAMMA"), (http.Request!.Body!.Content, http.Response!.Body!.Content));
        Assert.Equal(trailers, (http.Response.Trailers ?? []).Select(x => $"{x[0]}: {x[1]}"));
        Assert.Equal("trailers", http.Request.Header("te"));
    }

    [Theory]
    [InlineData(2, 1, true)]
    [InlineData(2, 2, true)]
    public async Task ClientThatCancels_EndsTheServersStreamOnly(int clientVersion, int serverVersion, bool isSecure)
    {
        var aborted = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var set = await StartAsync(
            async context =>
            {
                if (context.Request.Path == "/endless")
                {
                    using var _ = context.RequestAborted.Register(aborted.SetResult);
                    await context.Response.WriteAsync("begun");
                    await context.Response.Body.FlushAsync();
                    await aborted.Task;
                    return;
                }

                await AnswerAsync(context);
            }, clientVersion, serverVersion, isSecure);

        using (var request = set.Request(HttpMethod.Get, "/endless"))
        {
            using var response = await set.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
            await using var stream = await response.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken);
            await stream.ReadExactlyAsync(new byte[5], TestContext.Current.CancellationToken);
        }

        await aborted.Task.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
        var after = await set.SendAsync(HttpMethod.Get, "/after");

        Assert.Equal("GET /after|", Encoding.ASCII.GetString(after.Body));
        var flows = await set.Proxy.FinishedAsync(2);
        Assert.NotEqual("completed", flows[0].CloseReason!.Reason);
        flows[1].Completed("GET", set.Url + "/after", 200);
        if ((clientVersion, serverVersion) == (2, 2))
        {
            Assert.Single(set.Origin.Connections); // the connections of both sides go on
            Assert.Equal(flows[0].Connection.Client.Id, flows[1].Connection.Client.Id);
        }
    }

    [Theory]
    [InlineData(2, 0x1, true)]
    [InlineData(2, 0x8, true)]
    [InlineData(2, 0xB, true)]
    [InlineData(1, 0x8, false)]
    public async Task ServerThatResets_IsResetTowardsTheClient(int clientVersion, int code, bool isSecure)
    {
        await using var set = await StartAsync(
            async context =>
            {
                if (context.Request.Path == "/reset")
                {
                    context.Response.ContentLength = 100;
                    await context.Response.WriteAsync("begun");
                    await context.Response.Body.FlushAsync();
                    context.Features.GetRequiredFeature<IHttpResetFeature>().Reset(code);
                    return;
                }

                await AnswerAsync(context);
            }, clientVersion, 2, isSecure);

        var failure = await Assert.ThrowsAnyAsync<HttpRequestException>(() => set.SendAsync(HttpMethod.Get, "/reset"));
        var after = await set.SendAsync(HttpMethod.Get, "/after");

        if (clientVersion == 2)
        {
            var protocol = Assert.IsType<HttpProtocolException>(failure.InnerException);
            Assert.Equal(code, protocol.ErrorCode);
        }

        Assert.Equal(200, after.Status);
        Assert.Single(set.Origin.Connections);
        var flows = await set.Proxy.FinishedAsync(2);
        Assert.Equal("server", flows[0].Http().Error!.Blame);
        Assert.NotEqual("completed", flows[0].CloseReason!.Reason);
        flows[1].Completed("GET", set.Url + "/after", 200);
    }

    [Fact]
    public async Task ServerThatRestarts_BetweenRequests_IsMetAgain()
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["shop.test"]);
        var port = ToolServer.FreePort();
        await using var proxy = await RunningProxy.StartAsync(pki);
        using var client = Client(proxy, 2);
        var statuses = new List<int>();
        for (var run = 0; run < 3; run++)
        {
            await using var origin = await KestrelOrigin.StartAsync(AnswerAsync, HttpProtocols.Http1AndHttp2, certificate, port);
            using var first = await client.GetAsync(new Uri($"https://shop.test:{port}/{run}a"), TestContext.Current.CancellationToken);
            using var second = await client.PostAsync(new Uri($"https://shop.test:{port}/{run}b"), new StringContent("x"), TestContext.Current.CancellationToken);
            statuses.AddRange([(int)first.StatusCode, (int)second.StatusCode]);
        }

        Assert.Equal(Enumerable.Repeat(200, 6), statuses);
        Assert.Equal([0, 1, 0, 1, 0, 1], (await proxy.FinishedAsync(6)).Select(x => x.Connection.Server!.Reuse));
    }

    private static async Task AnswerAsync(HttpContext context)
    {
        var (request, response) = (context.Request, context.Response);
        switch (request.Path.Value)
        {
            case "/204":
                response.StatusCode = 204;
                return;
            case "/304":
                response.StatusCode = 304;
                response.Headers.ETag = "\"e\"";
                return;
            case "/head":
                response.ContentLength = 1234;
                return;
            case "/hash":
                await response.WriteAsync(Convert.ToHexStringLower(await SHA256.HashDataAsync(request.Body)));
                return;
            case "/large":
                await response.Body.WriteAsync(Octets.Random(Large, 6));
                return;
        }

        using var body = new MemoryStream();
        await request.Body.CopyToAsync(body);
        response.StatusCode = request.Path == "/404" ? 404 : 200;
        response.Headers.SetCookie = new(["one", "two"]);
        await response.Body.WriteAsync(Octets.Ascii($"{request.Method} {context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget}|"));
        await response.Body.WriteAsync(body.ToArray());
    }

    private static async Task EchoPartsAsync(HttpContext context)
    {
        context.Response.ContentType = "application/grpc";
        await context.Response.Body.FlushAsync();
        while (await context.Request.BodyReader.ReadAsync() is { IsCompleted: false } read)
        {
            await context.Response.Body.WriteAsync(Octets.Ascii(Encoding.ASCII.GetString(read.Buffer.ToArray()).ToUpperInvariant()));
            await context.Response.Body.FlushAsync();
            context.Request.BodyReader.AdvanceTo(read.Buffer.End);
        }

        if (context.Response.SupportsTrailers())
        {
            context.Response.AppendTrailer("grpc-status", "0"); // over HTTP/1.1 Kestrel has none
        }
    }

    private static HttpClient Client(RunningProxy proxy, int version) => new(new SocketsHttpHandler
    {
        Proxy = new WebProxy(proxy.Url),
        SslOptions = new SslClientAuthenticationOptions
        {
            CertificateChainPolicy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                CustomTrustStore = { X509CertificateLoader.LoadCertificateFromFile(proxy.CaFile) },
                RevocationMode = X509RevocationMode.NoCheck,
            },
        },
        UseCookies = false,
    })
    {
        DefaultRequestVersion = new(version, version == 2 ? 0 : 1),
        DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
        Timeout = TimeSpan.FromSeconds(20),
    };

    private static async Task<Setting> StartAsync(RequestDelegate handle, int clientVersion, int serverVersion, bool isSecure)
    {
        var pki = new TestPki();
        var certificate = pki.Issue(["shop.test"]);
        var protocols = serverVersion == 1 ? HttpProtocols.Http1 : isSecure ? HttpProtocols.Http1AndHttp2 : HttpProtocols.Http2;
        var origin = await KestrelOrigin.StartAsync(handle, protocols, isSecure ? certificate : null);
        var proxy = await RunningProxy.StartAsync(pki, x => x with
        {
            Http2 = serverVersion == 1 ? Http2Use.Always : Http2Use.Mirror,
            Http2PriorKnowledge = serverVersion == 2 && !isSecure ? [RunningProxy.Pattern("shop.test")] : [],
            Limits = x.Limits with { MaxBodyCapture = 1_000_000 },
        });
        return new(pki, certificate, origin, proxy, Client(proxy, clientVersion), $"{(isSecure ? "https" : "http")}://shop.test:{origin.Port}");
    }

    private sealed record Answer(int Status, int Version, byte[] Body, long? Length, IReadOnlyList<string> Cookies);

    private sealed record Setting(TestPki Pki, X509Certificate2 Certificate, KestrelOrigin Origin, RunningProxy Proxy, HttpClient Client, string Url) : IAsyncDisposable
    {
        public HttpRequestMessage Request(HttpMethod method, string path) =>
            new(method, Url + path) { Version = Client.DefaultRequestVersion, VersionPolicy = HttpVersionPolicy.RequestVersionExact };

        public async Task<Answer> SendAsync(HttpMethod method, string path, byte[]? content = null)
        {
            using var request = Request(method, path);
            request.Content = content is null ? null : new ByteArrayContent(content);
            using var response = await Client.SendAsync(request, TestContext.Current.CancellationToken);
            return new(
                (int)response.StatusCode, response.Version.Major, await response.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken),
                response.Content.Headers.ContentLength, [.. response.Headers.TryGetValues("Set-Cookie", out var cookies) ? cookies : []]);
        }

        public async ValueTask DisposeAsync()
        {
            Client.Dispose();
            await Proxy.DisposeAsync();
            await Origin.DisposeAsync();
            Certificate.Dispose();
            Pki.Dispose();
        }
    }

    /// <summary>A body that is sent as it is written.</summary>
    private sealed class PipeContent(PipeReader reader) : HttpContent
    {
        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            await stream.FlushAsync(); // the head waits for it
            while (true)
            {
                var read = await reader.ReadAsync();
                foreach (var part in read.Buffer)
                {
                    await stream.WriteAsync(part);
                }

                await stream.FlushAsync();
                reader.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted)
                {
                    return;
                }
            }
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}

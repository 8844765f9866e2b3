using System.Globalization;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Grpc.AspNetCore.Server.Model;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace RelayCore.Interop.Tests.Harness;

/// <summary>A service with one method of each kind whose messages are text, served by Kestrel or by Node. Its methods and messages need no generated code.</summary>
internal static class GrpcTalk
{
    private static readonly Marshaller<string> s_text = Marshallers.Create(Encoding.UTF8.GetBytes, Encoding.UTF8.GetString);

    public static readonly Method<string, string> Echo = Method(MethodType.Unary, nameof(Echo));
    public static readonly Method<string, string> Fail = Method(MethodType.Unary, nameof(Fail));
    public static readonly Method<string, string> Count = Method(MethodType.ServerStreaming, nameof(Count));
    public static readonly Method<string, string> Join = Method(MethodType.ClientStreaming, nameof(Join));
    public static readonly Method<string, string> Chat = Method(MethodType.DuplexStreaming, nameof(Chat));

    /// <summary>The same for Node; a script goes on behind it.</summary>
    private const string NodePrelude =
        """
        const grpc = require('@grpc/grpc-js'), fs = require('fs');
        const encode = text => Buffer.from(text), decode = octets => octets.toString();
        const method = (name, requestStream, responseStream) => ({
            path: '/interop.Talk/' + name, requestStream, responseStream,
            requestSerialize: encode, requestDeserialize: decode, responseSerialize: encode, responseDeserialize: decode });
        const service = {
            Echo: method('Echo', false, false), Fail: method('Fail', false, false), Count: method('Count', false, true),
            Join: method('Join', true, false), Chat: method('Chat', true, true) };

        """;

    private const string NodeServer =
        """
        const server = new grpc.Server({ 'grpc.default_compression_algorithm': process.env.GZIP ? 2 : 0 });
        server.addService(service, {
            Echo: (call, done) => done(null, call.request),
            Fail: (call, done) => done({ code: grpc.status.NOT_FOUND, details: 'no such thing: ' + call.request }),
            Count: call => { for (let i = 1; i <= +call.request; i++) call.write('' + i); call.end(); },
            Join: (call, done) => { const all = []; call.on('data', x => all.push(x)).on('end', () => done(null, all.join('+'))); },
            Chat: call => call.on('data', x => call.write(x.toLowerCase())).on('end', () => call.end()),
        });
        const key = { private_key: fs.readFileSync(process.env.KEY), cert_chain: fs.readFileSync(process.env.CERT) };
        server.bindAsync('127.0.0.1:' + process.argv[1], grpc.ServerCredentials.createSsl(null, [key]), e => { if (e) throw e; });
        """;

    private const string NodeClient =
        """
        const client = new (grpc.makeGenericClientConstructor(service, 'Talk'))(
            process.env.TARGET, grpc.credentials.createSsl(fs.readFileSync(process.env.CA)), { 'grpc.default_compression_algorithm': process.env.GZIP ? 2 : 0 });
        const unary = (name, text) => new Promise((ok, no) => client[name](text, (e, x) => e ? no(e) : ok(x)));
        const all = async call => { const got = []; for await (const x of call) got.push(x); return got.join(' '); };
        (async () => {
            console.log('echo', await unary('Echo', 'hello'));
            console.log('count', await all(client.Count('3')));
            console.log('join', await new Promise((ok, no) => {
                const call = client.Join((e, x) => e ? no(e) : ok(x));
                ['a', 'b', 'c'].forEach(x => call.write(x));
                call.end();
            }));
            const chat = client.Chat(), words = ['ONE', 'TWO', 'THREE'], said = [];
            chat.write(words[0]);
            for await (const x of chat) {
                said.push(x);
                if (said.length < words.length) chat.write(words[said.length]); else chat.end();
            }
            console.log('chat', said.join(' '));
            await unary('Fail', 'x').catch(e => console.log('fail', e.code, e.details));
            client.close();
        })();
        """;

    /// <summary>Node as the server.</summary>
    public static async Task<ToolServer> ServeByNodeAsync(TemporaryDirectory directory, X509Certificate2 certificate, bool compresses)
    {
        var environment = await NodeAsync(compresses);
        (environment["CERT"], environment["KEY"]) = TestPki.Write(directory, "grpc", certificate);
        return await ToolServer.StartAsync(
            Tool.Require("node", "nodejs"), port => ["-e", NodePrelude + NodeServer, port.ToString(CultureInfo.InvariantCulture)], environment);
    }

    /// <summary>Node as the client: calls each method and says what came.</summary>
    public static async Task<string> CallByNodeAsync(RunningProxy proxy, int port, bool compresses)
    {
        var environment = await NodeAsync(compresses);
        (environment["CA"], environment["TARGET"], environment["grpc_proxy"]) = (proxy.CaFile, $"shop.test:{port}", proxy.Url);
        return (await Tool.RunAsync(Tool.Require("node", "nodejs"), ["-e", NodePrelude + NodeClient], environment)).Succeeded().Text;
    }

    /// <summary>grpc-dotnet as the client: the same calls, the same words.</summary>
    public static async Task<string> CallAsync(RunningProxy proxy, int port, bool compresses)
    {
        using var authority = X509CertificateLoader.LoadCertificateFromFile(proxy.CaFile);
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.Add(authority);
        using var handler = new SocketsHttpHandler { Proxy = new WebProxy(proxy.Url), SslOptions = { CertificateChainPolicy = policy } };

        // Given the handler itself it would look the name up; a client is left to its proxy.
        using var client = new HttpClient(handler, disposeHandler: false);
        using var channel = Grpc.Net.Client.GrpcChannel.ForAddress($"https://shop.test:{port}", new() { HttpClient = client });
        var invoker = channel.CreateCallInvoker();
        var metadata = compresses ? new Metadata { { "grpc-internal-encoding-request", "gzip" } } : [];
        var patience = TestContext.Current.CancellationToken;
        var options = new CallOptions(metadata, DateTime.UtcNow.AddSeconds(20), patience);
        var said = new StringBuilder();

        said.Append("echo ").Append(await invoker.AsyncUnaryCall(Echo, null, options, "hello")).Append('\n');
        using (var call = invoker.AsyncServerStreamingCall(Count, null, options, "3"))
        {
            said.Append("count ").AppendJoin(' ', await AllAsync(call.ResponseStream)).Append('\n');
        }

        using (var call = invoker.AsyncClientStreamingCall(Join, null, options))
        {
            foreach (var part in (string[])["a", "b", "c"])
            {
                await call.RequestStream.WriteAsync(part, patience);
            }

            await call.RequestStream.CompleteAsync();
            said.Append("join ").Append(await call).Append('\n');
        }

        using (var call = invoker.AsyncDuplexStreamingCall(Chat, null, options))
        {
            said.Append("chat");
            foreach (var word in (string[])["ONE", "TWO", "THREE"])
            {
                await call.RequestStream.WriteAsync(word, patience);
                Assert.True(await call.ResponseStream.MoveNext(patience));
                said.Append(' ').Append(call.ResponseStream.Current);
            }

            await call.RequestStream.CompleteAsync();
            Assert.False(await call.ResponseStream.MoveNext(patience));
            said.Append('\n');
        }

        var failure = await Assert.ThrowsAsync<RpcException>(async () => await invoker.AsyncUnaryCall(Fail, null, options, "x"));
        return said.Append(CultureInfo.InvariantCulture, $"fail {(int)failure.StatusCode} {failure.Status.Detail}\n").ToString();
    }

    private static async Task<List<string>> AllAsync(IAsyncStreamReader<string> stream)
    {
        var all = new List<string>();
        while (await stream.MoveNext(TestContext.Current.CancellationToken))
        {
            all.Add(stream.Current);
        }

        return all;
    }

    private static async Task<Dictionary<string, string?>> NodeAsync(bool compresses) =>
        new() { ["NODE_PATH"] = await NodePackages.RequireAsync("@grpc/grpc-js", "1.14.7"), ["GZIP"] = compresses ? "1" : null };

    private static Method<string, string> Method(MethodType type, string name) => new(type, "interop.Talk", name, s_text, s_text);

    /// <summary>Kestrel as the server.</summary>
    public sealed class KestrelServer(WebApplication application) : IAsyncDisposable
    {
        public int Port => new Uri(application.Urls.Single()).Port;

        public static async Task<KestrelServer> StartAsync(X509Certificate2 certificate, bool compresses)
        {
            var builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders();
            builder.WebHost.UseKestrelHttpsConfiguration().ConfigureKestrel(x => x.Listen(IPAddress.Loopback, 0, y =>
            {
                y.Protocols = HttpProtocols.Http2;
                y.UseHttps(certificate);
            }));
            builder.Services.AddGrpc(x => x.ResponseCompressionAlgorithm = compresses ? "gzip" : null);
            builder.Services.AddSingleton<IServiceMethodProvider<Talk>, Methods>();
            var application = builder.Build();
            application.MapGrpcService<Talk>();
            await application.StartAsync(TestContext.Current.CancellationToken);
            return new(application);
        }

        public async ValueTask DisposeAsync()
        {
            await application.StopAsync(CancellationToken.None);
            await application.DisposeAsync();
        }
    }

    /// <summary>What the methods do.</summary>
    private sealed class Talk;

    private sealed class Methods : IServiceMethodProvider<Talk>
    {
        public void OnServiceMethodDiscovery(ServiceMethodProviderContext<Talk> context)
        {
            context.AddUnaryMethod(Echo, [], static (_, text, _) => Task.FromResult(text));
            context.AddUnaryMethod(Fail, [], static (_, text, _) => throw new RpcException(new(StatusCode.NotFound, "no such thing: " + text)));
            context.AddServerStreamingMethod(Count, [], static async (_, text, output, _) =>
            {
                for (var i = 1; i <= int.Parse(text, CultureInfo.InvariantCulture); i++)
                {
                    await output.WriteAsync(i.ToString(CultureInfo.InvariantCulture));
                }
            });
            context.AddClientStreamingMethod(Join, [], static async (_, input, _) => string.Join('+', await AllAsync(input)));
            context.AddDuplexStreamingMethod(Chat, [], static async (_, input, output, call) =>
            {
                while (await input.MoveNext(call.CancellationToken))
                {
                    await output.WriteAsync(input.Current.ToLowerInvariant());
                }
            });
        }
    }
}

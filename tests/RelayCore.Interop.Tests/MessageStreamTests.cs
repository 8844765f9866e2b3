using System.Text;
using RelayCore.Core.Interception;
using RelayCore.Interop.Tests.Harness;
using RelayCore.Protocols;

namespace RelayCore.Interop.Tests;

/// <summary>Event streams and NDJSON between curl and Node.</summary>
public sealed class MessageStreamTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Curl_EventStream_GetsEachEventWhenItIsWritten(bool isSecure)
    {
        using var pki = new TestPki();
        using var directory = new TemporaryDirectory();
        await using var origin = await EventOrigin.StartAsync(directory, isSecure ? pki : null);
        await using var proxy = await RunningProxy.StartAsync(pki);
        await using var curl = Curl.Start(proxy, $"{(isSecure ? "https" : "http")}://shop.test:{origin.Port}/events");
        await curl.ReadAsync(": open, last none\n\n");
        foreach (var block in (string[])["data: one\n\n", "id: 1\r\ndata: two\r\ndata: lines\r\n\r\n", ":\n", "data: cr\r\r"])
        {
            await origin.WriteAsync(block);
            await curl.ReadAsync(block);
        }

        var flow = proxy.List().Single();
        Assert.True(proxy.Session(flow).TryInject(PeerRole.Server, new(MessageType.Event, "mine"u8.ToArray()) { EventName = "n" }));
        await curl.ReadAsync("event: n\ndata: mine\n\n");
        await origin.SayAsync("end\n");
        Assert.Equal(0, await curl.EndAsync());
        var http = (await proxy.OnlyFlowAsync()).Http();
        Assert.Equal(["one", "two\nlines", "cr", "mine"], http.Messages!.Select(x => x.Content.Content));
        Assert.DoesNotContain("mine", http.Response!.Received!.Body!.Content, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Curl_EventStreamClosedFromOutside_EndsWell()
    {
        using var directory = new TemporaryDirectory();
        await using var origin = await EventOrigin.StartAsync(directory, null);
        await using var proxy = await RunningProxy.StartAsync();
        await using var curl = Curl.Start(proxy, $"http://shop.test:{origin.Port}/events");
        await curl.ReadAsync(": open, last none\n\n");
        Assert.True(proxy.Session(proxy.List().Single()).TryClose(1000, ""));
        Assert.Equal(0, await curl.EndAsync());
    }

    [Fact]
    public async Task Curl_ServerResetsTheStream_SeesThatItIsNotWhole()
    {
        using var directory = new TemporaryDirectory();
        await using var origin = await EventOrigin.StartAsync(directory, null);
        await using var proxy = await RunningProxy.StartAsync();
        await using var curl = Curl.Start(proxy, $"http://shop.test:{origin.Port}/events");
        await curl.ReadAsync(": open, last none\n\n");
        await origin.WriteAsync("data: one\n\ndata: hal");
        await curl.ReadAsync("data: one\n\ndata: hal");
        await origin.SayAsync("reset\n");
        Assert.Equal(18, await curl.EndAsync()); // partial file
        Assert.Equal([("one", false), ("hal", true)], (await proxy.OnlyFlowAsync()).Http().Messages!.Select(x => (x.Content.Content, x.Incomplete)));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Curl_LinesBothWays_AreAnsweredWhileTheUploadGoesOn(bool isEdited)
    {
        using var directory = new TemporaryDirectory();
        await using var origin = await EventOrigin.StartAsync(directory, null);
        await using var proxy = await RunningProxy.StartAsync(configure: x => isEdited ? x with { Interceptors = [new Stamp()] } : x);
        await using var curl = Curl.Start(
            proxy, $"http://shop.test:{origin.Port}/lines", "-X", "POST", "-T", ".", "-H", "Content-Type: application/x-ndjson", "-H", "Expect:");
        for (var i = 1; i <= 3; i++)
        {
            // While curl waits for its input it does nothing else: it gets to an answer that is there when the next line comes.
            await curl.WriteAsync($$"""{"n":{{i}}}""" + "\n");
            if (i > 1)
            {
                await curl.ReadAsync(Answer(i - 1));
            }

            await proxy.FlowAsync(x => x.Http().MessageCount == 2 * i);
        }

        curl.EndInput();
        await curl.ReadAsync(Answer(3));
        Assert.Equal(0, await curl.EndAsync());
        var messages = (await proxy.OnlyFlowAsync()).Http().Messages!;
        Assert.Equal((3, 3), (messages.Count(x => x.Direction == "ClientToServer"), messages.Count(x => x.Direction == "ServerToClient")));
        Assert.All(messages, x => Assert.Equal(isEdited, x.Changed));

        string Answer(int i) => (isEdited ? $$$"""{"got":{"n":{{{i}}}1},"s":1}""" : $$$"""{"got":{"n":{{{i}}}}}""") + "\n";
    }

    private sealed class Stamp : IInterceptor
    {
        public string Name => "stamp";

        public InterceptorNeeds Needs => new() { Stages = Stage.Message };

        public ValueTask OnMessageAsync(MessageContext context, Message message, CancellationToken cancellationToken)
        {
            var text = Encoding.UTF8.GetString(message.Content.Span);
            message.Replace(Encoding.UTF8.GetBytes(message.Sender == PeerRole.Client ? text[..^1] + "1}" : text[..^1] + ",\"s\":1}"));
            return default;
        }
    }

    /// <summary>A curl that runs as long as its transfer.</summary>
    private sealed class Curl(System.Diagnostics.Process process) : IAsyncDisposable
    {
        private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20);
        private readonly Task<string> _errors = process.StandardError.ReadToEndAsync();

        public static Curl Start(RunningProxy proxy, string url, params string[] more) => new(Tool.Start(
            Tool.Require("curl", "curl"), ["-sS", "-N", "--max-time", "30", "--proxy", proxy.Url, "--cacert", proxy.CaFile, .. more, url]));

        public Task WriteAsync(string text)
        {
            process.StandardInput.Write(text);
            return process.StandardInput.FlushAsync();
        }

        public void EndInput() => process.StandardInput.Close();

        /// <summary>Reads exactly this text.</summary>
        public async Task ReadAsync(string expected)
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
            patience.CancelAfter(s_patience);
            var octets = new byte[expected.Length];
            var read = 0;
            try
            {
                while (read < octets.Length && await process.StandardOutput.BaseStream.ReadAsync(octets.AsMemory(read), patience.Token) is > 0 and var more)
                {
                    read += more;
                }
            }
            catch (OperationCanceledException)
            {
                // What came is shown below.
            }

            Assert.Equal(expected, Encoding.Latin1.GetString(octets, 0, read));
        }

        /// <summary>Waits for its end, before which nothing more may come.</summary>
        public async Task<int> EndAsync()
        {
            Assert.Equal("", await process.StandardOutput.ReadToEndAsync());
            await process.WaitForExitAsync();
            return process.ExitCode;
        }

        public async ValueTask DisposeAsync()
        {
            if (!process.HasExited)
            {
                process.Kill();
            }

            await process.WaitForExitAsync();
            await _errors;
            process.Dispose();
        }
    }
}

using System.Net;
using System.Text;
using System.Text.Json;
using RelayCore.Api;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Engine.Capture;
using RelayCore.Protocols;
using RelayCore.Protocols.Http1;
using RelayCore.Runtime;
using RelayCore.Testing;
using Xunit;

namespace RelayCore.Cli.Tests.Flows;

/// <summary><c>flows messages</c> and <c>flows inject</c> against the API of a proxy with one running WebSocket.</summary>
public sealed class MessageCommandsTests : IAsyncLifetime
{
    private const string Token = "token-of-these-tests";

    private readonly TestEnvironment _environment = new();
    private readonly FlowId _id = FlowId.Create(TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds());
    private RelayCoreHost _host = null!;
    private ApiServer _api = null!;
    private FlowRecorder _recorder = null!;
    private FakeMessageSession _session = null!;

    public async ValueTask InitializeAsync()
    {
        _host = await RelayCoreHost.StartAsync(new() { DataDirectory = _environment.Folder, Engine = new() { Listen = [new(IPAddress.Loopback, 0)] } });
        _api = ApiServer.Bind(new() { Listen = new(IPAddress.Loopback, 0), Token = Token });
        _api.Start(_host);
        _environment.Variables["RELAY_API_TOKEN"] = Token;
        _recorder = _host.Store.Rent();
        _recorder.Begin(FlowKind.Http, _id, default, new() { Id = 1 }, TimeProvider.System.GetTimestamp());
        _recorder.Request(new(true, "chat.example", 443), "GET /socket HTTP/1.1\r\nHost: chat.example\r\n\r\n"u8, Http1Repairs.None);
        _recorder.Response("HTTP/1.1 101 Switching Protocols\r\n\r\n"u8, Http1Repairs.None);
        _recorder.Become(FlowKind.WebSocket);
        _session = new(_id);
        _host.MessageSessions.Add(_session);
    }

    public async ValueTask DisposeAsync()
    {
        await _api.DisposeAsync();
        await _host.DisposeAsync();
        _environment.Dispose();
    }

    [Fact]
    public async Task Messages_Table_IsALineEach()
    {
        Say(PeerRole.Client, "hello");
        Say(PeerRole.Server, "hi\u001b[2J");
        Assert.Equal(ExitCode.Success, await RunAsync("flows", "messages", "last"));
        var lines = Lines();
        Assert.Matches(@"^\d\d:\d\d:\d\d\.\d{3} → Text         5 B  hello$", lines[0]);
        Assert.EndsWith("← Text         6 B  hi\\x1b[2J", lines[1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Messages_MoreThanAPage_AreAllThere()
    {
        for (var i = 1; i <= 2500; i++)
        {
            Say(PeerRole.Client, $"{i}");
        }

        Assert.Equal(ExitCode.Success, await RunAsync("flows", "messages", _id.ToString(), "--output", "json"));
        using var array = JsonDocument.Parse(_environment.Output);
        Assert.Equal(Enumerable.Range(1, 2500), array.RootElement.EnumerateArray().Select(x => x.GetProperty("number").GetInt32()));
    }

    [Fact]
    public async Task Messages_None_IsSaid()
    {
        Assert.Equal(ExitCode.Success, await RunAsync("flows", "messages", "last", "--output", "json"));
        Assert.Equal("[]\n", _environment.Output);
        Assert.Equal(ExitCode.Success, await RunAsync("flows", "messages", "last"));
        Assert.Equal("No messages.\n", _environment.Error);
    }

    [Fact]
    public async Task Messages_Followed_ShowsEachOnceUntilTheFlowEnds()
    {
        Say(PeerRole.Client, "before");
        var output = new ProbeWriter();
        var environment = new CliEnvironment(_environment.Variables.GetValueOrDefault, output, output);
        var running = CommandLine.RunAsync(["flows", "messages", "last", "--follow", "--output", "jsonl", "--api-url", _api.Url], environment);
        await output.WaitForAsync("\"before\"");
        for (var i = 0; i < 500; i++)
        {
            Say(PeerRole.Server, $"number {i}");
        }

        await output.WaitForAsync("number 499\"");
        Say(PeerRole.Client, "after");
        _recorder.End(CloseReason.Completed, null, null, TimeProvider.System.GetTimestamp());
        Assert.Equal(ExitCode.Success, await running.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken));
        var numbers = output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(x =>
        {
            using var json = JsonDocument.Parse(x);
            return json.RootElement.GetProperty("number").GetInt32();
        });
        Assert.Equal(Enumerable.Range(1, 502), numbers);
    }

    [Fact]
    public async Task Messages_FollowedFlowHasEnded_ShowsWhatThereWas()
    {
        Say(PeerRole.Client, "only");
        _recorder.End(CloseReason.Completed, null, null, TimeProvider.System.GetTimestamp());
        Assert.Equal(ExitCode.Success, await RunAsync("flows", "messages", "last", "--follow"));
        Assert.EndsWith("only", Assert.Single(Lines()), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Get_WebSocket_ShowsMessagesAndWhoClosedIt()
    {
        for (var i = 1; i <= 150; i++)
        {
            Say(PeerRole.Client, $"message {i}");
        }

        _recorder.Closed(PeerRole.Server, 1001, "bye");
        _recorder.Streams(7, 0);
        _recorder.End(CloseReason.Completed, null, null, TimeProvider.System.GetTimestamp());
        Assert.Equal(ExitCode.Success, await RunAsync("flows", "get", "last"));
        Assert.Contains("WebSocket: 150 messages\n", _environment.Output, StringComparison.Ordinal);
        Assert.Contains($"  [50 older: flows messages {_id}]\n", _environment.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("message 50\n", _environment.Output, StringComparison.Ordinal);
        Assert.Contains("  message 51\n", _environment.Output, StringComparison.Ordinal);
        Assert.Contains("  closed by the server with 1001 \"bye\"\n", _environment.Output, StringComparison.Ordinal);
        Assert.Contains("  HTTP/2 stream 7\n", _environment.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Inject_TextFileAndInput_AreSaid()
    {
        Assert.Equal(ExitCode.Success, await RunAsync("flows", "inject", "last", "grüß"));
        _environment.Input = [0xFF, 0];
        Assert.Equal(ExitCode.Success, await RunAsync("flows", "inject", "last", "-", "--to", "client", "--type", "binary"));
        Assert.Equal(ExitCode.Success, await RunAsync(
            "flows", "inject", "last", "--file", _environment.Write("event", "data"), "--type", "event", "--event-name", "e", "--event-id", "1", "--retry", "5"));
        var injected = _session.Injected.ToArray();
        Assert.Equal([(PeerRole.Client, MessageType.Text), (PeerRole.Server, MessageType.Binary), (PeerRole.Client, MessageType.Event)], injected.Select(x => (x.Sender, x.Message.Type)));
        Assert.Equal(["grüß"u8.ToArray(), [0xFF, 0], "data"u8.ToArray()], injected.Select(x => x.Message.Content.ToArray()));
        Assert.Equal(("e", "1", 5), (injected[2].Message.EventName, injected[2].Message.EventId, injected[2].Message.RetryMilliseconds));
    }

    [Fact]
    public async Task Inject_Close_ClosesWithCodeAndReason()
    {
        Assert.Equal(ExitCode.Success, await RunAsync("flows", "inject", "last", "--close", "4000", "--reason", "enough"));
        Assert.Equal([(4000, "enough")], _session.Closes);
    }

    [Fact]
    public async Task Inject_FlowIsOver_IsOneSentence()
    {
        _host.MessageSessions.Remove(_session);
        _recorder.End(CloseReason.Completed, null, null, TimeProvider.System.GetTimestamp());
        Assert.Equal(ExitCode.Failure, await RunAsync("flows", "inject", "last", "x"));
        Assert.Equal("error: The flow is over.\n", _environment.Error);
    }

    [Fact]
    public async Task Inject_KindUnknown_AsksForIt()
    {
        var id = FlowId.Create(TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds());
        var recorder = _host.Store.Rent();
        recorder.Begin(FlowKind.Http, id, default, new() { Id = 1 }, TimeProvider.System.GetTimestamp());
        var session = new FakeMessageSession(id);
        _host.MessageSessions.Add(session);
        Assert.Equal(ExitCode.Usage, await RunAsync("flows", "inject", id.ToString(), "x"));
        Assert.Contains("--type", _environment.Error, StringComparison.Ordinal);
        recorder.Message(PeerRole.Server, MessageType.Line, MessageMarks.Final, "{}"u8, 3, TimeProvider.System.GetTimestamp());
        Assert.Equal(ExitCode.Success, await RunAsync("flows", "inject", id.ToString(), "{}", "--to", "client"));
        Assert.Equal(MessageType.Line, Assert.Single(session.Injected).Message.Type);
    }

    [Theory]
    [InlineData("inject", "last")]
    [InlineData("inject", "last", "x", "--close", "1000")]
    [InlineData("inject", "last", "x", "--file", "y")]
    [InlineData("inject", "last", "x", "--reason", "y")]
    [InlineData("inject", "last", "x", "--type", "letter")]
    [InlineData("inject", "last", "x", "--to", "both")]
    [InlineData("messages", "last", "--follow", "--output", "json")]
    [InlineData("messages", "last", "--after", "-1")]
    public async Task Command_WithoutSense_EndsWith2(params string[] arguments)
    {
        Assert.Equal(ExitCode.Usage, await RunAsync(["flows", .. arguments]));
        Assert.StartsWith("error: ", _environment.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Inject_FileIsMissing_IsOneSentence()
    {
        Assert.Equal(ExitCode.Failure, await RunAsync("flows", "inject", "last", "--file", Path.Combine(_environment.Folder, "nothing")));
        Assert.Contains("cannot be read", Assert.Single(_environment.Error.TrimEnd('\n').Split('\n')), StringComparison.Ordinal);
    }

    private Task<int> RunAsync(params string[] arguments) => _environment.RunAsync([.. arguments, "--api-url", _api.Url]);

    private string[] Lines() => _environment.Output.TrimEnd('\n').Split('\n');

    private void Say(PeerRole sender, string text) => _recorder.Message(
        sender, MessageType.Text, MessageMarks.Final, Encoding.UTF8.GetBytes(text), text.Length + 2, TimeProvider.System.GetTimestamp());

    /// <summary>Output that can be waited for.</summary>
    private sealed class ProbeWriter : StringWriter
    {
        private readonly Lock _gate = new();
        private TaskCompletionSource _written = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public async Task WaitForAsync(string text)
        {
            while (true)
            {
                Task written;
                lock (_gate)
                {
                    if (base.ToString().Contains(text, StringComparison.Ordinal))
                    {
                        return;
                    }

                    written = _written.Task;
                }

                await written.WaitAsync(TimeSpan.FromSeconds(30));
            }
        }

        public override void Write(string? value)
        {
            lock (_gate)
            {
                base.Write(value);
                _written.TrySetResult();
                _written = new(TaskCreationOptions.RunContinuationsAsynchronously);
            }
        }

        public override string ToString()
        {
            lock (_gate)
            {
                return base.ToString();
            }
        }
    }
}

using System.Buffers;
using System.CommandLine;
using System.Text;
using System.Text.Json;
using RelayCore.Cli.Run;
using RelayCore.Cli.Text;
using RelayCore.Core.Flows;

namespace RelayCore.Cli.Flows;

/// <summary><c>flows messages</c> and <c>flows inject</c>: what is said in a WebSocket or a stream of messages, and saying something there.</summary>
/// <param name="environment">Where it runs.</param>
/// <param name="open">Finds the proxy a command line means.</param>
/// <param name="resolve">Finds the whole id of a flow.</param>
internal sealed class MessageCommands(
    CliEnvironment environment, Func<ParseResult, FlowsClient> open, Func<FlowsClient, string, CancellationToken, Task<string>> resolve)
{
    private const int MaxContent = 1024 * 1024;

    private static readonly Dictionary<string, string> s_types = new(StringComparer.Ordinal)
    {
        ["text"] = "Text",
        ["binary"] = "Binary",
        ["ping"] = "Ping",
        ["pong"] = "Pong",
        ["event"] = "Event",
        ["line"] = "Line",
        ["grpc"] = "GrpcMessage",
    };

    private readonly Argument<string> _id = new("ID") { Description = "Id of the flow, its last characters, or last for the newest" };

    /// <summary><c>flows messages</c>.</summary>
    public Command CreateMessages()
    {
        var follow = new Option<bool>("--follow", "-f") { Description = "Go on with messages as they come, until the flow ends or Ctrl-C" };
        var output = new Option<string>("--output", "-o")
        {
            Description = "table, json or jsonl [default: table]",
            HelpName = "FORMAT",
            DefaultValueFactory = _ => "table",
        };
        output.AcceptOnlyFromAmong("table", "json", "jsonl");
        var after = new Option<long>("--after") { Description = "Only messages with a larger number", HelpName = "NUMBER" };
        var command = new Command("messages", "List the messages of a flow, or follow them.") { _id, follow, output, after };
        command.Validators.Add(x =>
        {
            if (x.GetValue(follow) && x.GetValue(output) == "json")
            {
                x.AddError("--follow writes table or jsonl: a JSON array has an end.");
            }

            if (x.GetValue(after) < 0)
            {
                x.AddError("--after is 0 or more.");
            }
        });
        command.SetAction((line, cancellationToken) => ListAsync(
            line, line.GetRequiredValue(_id), line.GetValue(follow), line.GetRequiredValue(output), line.GetValue(after), cancellationToken));
        return command;
    }

    /// <summary><c>flows inject</c>.</summary>
    public Command CreateInject()
    {
        var content = new Argument<string?>("CONTENT") { Description = "What it says, or - for standard input", Arity = ArgumentArity.ZeroOrOne };
        var to = new Option<string>("--to")
        {
            Description = "Who gets it: server or client [default: server]",
            HelpName = "PEER",
            DefaultValueFactory = _ => "server",
        };
        to.AcceptOnlyFromAmong("server", "client");
        var type = new Option<string?>("--type")
        {
            Description = "text, binary, ping, pong, event, line or grpc [default: text in a WebSocket, otherwise as the last message of the flow]",
            HelpName = "TYPE",
        };
        type.AcceptOnlyFromAmong([.. s_types.Keys]);
        var file = new Option<string?>("--file") { Description = "Read the content from a file", HelpName = "FILE" };
        var eventName = new Option<string?>("--event-name") { Description = "Name of an event", HelpName = "TEXT" };
        var eventId = new Option<string?>("--event-id") { Description = "Id of an event", HelpName = "TEXT" };
        var retry = new Option<long?>("--retry") { Description = "Reconnection time of an event, milliseconds", HelpName = "MS" };
        var close = new Option<int?>("--close") { Description = "Close instead, with this code (1000 to 4999)", HelpName = "CODE" };
        var reason = new Option<string?>("--reason") { Description = "Reason of the close", HelpName = "TEXT" };
        var command = new Command("inject", "Say something in a running flow as if one of its peers had said it.")
        {
            _id, content, to, type, file, eventName, eventId, retry, close, reason,
        };
        command.Validators.Add(x =>
        {
            var isClose = x.GetValue(close) is not null;
            var sources = (x.GetValue(content) is null ? 0 : 1) + (x.GetValue(file) is null ? 0 : 1);
            if (isClose && sources > 0)
            {
                x.AddError("--close takes no content.");
            }

            if (!isClose && x.GetValue(reason) is not null)
            {
                x.AddError("--reason is given without --close.");
            }

            if (!isClose && sources != 1)
            {
                x.AddError("Give the content, - for standard input, or --file.");
            }
        });
        command.SetAction(async (line, cancellationToken) =>
        {
            using var client = open(line);
            var id = await resolve(client, line.GetRequiredValue(_id), cancellationToken);
            if (line.GetValue(close) is { } code)
            {
                await client.SayAsync(id, "close", Json(x =>
                {
                    x.WriteNumber("code"u8, code);
                    x.WriteString("reason"u8, line.GetValue(reason) ?? "");
                }), cancellationToken);
                return ExitCode.Success;
            }

            var octets = await ReadAsync(line.GetValue(content), line.GetValue(file), cancellationToken);
            var opcode = line.GetValue(type) is { } name ? s_types[name] : await TypeAsync(client, id, cancellationToken);
            await client.SayAsync(id, "messages", Json(x =>
            {
                x.WriteString("direction"u8, line.GetRequiredValue(to) == "server" ? "ClientToServer"u8 : "ServerToClient"u8);
                x.WriteString("opcode"u8, opcode);
                x.WriteBase64String("content"u8, octets);
                x.WriteString("encoding"u8, "base64"u8);
                if (line.GetValue(eventName) is not null || line.GetValue(eventId) is not null || line.GetValue(retry) is not null)
                {
                    x.WriteStartObject("event"u8);
                    x.WriteString("id"u8, line.GetValue(eventId));
                    x.WriteString("event"u8, line.GetValue(eventName));
                    if (line.GetValue(retry) is { } milliseconds)
                    {
                        x.WriteNumber("retry"u8, milliseconds);
                    }

                    x.WriteEndObject();
                }
            }), cancellationToken);
            return ExitCode.Success;
        });
        return command;
    }

    private async Task<int> ListAsync(ParseResult line, string id, bool follow, string output, long after, CancellationToken cancellationToken)
    {
        using var client = open(line);
        id = await resolve(client, id, cancellationToken);
        if (follow)
        {
            await FollowAsync(client, id, output, after, cancellationToken);
            return ExitCode.Success;
        }

        var count = 0;
        await foreach (var message in PagesAsync(client, id, after, cancellationToken))
        {
            environment.Output.Write(output == "json" ? count == 0 ? "[" : ",\n" : "");
            Write(message, output, isLine: output != "json");
            count++;
        }

        if (output == "json")
        {
            environment.Output.WriteLine(count == 0 ? "[]" : "]");
        }
        else if (count == 0)
        {
            environment.Error.WriteLine("No messages.");
        }

        return ExitCode.Success;
    }

    private async Task FollowAsync(FlowsClient client, string id, string output, long after, CancellationToken cancellationToken)
    {
        using var signals = new StopSignals(Environment.Exit);
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _ = signals.Asked.ContinueWith(_ => stopping.Cancel(), TaskScheduler.Default);
        try
        {
            // Events only say that there is something new: what, is read from the flow, so that nothing is shown twice or left out.
            await foreach (var (name, data) in client.FollowAsync(messages: true, stopping.Token))
            {
                var isOver = name == "lifecycle"
                    ? (await client.FindAsync(id, stopping.Token) ?? throw new CliException($"The proxy has no flow {id}.")).Flow.EndTime is not null
                    : name == "flow-event" && IsAbout(data, id, out var what) && what is "completed" or "errored" or "evicted";
                if (!isOver && name is not ("lifecycle" or "lagged") && !IsAbout(data, id, out _))
                {
                    continue;
                }

                await foreach (var message in PagesAsync(client, id, after, stopping.Token))
                {
                    after = message.Number;
                    Write(message, output, isLine: true);
                }

                environment.Output.Flush();
                if (isOver)
                {
                    return;
                }
            }

            environment.Error.WriteLine("The proxy has ended.");
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // Ctrl-C is how this ends.
        }
    }

    private void Write(FlowMessage message, string output, bool isLine)
    {
        var text = output == "table"
            ? MessageLine.Format(message, environment.Width, new(environment.HasColor), environment.Time.LocalTimeZone)
            : JsonSerializer.Serialize(message, FlowJson.Default.FlowMessage);
        environment.Output.Write(isLine ? text + "\n" : text);
    }

    private static async IAsyncEnumerable<FlowMessage> PagesAsync(
        FlowsClient client, string id, long after, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (await client.MessagesAsync(id, after, cancellationToken) is { Count: > 0 } page)
        {
            foreach (var message in page)
            {
                yield return message;
            }

            after = page[^1].Number;
        }
    }

    private static bool IsAbout(byte[] data, string id, out string? what)
    {
        using var json = JsonDocument.Parse(data);
        what = json.RootElement.TryGetProperty("event", out var name) ? name.GetString() : null;
        return json.RootElement.TryGetProperty("flow_id", out var flow) && flow.GetString() == id;
    }

    private static async Task<string> TypeAsync(FlowsClient client, string id, CancellationToken cancellationToken) =>
        (await client.FindAsync(id, cancellationToken))?.Flow.Layer switch
        {
            FlowLayer.WebSocket => "Text",
            FlowLayer.Http { Data.Messages: [.., var last] } => last.Opcode,
            _ => throw new CliException("This flow has no message yet that would tell its kind; give --type.", ExitCode.Usage),
        };

    private async Task<byte[]> ReadAsync(string? content, string? file, CancellationToken cancellationToken)
    {
        if (content is not null and not "-")
        {
            return Encoding.UTF8.GetBytes(content);
        }

        try
        {
            await using var source = file is null ? environment.OpenInput() : File.OpenRead(file);
            var octets = new byte[MaxContent + 1];
            var length = await source.ReadAtLeastAsync(octets, octets.Length, throwOnEndOfStream: false, cancellationToken);
            return length > MaxContent ? throw new CliException("An injected message has at most 1 MiB.", ExitCode.Usage) : octets[..length];
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CliException($"{Printable.Line(file ?? "standard input")} cannot be read: {error.Message}", inner: error);
        }
    }

    private static ReadOnlyMemory<byte> Json(Action<Utf8JsonWriter> write)
    {
        var output = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(output))
        {
            writer.WriteStartObject();
            write(writer);
            writer.WriteEndObject();
        }

        return output.WrittenMemory;
    }
}

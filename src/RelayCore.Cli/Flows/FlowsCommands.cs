using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Text.Json;
using RelayCore.Cli.Run;
using RelayCore.Cli.Text;
using RelayCore.Core.Flows;

namespace RelayCore.Cli.Flows;

/// <summary><c>flows</c> and <c>flows get</c>: what a running proxy captured, read through its API.</summary>
internal sealed class FlowsCommands(CliEnvironment environment)
{
    private const int PageSize = 200;

    /// <summary>How far back the end of an id is looked for.</summary>
    private const int MaxSearched = 20_000;

    private readonly Option<string?> _apiUrl = new("--api-url")
    {
        Description = "API of the proxy, with its token in RELAY_API_TOKEN [default: the proxy that runs with the data directory]",
        HelpName = "URL",
        Recursive = true,
    };

    private readonly Option<string?> _dataDir = RunOptions.DataDirOption();
    private readonly Option<bool> _follow = new("--follow", "-f") { Description = "Show flows as they end, until Ctrl-C" };
    private readonly Option<string> _output = new("--output", "-o")
    {
        Description = "table, json or jsonl [default: table]",
        HelpName = "FORMAT",
        DefaultValueFactory = _ => "table",
    };

    private readonly Option<string?> _filter = new("--filter")
    {
        Description = "Conditions in words: host:x path:x method:x status:>=400 status:400-499 err ws, and words of the URL",
        HelpName = "EXPR",
    };

    private readonly Option<string?> _host = new("--host") { Description = "Part of the host", HelpName = "TEXT" };
    private readonly Option<string?> _path = new("--path") { Description = "Part of path and query", HelpName = "TEXT" };
    private readonly Option<string?> _method = new("--method") { Description = "The method", HelpName = "METHOD" };
    private readonly Option<int?> _statusMin = new("--status-min") { Description = "Smallest status", HelpName = "STATUS" };
    private readonly Option<int?> _statusMax = new("--status-max") { Description = "Largest status", HelpName = "STATUS" };
    private readonly Option<bool> _hasError = new("--has-error") { Description = "Only flows that failed or have a status of 500 and more" };
    private readonly Option<bool> _webSocket = new("--websocket") { Description = "Only WebSockets" };
    private readonly Option<int> _limit = new("--limit", "-n") { Description = "How many at most, newest first [default: 50]", HelpName = "N", DefaultValueFactory = _ => 50 };

    /// <summary>The commands.</summary>
    public static Command Create(CliEnvironment environment) => new FlowsCommands(environment).Create();

    private Command Create()
    {
        _dataDir.Recursive = true;
        _output.AcceptOnlyFromAmong("table", "json", "jsonl");
        _limit.Validators.Add(x => Require(x, x.GetValueOrDefault<int>() >= 1, "--limit is 1 or more."));
        var flows = new Command("flows", "List what a running proxy captured, or follow it.")
        {
            _apiUrl, _dataDir, _follow, _output, _filter, _host, _path, _method, _statusMin, _statusMax, _hasError, _webSocket, _limit,
        };
        flows.SetAction((line, cancellationToken) => line.GetValue(_follow) ? FollowAsync(line, cancellationToken) : ListAsync(line, cancellationToken));

        var id = new Argument<string>("ID") { Description = "Id of the flow, its last characters, or last for the newest" };
        var output = new Option<string>("--output", "-o") { Description = "text or json [default: text]", HelpName = "FORMAT", DefaultValueFactory = _ => "text" };
        output.AcceptOnlyFromAmong("text", "json");
        var body = new Option<string?>("--body")
        {
            Description = "Write only the body of the request or response, as captured, to standard output",
            HelpName = "request|response",
        };
        body.AcceptOnlyFromAmong("request", "response");
        var decoded = new Option<bool>("--decoded") { Description = "With --body: content codings such as gzip removed" };
        var get = new Command("get", "Show one flow.") { id, output, body, decoded };
        get.SetAction((line, cancellationToken) =>
            GetAsync(line, line.GetRequiredValue(id), line.GetRequiredValue(output), line.GetValue(body), line.GetValue(decoded), cancellationToken));
        flows.Add(get);
        flows.Add(new MessageCommands(environment, Client, ResolveAsync).CreateMessages());
        flows.Add(new MessageCommands(environment, Client, ResolveAsync).CreateInject());
        flows.Add(new WhyCommand(environment, Client, ResolveAsync).Create());
        return flows;

        static void Require(OptionResult option, bool holds, string problem)
        {
            if (!holds)
            {
                option.AddError(problem);
            }
        }
    }

    private FlowFilter Filter(ParseResult line)
    {
        var filter = new FlowFilter
        {
            Query = new()
            {
                Host = line.GetValue(_host),
                PathContains = line.GetValue(_path),
                Method = line.GetValue(_method),
                StatusMin = line.GetValue(_statusMin),
                StatusMax = line.GetValue(_statusMax),
                HasError = line.GetValue(_hasError) ? true : null,
                IsWebsocket = line.GetValue(_webSocket) ? true : null,
            },
        };
        return line.GetValue(_filter) is { } expression ? filter.And(expression) : filter;
    }

    private async Task<int> ListAsync(ParseResult line, CancellationToken cancellationToken)
    {
        var (filter, limit) = (Filter(line), line.GetValue(_limit));
        using var client = Client(line);
        var flows = new List<FlowSummary>();
        await foreach (var flow in PagesAsync(client, filter, cancellationToken))
        {
            flows.Add(flow);
            if (flows.Count == limit)
            {
                break;
            }
        }

        switch (line.GetRequiredValue(_output))
        {
            case "json":
                environment.Output.WriteLine($"[{string.Join(",\n", flows.Select(Json))}]");
                break;
            case "jsonl":
                flows.ForEach(x => environment.Output.WriteLine(Json(x)));
                break;
            default:
                WriteTable(flows);
                break;
        }

        return ExitCode.Success;
    }

    // Words are looked for here, so pages are read until enough are found, not cut before.
    private static async IAsyncEnumerable<FlowSummary> PagesAsync(
        FlowsClient client, FlowFilter filter, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var query = filter.Query with { Limit = PageSize };
        while (true)
        {
            var page = await client.ListAsync(query, cancellationToken);
            foreach (var flow in page.Items.Where(filter.HasWords))
            {
                yield return flow;
            }

            if (page.NextCursor is null || !FlowId.TryParse(page.NextCursor, out var cursor))
            {
                yield break;
            }

            query = query with { Cursor = cursor };
        }
    }

    private void WriteTable(List<FlowSummary> flows)
    {
        if (flows.Count == 0)
        {
            environment.Error.WriteLine("No flows.");
            return;
        }

        // The end of an id is random and enough to find it; the whole does not fit on most terminals.
        var style = new Style(environment.HasColor);
        var width = environment.Width == int.MaxValue ? int.MaxValue : environment.Width - 14;
        environment.Output.WriteLine(style.Bold($"{"ID",-12}  {"TIME",-12} {"METHOD",-7} {"ST",3} {"SIZE",9} {"TOOK",8}  URL"));
        foreach (var flow in flows)
        {
            environment.Output.WriteLine($"{flow.Id[^12..]}  {FlowLine.Format(flow, width, style, environment.Time.LocalTimeZone)}");
        }
    }

    private async Task<int> FollowAsync(ParseResult line, CancellationToken cancellationToken)
    {
        var filter = Filter(line);
        var isTable = line.GetRequiredValue(_output) == "table";
        var (style, ended) = (new Style(environment.HasColor), new EndedFlows());
        using var client = Client(line);
        using var signals = new StopSignals(Environment.Exit);
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _ = signals.Asked.ContinueWith(_ => stopping.Cancel(), TaskScheduler.Default);
        try
        {
            await foreach (var (name, data) in client.FollowAsync(messages: false, stopping.Token))
            {
                if (name is "lagged")
                {
                    environment.Error.WriteLine("note: more passed than could be shown; `flows` lists what is kept.");
                }

                if (name is not "flow-summary" || JsonSerializer.Deserialize(data, FlowJson.Default.FlowSummary) is not { } flow || !ended.IsNew(flow) || !filter.Matches(flow))
                {
                    continue;
                }

                environment.Output.WriteLine(isTable ? FlowLine.Format(flow, environment.Width, style, environment.Time.LocalTimeZone) : Json(flow));
                environment.Output.Flush();
            }

            environment.Error.WriteLine("The proxy has ended.");
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // Ctrl-C is how this ends.
        }

        return ExitCode.Success;
    }

    private async Task<int> GetAsync(ParseResult line, string id, string output, string? body, bool decoded, CancellationToken cancellationToken)
    {
        if (decoded && body is null)
        {
            throw new CliException("--decoded is given without --body.", ExitCode.Usage);
        }

        using var client = Client(line);
        id = await ResolveAsync(client, id, cancellationToken);
        if (body is not null)
        {
            await using var stream = environment.OpenOutput();
            var total = await client.CopyBodyAsync(id, body, decoded, stream, cancellationToken);
            if (total >= 0)
            {
                environment.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"note: the body had {total} octets; only what was captured of it is written."));
            }

            return ExitCode.Success;
        }

        var found = await client.FindAsync(id, cancellationToken) ?? throw Unknown(id);
        if (output == "json")
        {
            await using var stream = environment.OpenOutput();
            await stream.WriteAsync(found.Json, cancellationToken);
            await stream.WriteAsync("\n"u8.ToArray(), cancellationToken);
        }
        else
        {
            new FlowText(found.Flow, environment).Write();
        }

        return ExitCode.Success;
    }

    internal static async Task<string> ResolveAsync(FlowsClient client, string id, CancellationToken cancellationToken)
    {
        if (FlowId.TryParse(id, out var whole))
        {
            return whole.ToString();
        }

        if (id.Equals("last", StringComparison.OrdinalIgnoreCase))
        {
            return (await client.ListAsync(new() { Limit = 1 }, cancellationToken)).Items is [var newest]
                ? newest.Id
                : throw new CliException("The proxy has no flow yet.");
        }

        if (id.Length < 4 || !id.All(char.IsAsciiHexDigit))
        {
            throw new CliException($"'{Printable.Line(id)}' is not the id of a flow; `flows` lists them.");
        }

        var (searched, found) = (0, new List<string>());
        await foreach (var flow in PagesAsync(client, new(), cancellationToken))
        {
            if (flow.Id.EndsWith(id, StringComparison.OrdinalIgnoreCase))
            {
                found.Add(flow.Id);
            }

            if (++searched == MaxSearched)
            {
                break;
            }
        }

        return found.Count switch
        {
            1 => found[0],
            0 => throw Unknown(id),
            _ => throw new CliException($"{found.Count} flows end in {id}; give more of the id, e.g. {found[0]}."),
        };
    }

    private static CliException Unknown(string id) => new($"The proxy has no flow {Printable.Line(id)}; `flows` lists what is kept.");

    private FlowsClient Client(ParseResult line) => FlowsClient.Find(line.GetValue(_apiUrl), line.GetValue(_dataDir), environment);

    private static string Json(FlowSummary flow) => JsonSerializer.Serialize(flow, FlowJson.Default.FlowSummary);
}

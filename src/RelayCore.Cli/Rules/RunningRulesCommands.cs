using System.CommandLine;
using System.Text.Json;
using RelayCore.Cli.Flows;
using RelayCore.Cli.Run;
using RelayCore.Cli.Text;

namespace RelayCore.Cli.Rules;

/// <summary><c>rules list|add|remove</c> and <c>intercepts</c>: against the running proxy.</summary>
internal sealed class RunningRulesCommands(CliEnvironment environment)
{
    private readonly Option<string?> _apiUrl = ApiUrlOption();
    private readonly Option<string?> _dataDir = RunOptions.DataDirOption();

    /// <summary>The option that names the proxy.</summary>
    public static Option<string?> ApiUrlOption() => new("--api-url")
    {
        Description = "API of the proxy, with its token in RELAY_API_TOKEN [default: the proxy that runs with the data directory]",
        HelpName = "URL",
    };

    /// <summary>The commands under <c>rules</c>.</summary>
    public IEnumerable<Command> Create()
    {
        var output = Output();
        var list = new Command("list", "Show the rules in force.") { output, _apiUrl, _dataDir };
        list.SetAction((line, cancellationToken) => ListAsync(line, line.GetRequiredValue(output) == "json", cancellationToken));
        yield return list;

        var file = new Argument<string>("FILE") { Description = "Rules to set, JSON or YAML; - for standard input" };
        var add = new Command("add", "Set rules in the running proxy; a rule of the same id is replaced. They are kept.") { file, _apiUrl, _dataDir };
        add.SetAction((line, cancellationToken) => AddAsync(line, line.GetRequiredValue(file), cancellationToken));
        yield return add;

        var id = new Argument<string>("ID") { Description = "Id of a rule that was set at run time" };
        var remove = new Command("remove", "Remove a rule from the running proxy.") { id, _apiUrl, _dataDir };
        remove.SetAction(async (line, cancellationToken) =>
        {
            var rule = line.GetRequiredValue(id);
            await RequestAsync(line, HttpMethod.Delete, $"rules/{Uri.EscapeDataString(rule)}", null, cancellationToken);
            environment.Output.WriteLine($"Removed {Printable.Line(rule)}.");
            return ExitCode.Success;
        });
        yield return remove;
    }

    /// <summary><c>intercepts</c>.</summary>
    public static Command CreateIntercepts(CliEnvironment environment) => new RunningRulesCommands(environment).CreateIntercepts();

    private static Option<string> Output()
    {
        var output = new Option<string>("--output", "-o") { Description = "text or json [default: text]", HelpName = "FORMAT", DefaultValueFactory = _ => "text" };
        output.AcceptOnlyFromAmong("text", "json");
        return output;
    }

    private Command CreateIntercepts()
    {
        var intercepts = new Command("intercepts", "Flows that wait at a breakpoint.");
        var output = Output();
        var list = new Command("list", "Show them.") { output, _apiUrl, _dataDir };
        list.SetAction(async (line, cancellationToken) =>
        {
            var json = await RequestAsync(line, HttpMethod.Get, "intercepts", null, cancellationToken);
            if (line.GetRequiredValue(output) == "json")
            {
                environment.Output.WriteLine(System.Text.Encoding.UTF8.GetString(json));
                return ExitCode.Success;
            }

            using var document = JsonDocument.Parse(json);
            var table = new TextTable("KEY", "PHASE", "METHOD", "URL");
            foreach (var item in document.RootElement.GetProperty("items").EnumerateArray())
            {
                table.Add(Text(item, "key"), Text(item, "phase"), Text(item, "method"), Text(item, "url"));
            }

            if (document.RootElement.GetProperty("items").GetArrayLength() == 0)
            {
                environment.Error.WriteLine("Nothing waits.");
            }
            else
            {
                table.Write(environment.Output, environment.Width, new(environment.HasColor));
            }

            return ExitCode.Success;
        });
        intercepts.Add(list);

        var key = new Argument<string>("KEY") { Description = "Key as intercepts list shows it" };
        var drop = new Option<bool>("--drop") { Description = "It goes no further" };
        var edits = new Option<string?>("--edits")
        {
            Description = "What to change, e.g. {\"request_header_upserts\":{\"X-Trace\":\"7\"},\"request_body\":\"…\"}, or respond",
            HelpName = "JSON",
        };
        var resume = new Command("resume", "Let one go on.") { key, drop, edits, _apiUrl, _dataDir };
        resume.SetAction(async (line, cancellationToken) =>
        {
            if (line.GetValue(drop) && line.GetValue(edits) is not null)
            {
                throw new CliException("--drop and --edits are given together; what is dropped cannot be changed.", ExitCode.Usage);
            }

            var decision = line.GetValue(drop) ? "{\"action\":\"drop\"}" : line.GetValue(edits) ?? "{}";
            await RequestAsync(
                line, HttpMethod.Post, $"intercepts/{Uri.EscapeDataString(line.GetRequiredValue(key))}/resume", System.Text.Encoding.UTF8.GetBytes(decision), cancellationToken);
            environment.Output.WriteLine($"{(line.GetValue(drop) ? "Dropped" : "Resumed")} {Printable.Line(line.GetRequiredValue(key))}.");
            return ExitCode.Success;
        });
        intercepts.Add(resume);
        return intercepts;
    }

    private async Task<int> ListAsync(ParseResult line, bool isJson, CancellationToken cancellationToken)
    {
        var json = await RequestAsync(line, HttpMethod.Get, "rules", null, cancellationToken);
        if (isJson)
        {
            environment.Output.WriteLine(System.Text.Encoding.UTF8.GetString(json));
            return ExitCode.Success;
        }

        using var document = JsonDocument.Parse(json);
        var table = new TextTable("ID", "STAGE", "PRIORITY", "HITS", "SOURCE", "NAME");
        foreach (var rule in document.RootElement.EnumerateArray())
        {
            table.Add(
                Text(rule, "id"), Text(rule, "stage") + (rule.GetProperty("active").GetBoolean() ? "" : " (off)"), rule.GetProperty("priority").GetRawText(),
                rule.GetProperty("hits").GetRawText(), Text(rule, "source"), Text(rule, "name"));
        }

        if (document.RootElement.GetArrayLength() == 0)
        {
            environment.Error.WriteLine("There are no rules.");
        }
        else
        {
            table.Write(environment.Output, environment.Width, new(environment.HasColor));
        }

        using var status = JsonDocument.Parse(await RequestAsync(line, HttpMethod.Get, "rules/status", null, cancellationToken));
        if (status.RootElement.GetProperty("stale").GetBoolean())
        {
            environment.Error.WriteLine("warning: a newer version of a rule file cannot be used; these are the rules before it:");
            environment.Error.WriteLine(ProblemText.OfRefusal(JsonSerializer.SerializeToUtf8Bytes(status.RootElement)));
        }

        return ExitCode.Success;
    }

    private async Task<int> AddAsync(ParseResult line, string file, CancellationToken cancellationToken)
    {
        byte[] text;
        try
        {
            using var buffer = new MemoryStream();
            await using var input = file == "-" ? environment.OpenInput() : File.OpenRead(file);
            await input.CopyToAsync(buffer, cancellationToken);
            text = buffer.ToArray();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CliException($"{Printable.Line(file)} cannot be read: {error.Message}", inner: error);
        }

        using var answer = JsonDocument.Parse(await RequestAsync(line, HttpMethod.Put, "rules", text, cancellationToken));
        var root = answer.RootElement;
        var ids = root.TryGetProperty("ids", out var several) ? several.EnumerateArray().Select(x => x.GetString()!) : [Text(root, "id")];
        environment.Output.WriteLine($"Set {Printable.Line(string.Join(", ", ids))}.");
        return ExitCode.Success;
    }

    private async Task<byte[]> RequestAsync(ParseResult line, HttpMethod method, string path, byte[]? content, CancellationToken cancellationToken)
    {
        using var client = FlowsClient.Find(line.GetValue(_apiUrl), line.GetValue(_dataDir), environment);
        var (isDone, json) = await client.RequestAsync(method, path, content is null ? null : new ReadOnlyMemory<byte>(content), cancellationToken);
        return isDone ? json : throw new CliException(ProblemText.OfRefusal(json));
    }

    private static string Text(JsonElement item, string name) => item.TryGetProperty(name, out var value) ? value.GetString() ?? "" : "";
}

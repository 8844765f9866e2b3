using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using RelayCore.Cli.Flows;
using RelayCore.Cli.Run;
using RelayCore.Cli.Text;
using RelayCore.Core.Flows;
using RelayCore.Rules.Documents;
using RelayCore.Runtime.Rules;

namespace RelayCore.Cli.Rules;

/// <summary><c>rules test</c> and <c>rules check</c>: rules tried without a network.</summary>
internal sealed class TrialCommands(CliEnvironment environment, Func<ParseResult, RuleOptions> options)
{
    /// <summary>Largest flow file, in octets.</summary>
    private const long MaxFlowFile = 256L * 1024 * 1024;

    /// <summary><c>rules test FILE</c>.</summary>
    public Command CreateTest()
    {
        var file = new Argument<string>("FILE") { Description = "Rule file" };
        var flow = new Option<string?>("--flow") { Description = "File with a flow, as flows get ID -o json writes it", HelpName = "FILE" };
        var har = new Option<string?>("--har") { Description = "HAR file; every exchange of it", HelpName = "FILE" };
        var id = new Option<string?>("--flow-id") { Description = "Flow of the running proxy: its id, or last", HelpName = "ID" };
        var output = new Option<string>("--output", "-o") { Description = "text or json [default: text]", HelpName = "FORMAT", DefaultValueFactory = _ => "text" };
        output.AcceptOnlyFromAmong("text", "json");
        var apiUrl = RunningRulesCommands.ApiUrlOption();
        var dataDir = RunOptions.DataDirOption();
        var command = new Command("test", "Show what rules would do to a flow, and why others do not match; nothing is sent.")
        {
            file, flow, har, id, output, apiUrl, dataDir,
        };
        command.SetAction(async (line, cancellationToken) =>
        {
            var inputs = await InputsAsync(
                line.GetValue(flow), line.GetValue(har), line.GetValue(id), () => FlowsClient.Find(line.GetValue(apiUrl), line.GetValue(dataDir), environment), cancellationToken);
            var problems = new RuleProblems();
            var document = RuleDocument.Load(line.GetRequiredValue(file), problems);
            var results = new List<DryRunResult>();
            foreach (var input in problems.HasErrors ? [] : inputs)
            {
                try
                {
                    if (await DryRun.RunAsync(document.Rules, options(line), input, results.Count == 0 ? problems : new(), cancellationToken) is { } result)
                    {
                        results.Add(result);
                    }
                }
                catch (Exception error) when (error is FormatException or TimeoutException)
                {
                    throw new CliException(error.Message, inner: error);
                }
            }

            ProblemText.Write(problems, environment.Error);
            if (problems.HasErrors)
            {
                throw new CliException($"{Printable.Line(line.GetRequiredValue(file))} cannot be used: {ProblemText.Count(problems)}.");
            }

            if (line.GetRequiredValue(output) == "json")
            {
                environment.Output.WriteLine(results.Count == 1 && line.GetValue(har) is null
                    ? JsonSerializer.Serialize(results[0], RuleJson.Default.DryRunResult)
                    : JsonSerializer.Serialize(results, RuleJson.Default.IReadOnlyListDryRunResult));
            }
            else
            {
                results.ForEach(x => new DryRunText(environment).Write(x));
            }

            return ExitCode.Success;
        });
        return command;
    }

    /// <summary><c>rules check FILE</c>.</summary>
    public Command CreateCheck()
    {
        var files = new Argument<string[]>("FILE") { Description = "Rule files with tests", Arity = ArgumentArity.OneOrMore };
        var command = new Command("check", "Run the tests of rule files; fails when one fails.") { files };
        command.SetAction(async (line, cancellationToken) =>
        {
            var problems = new RuleProblems();
            var document = RuleDocument.Load(line.GetRequiredValue(files), problems);
            var results = problems.HasErrors ? [] : await RuleTests.RunAsync(document, options(line), problems, cancellationToken);
            ProblemText.Write(problems, environment.Error);
            if (problems.HasErrors)
            {
                throw new CliException($"The tests cannot be run: {ProblemText.Count(problems)}.");
            }

            return WriteTap(results);
        });
        return command;
    }

    // The Test Anything Protocol, version 13: people read it, and so do build servers.
    private int WriteTap(IReadOnlyList<RuleTestResult> results)
    {
        var output = environment.Output;
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"1..{results.Count}"));
        if (results.Count == 0)
        {
            environment.Error.WriteLine("There are no tests; write them under `tests:` in the rule file.");
        }

        for (var i = 0; i < results.Count; i++)
        {
            var (result, number) = (results[i], i + 1);
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{(result.Failures.Count == 0 ? "ok" : "not ok")} {number} - {Printable.Line(result.Name)}"));
            if (result.Failures.Count > 0)
            {
                output.WriteLine($"# {Printable.Line(result.Location.ToString())}");
                foreach (var failure in result.Failures)
                {
                    output.WriteLine($"#   {Printable.Line(failure)}");
                }
            }
        }

        var failed = results.Count(x => x.Failures.Count > 0);
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"# {results.Count - failed} passed, {failed} failed"));
        return failed > 0 ? ExitCode.Failure : ExitCode.Success;
    }

    private static async Task<IReadOnlyList<DryRunInput>> InputsAsync(
        string? flowFile, string? harFile, string? flowId, Func<FlowsClient> find, CancellationToken cancellationToken)
    {
        if ((flowFile is null ? 0 : 1) + (harFile is null ? 0 : 1) + (flowId is null ? 0 : 1) != 1)
        {
            throw new CliException("Give one of --flow FILE, --har FILE and --flow-id ID to try the rules on.", ExitCode.Usage);
        }

        try
        {
            if (harFile is not null)
            {
                return HarReader.Read(harFile);
            }

            Flow? flow;
            if (flowFile is not null)
            {
                if (new FileInfo(flowFile).Length > MaxFlowFile)
                {
                    throw new CliException($"{Printable.Line(flowFile)} is larger than a flow can be.");
                }

                flow = JsonSerializer.Deserialize(await File.ReadAllBytesAsync(flowFile, cancellationToken), FlowJson.Default.Flow);
            }
            else
            {
                using var client = find();
                var id = await FlowsCommands.ResolveAsync(client, flowId!, cancellationToken);
                flow = (await client.FindAsync(id, cancellationToken))?.Flow ?? throw new CliException($"The proxy has no flow {Printable.Line(flowId!)}.");
            }

            return flow is not null && DryRunInput.Of(flow) is { } input ? [input] : throw new CliException("The flow is no HTTP exchange, so there is nothing to try rules on.");
        }
        catch (JsonException error)
        {
            throw new CliException($"{Printable.Line(flowFile ?? "The flow")} is not a flow as `flows get ID -o json` writes it{(error.Path is null ? "" : $", at {error.Path}")}.", inner: error);
        }
        catch (FormatException error)
        {
            throw new CliException(Printable.Line(error.Message), inner: error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CliException($"{Printable.Line(flowFile ?? harFile ?? "")} cannot be read: {error.Message}", inner: error);
        }
    }
}

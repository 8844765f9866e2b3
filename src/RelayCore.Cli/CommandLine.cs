using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using RelayCore.Cli.Ca;
using RelayCore.Cli.Explain;
using RelayCore.Cli.Flows;
using RelayCore.Cli.Rules;
using RelayCore.Cli.Run;

namespace RelayCore.Cli;

/// <summary>The commands, and what all of them share: one sentence for an error, exit code 2 for a wrong command line.</summary>
internal static class CommandLine
{
    private static readonly ParserConfiguration s_parsing = new() { ResponseFileTokenReplacer = null }; // an argument may begin with @

    /// <summary>Runs one command line.</summary>
    /// <returns>The exit code; see <see cref="ExitCode"/>.</returns>
    public static async Task<int> RunAsync(IReadOnlyList<string> arguments, CliEnvironment environment)
    {
        var line = Build(environment).Parse(arguments, s_parsing);
        if (line.Errors.Count > 0 && line.Action is ParseErrorAction or null)
        {
            return ReportUsage(line.Errors.Select(x => x.Message), CommandName(line), environment);
        }

        try
        {
            // Signals are the commands' own business: a proxy drains.
            return await line.InvokeAsync(new()
            {
                Output = environment.Output,
                Error = environment.Error,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
            });
        }
        catch (CliException error)
        {
            await environment.Error.WriteLineAsync(environment.Advice($"error: {error.Message}"));
            return error.Code;
        }
        catch (OperationCanceledException)
        {
            return ExitCode.Interrupted;
        }
        catch (Exception error) when (environment["RELAY_LOG"] is not "debug")
        {
            // Whatever this is, it is a defect; a stack trace helps only whoever is going to mend it.
            await environment.Error.WriteLineAsync(
                $"error: This should not have happened ({error.GetType().Name}: {error.Message}). Please report it, with the output of RELAY_LOG=debug.");
            return ExitCode.Failure;
        }
        finally
        {
            await environment.Output.FlushAsync();
        }
    }

    /// <summary>Writes what is wrong with a command line, a sentence each.</summary>
    /// <returns><see cref="ExitCode.Usage"/>.</returns>
    public static int ReportUsage(IEnumerable<string> problems, string command, CliEnvironment environment)
    {
        foreach (var problem in problems.Distinct())
        {
            environment.Error.WriteLine($"error: {problem}");
        }

        environment.Error.WriteLine(environment.Advice($"See '{command} --help'."));
        return ExitCode.Usage;
    }

    /// <summary>The tree of commands.</summary>
    public static RootCommand Build(CliEnvironment environment)
    {
        var root = new RootCommand("RelayCore: an intercepting HTTP(S) proxy that shows, records and changes what passes.");
        root.Add(RunCommand.Create(environment));
        root.Add(CaCommands.Create(environment));
        root.Add(FlowsCommands.Create(environment));
        root.Add(RulesCommands.Create(environment));
        root.Add(RunningRulesCommands.CreateIntercepts(environment));
        root.Add(ExplainCommand.Create(environment));
        var version = new Command("version", "Show the version.");
        version.SetAction(_ => environment.Output.WriteLine($"relay-core-cli {ProductVersion.Text}"));
        root.Add(version);
        foreach (var option in root.Options)
        {
            if (option is HelpOption help)
            {
                help.Action = new HelpWithExamples((HelpAction)help.Action!, environment);
            }
        }

        return root;
    }

    private static string CommandName(ParseResult line)
    {
        var names = new List<string>();
        for (SymbolNames? at = new(line.CommandResult); at is { } current; at = current.Parent)
        {
            names.Insert(0, current.Name);
        }

        names[0] = "relay-core-cli";
        return string.Join(' ', names);
    }

    private readonly record struct SymbolNames(System.CommandLine.Parsing.CommandResult Result)
    {
        public string Name => Result.Command.Name;

        public SymbolNames? Parent => Result.Parent is System.CommandLine.Parsing.CommandResult parent ? new(parent) : null;
    }

    private sealed class HelpWithExamples(HelpAction inner, CliEnvironment environment) : SynchronousCommandLineAction
    {
        public override int Invoke(ParseResult parseResult)
        {
            var code = inner.Invoke(parseResult);
            environment.Output.Write(environment.Advice(Examples.For(CommandName(parseResult))));
            return code;
        }
    }
}

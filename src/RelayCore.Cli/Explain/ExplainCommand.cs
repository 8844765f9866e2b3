using System.CommandLine;
using RelayCore.Core.Faults;

namespace RelayCore.Cli.Explain;

/// <summary><c>explain [CODE]</c>: what a fault code means and what to do; without a code, all of them.</summary>
internal static class ExplainCommand
{
    public static Command Create(CliEnvironment environment)
    {
        var code = new Argument<string?>("CODE") { Description = "A code such as RC-TLS-201, or its beginning", Arity = ArgumentArity.ZeroOrOne };
        code.CompletionSources.Add(_ => FaultCatalog.Entries.Select(x => new System.CommandLine.Completions.CompletionItem(x.Code, documentation: x.Title)));
        var command = new Command("explain", "Explain an error code, or list all of them.") { code };
        command.SetAction(line => Explain(line.GetValue(code), environment));
        return command;
    }

    private static int Explain(string? code, CliEnvironment environment)
    {
        if (code is not null && FaultCatalog.Find(code) is { } entry)
        {
            WriteEntry(entry, environment);
            return ExitCode.Success;
        }

        var listed = FaultCatalog.Entries.Where(x => code is null || x.Code.StartsWith(code, StringComparison.OrdinalIgnoreCase)).ToArray();
        if (listed.Length == 0)
        {
            throw new CliException($"There is no code {Text.Printable.Line(code!)}; `relay-core-cli explain` lists them all.");
        }

        foreach (var item in listed)
        {
            environment.Output.WriteLine($"{item.Code,-14}{(item.Status == 0 ? "   " : item.Status),4}  {item.Title}");
        }

        return ExitCode.Success;
    }

    private static void WriteEntry(FaultEntry entry, CliEnvironment environment)
    {
        var output = environment.Output;
        output.WriteLine($"{entry.Code}: {entry.Title}");
        output.WriteLine(entry.Status == 0 ? "No answer is sent: the connection is closed." : $"The client gets: {entry.Status}");
        output.WriteLine($"Rests on: {entry.Clause}");
        output.WriteLine();
        output.WriteLine(entry.Explanation);
        output.WriteLine();
        output.WriteLine("What to do:");
        foreach (var step in entry.NextSteps)
        {
            output.WriteLine(environment.Advice($"  - {step}"));
        }
    }
}

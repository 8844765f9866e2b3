using System.CommandLine;
using RelayCore.Cli.Text;
using RelayCore.Rules.Documents;
using RelayCore.Rules.Importing;

namespace RelayCore.Cli.Rules;

/// <summary><c>rules import --from mitmproxy</c>: its one-liners, or its config file, as rules.</summary>
internal sealed class ImportCommand(CliEnvironment environment)
{
    /// <summary>The command.</summary>
    public Command Create()
    {
        var from = new Option<string>("--from") { Description = "What it comes from: mitmproxy", HelpName = "TOOL", Required = true };
        from.AcceptOnlyFromAmong("mitmproxy");
        var file = new Argument<string?>("FILE") { Description = "Its config.yaml", Arity = ArgumentArity.ZeroOrOne };
        var output = new Option<string>("--output", "-o") { Description = "json or yaml [default: json]", HelpName = "FORMAT", DefaultValueFactory = _ => "json" };
        output.AcceptOnlyFromAmong("json", "yaml");
        var specs = new MitmproxyArguments();
        var command = new Command("import", "Turn the rules of another tool into a rule file, on standard output.") { from, file, output };
        foreach (var option in specs.All)
        {
            command.Add(option);
        }

        command.SetAction(line =>
        {
            var problems = new RuleProblems();
            var text = specs.Read(line, problems);
            var path = line.GetValue(file);
            if (text is null == path is null)
            {
                throw new CliException("Give either a config.yaml or options such as --modify-headers /~q/X-Test/1.", ExitCode.Usage);
            }

            text ??= MitmproxyRules.FromConfig(path!, problems);
            var rules = problems.HasErrors ? [] : RuleDocument.Parse(text, path ?? "command line", problems).Rules;
            ProblemText.Write(problems, environment.Error);
            if (problems.HasErrors)
            {
                throw new CliException($"{(path is null ? "The options" : Printable.Line(path))} cannot be turned into rules: {ProblemText.Count(problems)}.");
            }

            environment.Output.Write(line.GetRequiredValue(output) == "yaml" ? RulePrinter.Yaml(rules) : RulePrinter.Json(rules));
            return ExitCode.Success;
        });
        return command;
    }
}

using System.CommandLine;
using RelayCore.Rules.Documents;
using RelayCore.Runtime.Rules;

namespace RelayCore.Cli.Rules;

/// <summary><c>rules</c>: everything about rule files, and about the rules of a running proxy.</summary>
internal sealed class RulesCommands(CliEnvironment environment)
{
    private readonly Option<string[]> _variables = RuleSettings.EnvironmentOption();
    private readonly Option<string?> _root = RuleSettings.RootOption();

    /// <summary>The commands.</summary>
    public static Command Create(CliEnvironment environment) => new RulesCommands(environment).Create();

    private Command Create()
    {
        _variables.Recursive = _root.Recursive = true;
        var rules = new Command("rules", "Check, show, try and change rules.") { _variables, _root };
        rules.Add(Validate());
        rules.Add(Print());
        rules.Add(Lint());
        rules.Add(Schema());
        rules.Add(new ImportCommand(environment).Create());
        var trials = new TrialCommands(environment, Options);
        rules.Add(trials.CreateTest());
        rules.Add(trials.CreateCheck());
        var running = new RunningRulesCommands(environment);
        foreach (var command in running.Create())
        {
            rules.Add(command);
        }

        return rules;
    }

    private Command Validate()
    {
        var files = new Argument<string[]>("FILE") { Description = "Rule files, JSON or YAML, loaded together", Arity = ArgumentArity.OneOrMore };
        var command = new Command("validate", "Say everything that is wrong with rule files.") { files };
        command.SetAction(line =>
        {
            var problems = new RuleProblems();
            var document = RuleDocument.Load(line.GetRequiredValue(files), problems);
            if (!problems.HasErrors)
            {
                DryRun.Check(document.Rules, Options(line), problems);
            }

            ProblemText.Write(problems, environment.Error);
            environment.Output.WriteLine(problems.HasErrors
                ? $"Not usable: {ProblemText.Count(problems)}."
                : $"{ProblemText.Words(document.Rules.Count, "rule")}, {ProblemText.Count(problems)}.");
            return problems.HasErrors ? ExitCode.Failure : ExitCode.Success;
        });
        return command;
    }

    private Command Print()
    {
        var file = new Argument<string>("FILE") { Description = "Rule file" };
        var output = new Option<string>("--output", "-o") { Description = "json or yaml [default: json]", HelpName = "FORMAT", DefaultValueFactory = _ => "json" };
        output.AcceptOnlyFromAmong("json", "yaml");
        var command = new Command("print", "Show the rules of a file with every field, includes and groups resolved.") { file, output };
        command.SetAction(line =>
        {
            var document = Load(line.GetRequiredValue(file));
            environment.Output.Write(line.GetRequiredValue(output) == "yaml" ? RulePrinter.Yaml(document.Rules) : RulePrinter.Json(document.Rules));
            return ExitCode.Success;
        });
        return command;
    }

    private Command Lint()
    {
        var file = new Argument<string>("FILE") { Description = "Rule file" };
        var command = new Command("lint", "Find rules that cannot do what they seem to: unreachable, never matching, without effect.") { file };
        command.SetAction(line =>
        {
            var problems = new RuleProblems();
            var document = RuleDocument.Load(line.GetRequiredValue(file), problems);
            if (!problems.HasErrors)
            {
                DryRun.Check(document.Rules, Options(line), problems);
                RuleLint.Check(document.Rules, problems);
            }

            ProblemText.Write(problems, environment.Output);
            environment.Error.WriteLine($"{ProblemText.Words(document.Rules.Count, "rule")}, {ProblemText.Count(problems)}.");
            return problems.Items.Count > 0 ? ExitCode.Failure : ExitCode.Success;
        });
        return command;
    }

    private Command Schema()
    {
        var command = new Command("schema", "Print the JSON Schema of rule files, for editors.");
        command.SetAction(_ => environment.Output.WriteLine(RuleSchema.Write().TrimEnd()));
        return command;
    }

    private RuleOptions Options(ParseResult line) => RuleSettings.Read(line, _variables, _root);

    private RuleDocument Load(string file)
    {
        var problems = new RuleProblems();
        var document = RuleDocument.Load(file, problems);
        ProblemText.Write(problems, environment.Error);
        return problems.HasErrors ? throw new CliException($"{Text.Printable.Line(file)} cannot be used: {ProblemText.Count(problems)}.") : document;
    }
}

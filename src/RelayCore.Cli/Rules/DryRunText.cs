using System.Globalization;
using RelayCore.Cli.Text;
using RelayCore.Runtime.Rules;

namespace RelayCore.Cli.Rules;

/// <summary>A dry run for a person: what matched and did what, why the others did not match, what would be different.</summary>
internal sealed class DryRunText(CliEnvironment environment)
{
    private readonly Style _style = new(environment.HasColor);

    /// <summary>Writes it.</summary>
    public void Write(DryRunResult result)
    {
        Line(_style.Bold($"{result.Method} {Printable.Line(result.Url)}"));
        foreach (var note in result.Notes)
        {
            Line($"  note: {note}");
        }

        if (result.Rules.Count == 0)
        {
            Line("  There are no rules.");
        }

        foreach (var rule in result.Rules.OrderBy(x => x.Matched ? 0 : 1))
        {
            Write(rule);
        }

        if (result.Ended is { } ended)
        {
            Line($"  ends        {Printable.Line(ended)}");
        }

        if (result.Answered is { } answer)
        {
            Line(string.Create(CultureInfo.InvariantCulture, $"  answered    {answer.Status}, without the server"));
            foreach (var header in answer.Headers ?? [])
            {
                Line($"    {Printable.Line(header[0])}: {Printable.Line(header[1])}");
            }

            if (answer.Body is { } body)
            {
                Line($"    {Printable.Cut(Printable.Line(body), 200)}");
            }
        }

        foreach (var change in result.Changes)
        {
            Line($"  changes     {Change(change.Target, change.Before, change.After)}");
        }

        if (result.Tags.Count > 0)
        {
            Line($"  tags        {Printable.Line(string.Join(", ", result.Tags))}");
        }

        foreach (var (name, value) in result.Variables)
        {
            Line($"  variable    {Printable.Line(name)} = {Printable.Line(value)}");
        }

        if (result.WaitedMs > 0)
        {
            Line(string.Create(CultureInfo.InvariantCulture, $"  waits       {result.WaitedMs} ms"));
        }

        if (result.Changes.Count == 0 && result.Answered is null && result.Ended is null)
        {
            Line("  Nothing on the wire would change.");
        }

        environment.Output.WriteLine();
    }

    /// <summary>A change in one line.</summary>
    public static string Change(string target, string? before, string? after) => Printable.Line(
        $"{target}: {(before is null ? "(absent)" : Printable.Cut(before, 120))} -> {(after is null ? "(removed)" : Printable.Cut(after, 120))}");

    private void Write(DryRunRule rule)
    {
        var id = Printable.Line(rule.RuleId);
        if (!rule.Matched)
        {
            Line(rule.Failing is { } failing
                ? $"  no match    {id} ({rule.Stage}): this does not hold: {Printable.Line(failing)}"
                : $"  {(rule.Outcome == "Skipped" ? "skipped  " : "not run  ")}   {id} ({rule.Stage}): {Printable.Line(rule.Detail ?? rule.Outcome)}");
            return;
        }

        Line($"  {_style.Bold("match")}       {id} ({rule.Stage}): {rule.Outcome}{(rule.Detail is null ? "" : $", {Printable.Line(rule.Detail)}")}");
        foreach (var action in rule.Actions ?? [])
        {
            Line($"    {action.Type}: {action.Outcome}{(action.Detail is null ? "" : $", {Printable.Line(action.Detail)}")}");
        }
    }

    private void Line(string text) => environment.Output.WriteLine(text);
}

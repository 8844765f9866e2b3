using System.CommandLine;
using System.Globalization;
using RelayCore.Cli.Rules;
using RelayCore.Cli.Text;
using RelayCore.Core.Flows;

namespace RelayCore.Cli.Flows;

/// <summary><c>flows why ID</c>: why a flow is as it is: rules considered, what they did, why others did not, what else changed it.</summary>
internal sealed class WhyCommand(
    CliEnvironment environment, Func<ParseResult, FlowsClient> connect, Func<FlowsClient, string, CancellationToken, Task<string>> resolve)
{
    private readonly Style _style = new(environment.HasColor);

    /// <summary>The command.</summary>
    public Command Create()
    {
        var id = new Argument<string>("ID") { Description = "Id of the flow, its last characters, or last for the newest" };
        var command = new Command("why", "Explain what rules did to a flow, and why the others did nothing.") { id };
        command.SetAction(async (line, cancellationToken) =>
        {
            using var client = connect(line);
            var found = await resolve(client, line.GetRequiredValue(id), cancellationToken);
            var (flow, _) = await client.FindAsync(found, cancellationToken) ?? throw new CliException($"The proxy has no flow {Printable.Line(found)}.");
            Write(flow);
            return ExitCode.Success;
        });
        return command;
    }

    /// <summary>Writes the explanation; never nothing.</summary>
    internal void Write(Flow flow)
    {
        Line(_style.Bold(Title(flow)));
        var trace = flow.RuleTrace;
        if (trace is null)
        {
            Line(flow.MatchedRules is { Count: > 0 } matched
                ? $"Rules that matched: {Printable.Line(string.Join(", ", matched))}. How they went was not kept."
                : "No rule was considered: there were none for this kind of flow when it began. `rules list` shows those there are now, "
                    + "`rules test FILE --flow-id ID` tries a file on it.");
        }
        else
        {
            Write(trace);
        }

        var others = (flow.Mutations ?? []).Where(x => trace is null || !x.Actor.StartsWith("rule:", StringComparison.Ordinal)).ToList();
        if (others.Count > 0)
        {
            Line(trace is null ? "Changed:" : "Changed by others:");
            foreach (var change in others)
            {
                Line($"  {Printable.Line(change.Actor)} ({change.Stage}) {DryRunText.Change(change.Target, change.Before, change.After)}");
            }
        }

        Rest(flow);
    }

    private void Write(RuleTrace trace)
    {
        var considered = trace.Events.Select(x => x.RuleId).Distinct().Count();
        var counts = string.Create(CultureInfo.InvariantCulture, $"{considered} considered, {trace.Excluded} excluded by host, method or path");
        Line($"{Summary(trace)} ({counts}{(trace.Omitted > 0 ? string.Create(CultureInfo.InvariantCulture, $", {trace.Omitted} not shown for want of room") : "")}).");
        if (trace.Events.Count == 0)
        {
            Line("  No rule came near: `rules test FILE --flow-id ID` names the condition of each.");
        }

        foreach (var item in trace.Events)
        {
            Write(item);
        }
    }

    private void Write(RuleEvent item)
    {
        var place = $"{Printable.Line(item.RuleId)} ({Printable.Line(item.Stage)})";
        if (!item.Matched)
        {
            Line(item.Outcome == "Skipped" ? $"  skipped   {place}: {Printable.Line(item.Detail ?? "no reason was kept")}"
                : $"  no match  {place}: {(item.Failing is { } failing ? $"this does not hold: {Printable.Line(failing)}" : Printable.Line(item.Detail ?? "its filter does not hold"))}");
            return;
        }

        var how = item.Outcome switch
        {
            "MatchedAndTerminated" => "matched and ended the stage",
            "Failed" => _style.Red("matched and failed; its changes were taken back"),
            "Skipped" => "matched, but was skipped",
            _ => "matched",
        };
        Line($"  {_style.Bold("match")}     {place}: {how}{Took(item.DurationUs)}{(item.Detail is null ? "" : $": {Printable.Line(item.Detail)}")}");
        foreach (var action in item.Actions ?? [])
        {
            Line($"      {Printable.Line(action.Type)}: {action.Outcome.Replace('_', ' ')}{Took(action.DurationUs)}{(action.Detail is null ? "" : $": {Printable.Line(action.Detail)}")}");
            foreach (var change in action.Changes ?? [])
            {
                Line($"        {DryRunText.Change(change.Target, change.Before, change.After)}");
            }
        }

        foreach (var (name, value) in item.Variables ?? new Dictionary<string, string>())
        {
            Line($"      {Printable.Line(name)} = {Printable.Line(value)}");
        }
    }

    private void Rest(Flow flow)
    {
        if (flow.Marker is not null)
        {
            Line($"Marker: {Printable.Line(flow.Marker)}");
        }

        if (flow.Comment is not null)
        {
            Line($"Comment: {Printable.Line(flow.Comment)}");
        }

        if (flow.Tags.Count > 0)
        {
            Line($"Tags: {Printable.Line(string.Join(", ", flow.Tags))}");
        }

        foreach (var (name, value) in flow.RuleVariables ?? new Dictionary<string, string>())
        {
            Line($"Variable {Printable.Line(name)} = {Printable.Line(value)}");
        }

        if (flow.Marks.Count > 0)
        {
            Line($"Marks: {string.Join(", ", flow.Marks)}");
        }

        if (flow.CloseReason is { } end)
        {
            Line($"It ended: {end.Reason}{(end.Detail is null ? "" : $": {Printable.Line(end.Detail)}")}");
        }
        else
        {
            Line("It is still running; what rules do may go on.");
        }
    }

    private static string Summary(RuleTrace trace) => trace.Summary switch
    {
        "Modified" => "Rules matched",
        "Terminated" => $"The rule {Printable.Line(trace.TerminatedBy ?? "?")} ended it{(trace.Reason is null ? "" : $" ({trace.Reason})")}",
        _ => "No rule matched",
    };

    private static string Title(Flow flow)
    {
        var (request, response) = flow.Layer switch
        {
            FlowLayer.Http http => (http.Data.Request, http.Data.Response),
            FlowLayer.WebSocket socket => (socket.Data.HandshakeRequest, socket.Data.HandshakeResponse),
            _ => (null, null),
        };
        return request is null
            ? $"{flow.Kind} {Printable.Line(flow.Network.ServerHost ?? "")}".TrimEnd()
            : string.Create(CultureInfo.InvariantCulture, $"{Printable.Line(request.Method)} {Printable.Line(request.Url)}{(response is null ? "" : $" -> {response.Status}")}");
    }

    private static string Took(long? microseconds) =>
        microseconds is { } number ? $" in {FlowLine.Duration(number / 1000.0)}" : "";

    private void Line(string text) => environment.Output.WriteLine(environment.Advice(text));
}

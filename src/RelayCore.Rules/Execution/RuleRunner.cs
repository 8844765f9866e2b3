using System.Globalization;
using RelayCore.Core.Interception;
using RelayCore.Rules.Actions;
using RelayCore.Rules.Filters;

namespace RelayCore.Rules.Execution;

/// <summary>
/// Runs the rules of a stage in their order on one context. Whatever a rule does wrong stays its own: its edits are taken back, the following rules
/// go on. Nothing is allocated for a rule that does not match, and nothing waits unless an action does.
/// </summary>
internal static class RuleRunner
{
    /// <summary>Runs the rules of a stage.</summary>
    /// <returns>What a rule decided.</returns>
    public static async ValueTask<Verdict> RunAsync(RuleContext context, StageRules stage, CancellationToken cancellationToken)
    {
        var rules = stage.Rules;
        var state = context.State;
        var next = Select(context, stage, 0);
        if (next >= 0)
        {
            context.Flow.Trace ??= state;
        }

        while (next >= 0)
        {
            var rule = rules[next];
            context.BeginRule(rule);
            var truth = Evaluate(context, rule);
            if (truth != Truth.True)
            {
                next = RuleIndex.Next(context.Selection(stage.Index.Words), next + 1);
                continue;
            }

            var (changes, origin) = (context.Fields?.ChangeCount ?? 0, context.Exchange?.Request.Origin);
            var (verdict, ends) = await MatchAsync(context, rule, cancellationToken).ConfigureAwait(false);
            if (ends || rule.Definition.Stops)
            {
                return verdict;
            }

            // An edit may have made another host, path or method of it: what comes now is chosen by what the request is now.
            next = (context.Fields?.ChangeCount ?? 0) != changes || context.Exchange?.Request.Origin != origin
                ? Select(context, stage, next + 1)
                : RuleIndex.Next(context.Selection(stage.Index.Words), next + 1);
        }

        return Verdict.Continue;
    }

    /// <summary>Runs an action that was put off, as its rule.</summary>
    public static async ValueTask<(Verdict Verdict, bool Ends)> RunAsync(RuleContext context, DeferredAction deferred, CancellationToken cancellationToken)
    {
        context.ResumeRule(deferred.Rule, deferred.Captures);
        context.Flow.Trace ??= context.State;
        return await ActAsync(context, deferred.Rule, [(deferred.Type, deferred.Action)], cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Whether some rule of a later stage may match, as far as can be said now.</summary>
    public static bool IsDemanded(RuleContext context, StageRules stage)
    {
        if (stage.Rules.Length == 0)
        {
            return false;
        }

        var selected = context.Selection(stage.Index.Words);
        stage.Index.Select(context.Exchange, selected);
        for (var next = RuleIndex.Next(selected, 0); next >= 0; next = RuleIndex.Next(selected, next + 1))
        {
            context.BeginRule(stage.Rules[next]);
            if (MayMatch(context, stage.Rules[next]))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Rules of a stage that may match, by the index and as far as can be said.</summary>
    public static List<CompiledRule> Candidates(RuleContext context, StageRules stage)
    {
        var found = new List<CompiledRule>();
        var selected = context.Selection(stage.Index.Words);
        stage.Index.Select(context.Exchange, selected);
        for (var next = RuleIndex.Next(selected, 0); next >= 0; next = RuleIndex.Next(selected, next + 1))
        {
            context.BeginRule(stage.Rules[next]);
            if (MayMatch(context, stage.Rules[next]))
            {
                found.Add(stage.Rules[next]);
            }
        }

        return found;
    }

    private static bool MayMatch(RuleContext context, CompiledRule rule)
    {
        try
        {
            return rule.Filter.Evaluate(context) != Truth.False;
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            return true; // it fails again at its stage, and is reported there
        }
    }

    // The first rule that may match at or behind an ordinal; what is excluded is counted once.
    private static int Select(RuleContext context, StageRules stage, int from)
    {
        var selected = context.Selection(stage.Index.Words);
        stage.Index.Select(context.Exchange, selected);
        if (from == 0 && !context.IsRepeated)
        {
            var considered = 0;
            foreach (var word in selected)
            {
                considered += System.Numerics.BitOperations.PopCount(word);
            }

            context.State.Log.Exclude(stage.Rules.Length - considered);
        }

        return RuleIndex.Next(selected, from);
    }

    private static Truth Evaluate(RuleContext context, CompiledRule rule)
    {
        try
        {
            var truth = rule.Filter.Evaluate(context);
            if (truth != Truth.True && !context.IsRepeated)
            {
                context.State.Log.NotMatched(rule, context.Stage, rule.Filter.Failing(context));
            }

            return truth;
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            Report(context, rule, "its filter failed: " + Describe(e), 0);
            return Truth.False;
        }
    }

    private static ValueTask<(Verdict Verdict, bool Ends)> MatchAsync(RuleContext context, CompiledRule rule, CancellationToken cancellationToken)
    {
        context.State.Matched(context.Flow, rule, context.Environment.Time.GetUtcNow());
        return ActAsync(context, rule, rule.Actions, cancellationToken);
    }

    /// <summary>Runs actions, all of them or as if none had run.</summary>
    private static async ValueTask<(Verdict Verdict, bool Ends)> ActAsync(
        RuleContext context, CompiledRule rule, IReadOnlyList<(string Type, RuleAction Action)> actions, CancellationToken cancellationToken)
    {
        var (time, variables) = (context.Environment.Time, context.Flow.Variables);
        var started = time.GetTimestamp();
        var record = context.Record;
        record.Begin();
        context.Checkpoint.Take(context);
        using var timeout = rule.Definition.Timeout is { } limit ? new RuleTimeout(limit, time, cancellationToken) : null;
        var (outcome, verdict, detail) = (RuleOutcome.MatchedAndExecuted, Verdict.Continue, (string?)null);
        for (var i = 0; i < actions.Count && outcome == RuleOutcome.MatchedAndExecuted; i++)
        {
            var (type, action) = actions[i];
            context.Action = type;
            record.BeginAction(context);
            var actionStarted = time.GetTimestamp();
            ActionResult result;
            try
            {
                result = await action.RunAsync(context, timeout?.Token ?? cancellationToken).ConfigureAwait(false);
                if (timeout is { IsOver: true })
                {
                    result = ActionResult.Failed(TimeOver(rule));
                }
            }
            catch (OperationCanceledException) when (timeout is { IsOver: true } && !cancellationToken.IsCancellationRequested)
            {
                result = ActionResult.Failed(TimeOver(rule));
            }
            catch (Exception e) when (e is not OutOfMemoryException && (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested))
            {
                result = ActionResult.Failed(Describe(e));
            }

            record.EndAction(context, type, result, Micros(time, actionStarted));
            if (result.Outcome == ActionOutcome.Failed)
            {
                (outcome, detail) = (RuleOutcome.Failed, $"{type}: {result.Detail}");
            }
            else if (result.Outcome == ActionOutcome.Terminal || context.Message is { IsDropped: true })
            {
                (outcome, verdict) = (RuleOutcome.MatchedAndTerminated, result.Verdict ?? Verdict.Continue);
                context.State.Log.Terminated(rule, ReasonOf(type, verdict));
            }
        }

        if (outcome == RuleOutcome.Failed)
        {
            context.Checkpoint.Restore(context);
            record.ForgetChanges();
            context.Flow.SetTag("rule_failed:" + rule.Id);
        }
        else if (context.Message is { } message)
        {
            message.ActorLog?.Acted(rule.Actor);
        }
        else if (context.Stage != RuleStage.Completed)
        {
            context.Flow.ActorLog?.Acted(rule.Actor);
        }

        context.State.Log.Matched(context, outcome, detail, Micros(time, started), record.Actions, record.Changes, variables);
        return (verdict, outcome == RuleOutcome.MatchedAndTerminated);
    }

    private static void Report(RuleContext context, CompiledRule rule, string detail, long micros)
    {
        context.Flow.SetTag("rule_failed:" + rule.Id);
        context.Record.Begin();
        context.State.Log.Matched(context, RuleOutcome.Failed, detail, micros, context.Record.Actions, context.Record.Changes, context.Flow.Variables);
    }

    // The reference's names, by what was asked for; else by what came of it.
    private static string ReasonOf(string type, Verdict verdict) => type switch
    {
        "Abort" => "Abort",
        "Drop" or "DropWebSocketMessage" or "DropMessage" => "Drop",
        "Redirect" => "Redirect",
        "Inspect" or "Breakpoint" => "Inspect",
        "RateLimit" => "RateLimited",
        _ => verdict switch
        {
            Verdict.Respond => "Mock",
            Verdict.Abort => "Abort",
            Verdict.RedirectTarget => "Redirect",
            _ => "Drop",
        },
    };

    private static string Describe(Exception e) => $"{e.GetType().Name}: {e.Message}";

    private static string TimeOver(CompiledRule rule) =>
        string.Create(CultureInfo.InvariantCulture, $"the rule took longer than its timeout_ms of {rule.Definition.Timeout!.Value.TotalMilliseconds}");

    private static long Micros(TimeProvider time, long since) => (long)time.GetElapsedTime(since).TotalMicroseconds;

    /// <summary>The time of one rule, and the flow's end.</summary>
    private sealed class RuleTimeout : IDisposable
    {
        private readonly CancellationTokenSource _timer;
        private readonly CancellationTokenSource _both;

        public RuleTimeout(TimeSpan limit, TimeProvider time, CancellationToken flow)
        {
            _timer = new(limit, time);
            _both = CancellationTokenSource.CreateLinkedTokenSource(_timer.Token, flow);
        }

        public CancellationToken Token => _both.Token;

        public bool IsOver => _timer.IsCancellationRequested;

        public void Dispose()
        {
            _both.Dispose();
            _timer.Dispose();
        }
    }
}

using RelayCore.Core.Interception;
using RelayCore.Core.Messages;
using RelayCore.Protocols;

namespace RelayCore.Rules.Execution;

/// <summary>The part for bodies, whole and in pieces.</summary>
public sealed partial class RuleInterceptor
{
    private const string CannotBeHeld = "the body is larger than what is held for rules, or has no end to wait for";

    private async ValueTask<Verdict> BodyAsync(RuleStage stage, Exchange exchange, MessageBody body, CancellationToken cancellationToken)
    {
        var rules = Enter(stage, exchange, exchange);
        var state = rules.State;
        rules.Body = body;
        state.Begun(stage);
        if (body.Octets.Length > LargeOctets)
        {
            await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        }

        // What was decided at the heads comes first, as it was decided first.
        var from = 0;
        while (state.Deferred(stage, ref from) is { } deferred)
        {
            var (verdict, ends) = await RuleRunner.RunAsync(rules, deferred, cancellationToken).ConfigureAwait(false);
            if (ends)
            {
                return verdict;
            }
        }

        Edit(rules, stage == RuleStage.RequestBody ? PeerRole.Client : PeerRole.Server, body);
        return await RuleRunner.RunAsync(rules, _set.Of(stage), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Runs edits of a body on its way on one that is held whole because another rule needs it so.</summary>
    private static void Edit(RuleContext rules, PeerRole sender, MessageBody body)
    {
        if (rules.State.Transforms(sender) is not { HasRun: false } chain || body.Octets.IsEmpty)
        {
            return;
        }

        var octets = chain.Run(body.Octets, isLast: true);
        if (chain.Problem is { } problem)
        {
            Report(rules, chain, sender, problem);
        }
        else
        {
            body.ReplaceOctets(octets.ToArray());
            rules.Flow.ActorLog?.Acted(chain.Edits[^1].Rule.Actor);
        }
    }

    private async ValueTask ChunkAsync(Exchange exchange, PeerRole sender, BodyChunk chunk)
    {
        var state = FlowRules.Of(exchange, _set);
        if (state.Transforms(sender) is not { } chain)
        {
            return;
        }

        if (chunk.Data.Length > LargeOctets)
        {
            await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        }

        var hadProblem = chain.Problem is not null;
        var output = chain.Run(chunk.Data, chunk.IsLast);
        if (chain.Problem is { } problem && !hadProblem)
        {
            Report(exchange, state, chain, sender, problem);
        }

        if (!output.Span.SequenceEqual(chunk.Data.Span))
        {
            chunk.Replace(output);
            chunk.Actor = chain.Edits[^1].Rule.Actor;
        }
    }

    /// <summary>Says that a request body was not edited on its way: without chunks its length had to be known before.</summary>
    private static void SkipEdits(RuleContext rules)
    {
        if (rules.Exchange!.Request is { MajorVersion: 1, MinorVersion: 0 } && rules.State.Transforms(PeerRole.Client) is { HasRun: false } chain)
        {
            Report(rules, chain, PeerRole.Client, "a request of HTTP/1.0 cannot be sent in chunks");
            chain.Dispose();
        }
    }

    /// <summary>
    /// Makes ready for a body that is edited on its way, once its head is what it will be. Validators and digests stay as the server said them
    /// (RFC 9110 §8.8.3, RFC 9530): whether the edit is meant to hide is the rule's business, which can remove them.
    /// </summary>
    private static void Prepare(RuleContext rules, PeerRole sender)
    {
        if (rules.State.Transforms(sender) is not { } chain)
        {
            return;
        }

        var exchange = rules.Exchange!;
        if (sender == PeerRole.Server && !HasBody(exchange, RuleStage.ResponseBody))
        {
            chain.Dispose();
            return;
        }

        var fields = rules.Fields!;
        if (chain.Begin(fields.Get("Content-Encoding"), rules.Environment.Codings) is { } problem)
        {
            Report(rules, chain, sender, problem);
            chain.Dispose();
        }
        else if (chain.RemovesCoding)
        {
            fields.Remove("Content-Encoding");
            rules.Flow.ActorLog?.Acted(chain.Edits[0].Rule.Actor);
        }
    }

    private static void Report(RuleContext rules, TransformChain chain, PeerRole sender, string problem) =>
        Report(rules.Flow, rules.State, chain, sender, problem);

    private static void Report(FlowContext flow, FlowRules state, TransformChain chain, PeerRole sender, string problem)
    {
        foreach (var (rule, _) in chain.Edits)
        {
            flow.SetTag("rule_failed:" + rule.Id);
            state.Log.Skipped(rule, sender == PeerRole.Client ? RuleStage.RequestBody : RuleStage.ResponseBody, problem);
        }
    }

    // What became a tunnel or a WebSocket has no body, nor have some answers (RFC 9110 §6.4.1).
    private static bool HasBody(Exchange exchange, RuleStage stage) =>
        exchange.Request.ProtocolOctets.IsEmpty
        && (stage == RuleStage.RequestBody || (exchange.Response.Status is not (101 or 204 or 304) && !exchange.Request.MethodOctets.SequenceEqual("HEAD"u8)));

    /// <summary>Says that a body stage did not take place although rules asked for it.</summary>
    private void Skip(RuleContext rules, RuleStage stage, Stage engine)
    {
        var state = rules.State;
        var exchange = rules.Exchange!;
        if ((exchange.Wanted & engine) == 0 || state.HasBegun(stage) || !HasBody(exchange, stage))
        {
            return;
        }

        state.Begun(stage);
        rules.Flow.SetTag("rule_skipped:body_truncated");
        rules.Flow.SetTag("rule_skipped:" + stage);
        rules.Flow.Trace ??= state;
        var from = 0;
        while (state.Deferred(stage, ref from) is { } deferred)
        {
            state.Log.Skipped(deferred.Rule, stage, CannotBeHeld);
        }

        var sender = stage == RuleStage.RequestBody ? PeerRole.Client : PeerRole.Server;
        if (state.Transforms(sender) is { HasRun: false } chain)
        {
            Report(rules, chain, sender, CannotBeHeld);
        }

        foreach (var rule in RuleRunner.Candidates(rules, _set.Of(stage)))
        {
            state.Log.Skipped(rule, stage, CannotBeHeld);
        }
    }
}

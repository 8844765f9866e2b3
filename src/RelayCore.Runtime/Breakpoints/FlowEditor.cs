using System.Globalization;
using RelayCore.Core.Interception;
using RelayCore.Core.Messages;
using RelayCore.Protocols.Fields;
using RelayCore.Rules;
using RelayCore.Rules.Actions;
using RelayCore.Rules.Execution;

namespace RelayCore.Runtime.Breakpoints;

/// <summary>Makes a person's edits of a paused flow; on the flow's own thread, because heads belong to their session.</summary>
internal static class FlowEditor
{
    /// <summary>Why edits make no sense at a stage; <see langword="null"/> when they do.</summary>
    public static string? Problem(FlowModification edits, RuleStage stage)
    {
        var isMessage = (stage & RuleStage.Messages) != 0;
        var isRequest = stage is RuleStage.RequestHeaders or RuleStage.RequestBody;
        var isResponse = stage is RuleStage.ResponseHeaders or RuleStage.ResponseBody;
        return !isRequest && (edits.Method is not null || edits.Url is not null || !edits.RequestHeaders.IsEmpty || edits.RequestBody is not null)
                ? "The flow is not paused at its request: method, url, request_headers and request_body cannot be changed here."
            : !isResponse && (edits.Status is not null || !edits.ResponseHeaders.IsEmpty || edits.ResponseBody is not null)
                ? "The flow is not paused at its response: status_code, response_headers and response_body cannot be changed here; to answer a request, use respond."
            : !isMessage && edits.MessageContent is not null ? "The flow is not paused at a message: there is no message_content to change."
            : edits.Respond is not null && !isRequest && !isResponse ? "Only an HTTP request or response can be answered with respond."
            : null;
    }

    /// <summary>Applies the edits.</summary>
    /// <returns>What the flow does next.</returns>
    public static Verdict Apply(FlowModification edits, RuleContext context)
    {
        if (edits.Action == ResumeAction.Drop)
        {
            context.Message?.Drop();
            return new Verdict.Drop("dropped at a breakpoint");
        }

        if (edits.Respond is { } answer)
        {
            return answer;
        }

        if (edits.MessageContent is { } content)
        {
            context.Message?.Replace(content);
        }

        if (context.Exchange is { } exchange)
        {
            EditRequest(edits, exchange.Request);
            EditResponse(edits, exchange);
            Replace(context, RuleStage.RequestBody, edits.RequestBody);
            Replace(context, RuleStage.ResponseBody, edits.ResponseBody);
        }

        return Verdict.Continue;
    }

    private static void EditRequest(FlowModification edits, RequestHead request)
    {
        if (edits.Url is { } url)
        {
            request.Url = url;
        }

        if (edits.Method is { } method)
        {
            request.Method = method;
        }

        EditFields(edits.RequestHeaders, request.Fields);
    }

    private static void EditResponse(FlowModification edits, Exchange exchange)
    {
        if (edits.Status is { } status)
        {
            exchange.Response.Status = status;
        }

        if (!edits.ResponseHeaders.IsEmpty)
        {
            EditFields(edits.ResponseHeaders, exchange.Response.Fields);
        }
    }

    private static void EditFields(FieldEdits edits, FieldSection fields)
    {
        if (edits.All is { } all)
        {
            while (fields.Count > 0)
            {
                fields.RemoveAt(fields.Count - 1);
            }

            foreach (var (name, value) in all)
            {
                fields.Add(name, value);
            }
        }

        foreach (var name in edits.Deletes)
        {
            fields.Remove(name);
        }

        foreach (var (name, value) in edits.Upserts)
        {
            // The first line of the name is overwritten, as the reference does; further ones stay.
            var index = fields.IndexOf(System.Text.Encoding.Latin1.GetBytes(name));
            if (index < 0)
            {
                fields.Add(name, value);
            }
            else
            {
                fields.SetValue(index, value);
            }
        }
    }

    // At a head the body has not come yet: it is replaced once it is there.
    private static void Replace(RuleContext context, RuleStage stage, ReadOnlyMemory<byte>? content)
    {
        if (content is null)
        {
            return;
        }

        var replacement = new BodyReplacement(content.Value);
        if (context.Stage == stage && context.Body is not null)
        {
            replacement.Replace(context);
        }
        else
        {
            context.State.Later(stage, replacement);
        }
    }

    private sealed class BodyReplacement(ReadOnlyMemory<byte> content) : ImmediateAction
    {
        public void Replace(RuleContext context)
        {
            try
            {
                context.Body!.ReplaceContent(content);
            }
            catch (NotSupportedException)
            {
                // A coding we cannot produce: identity is always right.
                context.Body!.ReplaceOctets(content);
                (context.Stage == RuleStage.RequestBody ? context.Exchange!.Request.Fields : context.Exchange!.Response.Fields).Remove("Content-Encoding");
            }
        }

        protected override ActionResult Run(RuleContext context)
        {
            Replace(context);
            return new(ActionOutcome.Done, string.Create(CultureInfo.InvariantCulture, $"the body is {content.Length} octets, as a person decided at the breakpoint"));
        }
    }
}

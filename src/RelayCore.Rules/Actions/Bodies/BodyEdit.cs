using RelayCore.Protocols.Fields;
using RelayCore.Rules.Execution;

namespace RelayCore.Rules.Actions.Bodies;

/// <summary>What all actions on a whole body share.</summary>
internal static class BodyEdit
{
    /// <summary>Fields of the message whose body it is.</summary>
    public static FieldSection Fields(RuleContext context) =>
        context.Stage is RuleStage.RequestHeaders or RuleStage.RequestBody ? context.Exchange!.Request.Fields : context.Exchange!.Response.Fields;

    /// <summary>Content-Type of the message.</summary>
    public static string? ContentType(RuleContext context) => Fields(context).Get("Content-Type");

    /// <summary>The content, when it is known in full.</summary>
    public static bool TryGetContent(RuleContext context, out ReadOnlyMemory<byte> content, out ActionResult failure)
    {
        (content, failure) = (default, default);
        if (context.Body is not { } body)
        {
            failure = ActionResult.Failed("there is no body at this stage");
            return false;
        }

        content = body.Content;
        if (body.DecodingProblem is { } problem)
        {
            failure = ActionResult.Failed($"the content cannot be decoded: {problem}");
            return false;
        }

        return true;
    }

    /// <summary>Puts content in place of the body; one whose coding cannot be produced leaves without coding.</summary>
    public static void Replace(RuleContext context, ReadOnlyMemory<byte> content)
    {
        var body = context.Body!;
        try
        {
            body.ReplaceContent(content);
        }
        catch (NotSupportedException)
        {
            body.ReplaceContent(content, null);
            Fields(context).Remove("Content-Encoding");
        }
    }
}

/// <summary><c>SetRequestBody</c>, <c>SetResponseBody</c>; at a head stage put off until the body is there.</summary>
internal sealed class SetBody(BodySource source) : RuleAction
{
    public override ValueTask<ActionResult> RunAsync(RuleContext context, CancellationToken cancellationToken)
    {
        if (context.Stage is RuleStage.RequestHeaders or RuleStage.ResponseHeaders)
        {
            var now = source.Now(context);
            context.State.Later(context.Stage == RuleStage.RequestHeaders ? RuleStage.RequestBody : RuleStage.ResponseBody, ReferenceEquals(now, source) ? this : new SetBody(now));
            return new(ActionResult.Done);
        }

        if (context.Body is null)
        {
            return new(ActionResult.Failed("there is no body at this stage"));
        }

        var octets = source.GetAsync(BodyEdit.ContentType(context), context, cancellationToken);
        return octets.IsCompletedSuccessfully ? new(Set(context, octets.Result)) : WaitAsync(context, octets);
    }

    private static async ValueTask<ActionResult> WaitAsync(RuleContext context, ValueTask<ReadOnlyMemory<byte>> octets)
    {
        try
        {
            return Set(context, await octets.ConfigureAwait(false));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return ActionResult.Failed(e.Message);
        }
    }

    private static ActionResult Set(RuleContext context, ReadOnlyMemory<byte> content)
    {
        BodyEdit.Replace(context, content);
        return ActionResult.Done;
    }
}

/// <summary><c>AppendRequestBody</c> and its like: more octets before or behind the content.</summary>
internal sealed class ExtendBody(BodySource source, bool isBefore) : RuleAction
{
    public override ValueTask<ActionResult> RunAsync(RuleContext context, CancellationToken cancellationToken)
    {
        if (!BodyEdit.TryGetContent(context, out var content, out var failure))
        {
            return new(failure);
        }

        var more = source.GetAsync(BodyEdit.ContentType(context), context, cancellationToken);
        return more.IsCompletedSuccessfully ? new(Extend(context, content, more.Result)) : WaitAsync(context, content, more);
    }

    private async ValueTask<ActionResult> WaitAsync(RuleContext context, ReadOnlyMemory<byte> content, ValueTask<ReadOnlyMemory<byte>> more)
    {
        try
        {
            return Extend(context, content, await more.ConfigureAwait(false));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return ActionResult.Failed(e.Message);
        }
    }

    private ActionResult Extend(RuleContext context, ReadOnlyMemory<byte> content, ReadOnlyMemory<byte> more)
    {
        if (more.IsEmpty)
        {
            return ActionResult.NoEffect("there is nothing to add");
        }

        BodyEdit.Replace(context, isBefore ? (byte[])[.. more.Span, .. content.Span] : [.. content.Span, .. more.Span]);
        return ActionResult.Done;
    }
}

/// <summary><c>TransformRequestBody</c>, <c>TransformResponseBody</c>.</summary>
internal sealed class TransformBody(ContentTransform transform) : ImmediateAction
{
    protected override ActionResult Run(RuleContext context)
    {
        if (!BodyEdit.TryGetContent(context, out var content, out var failure))
        {
            return failure;
        }

        var edit = transform.Apply(content, BodyEdit.ContentType(context), context);
        if (edit.Outcome == ActionOutcome.Done && edit.Content.Span.SequenceEqual(content.Span))
        {
            return ActionResult.NoEffect("the content is the same afterwards");
        }

        if (edit.Outcome == ActionOutcome.Done)
        {
            BodyEdit.Replace(context, edit.Content);
        }

        return new(edit.Outcome, edit.Detail);
    }
}

/// <summary><c>ChangeCompression</c>: the same content in another coding; caches are told that it was not the origin's choice.</summary>
internal sealed class ChangeCompression(string? coding) : ImmediateAction
{
    protected override ActionResult Run(RuleContext context)
    {
        if (!BodyEdit.TryGetContent(context, out var content, out var failure))
        {
            return failure;
        }

        var fields = BodyEdit.Fields(context);
        var isResponse = context.Stage == RuleStage.ResponseBody;
        if (string.Equals(Normal(context.Body!.ContentEncoding), coding, StringComparison.Ordinal))
        {
            return ActionResult.NoEffect($"the coding is {coding ?? "identity"} already");
        }

        if (content.IsEmpty && context.Body.Octets.IsEmpty)
        {
            return ActionResult.NoEffect("there is no content");
        }

        if (isResponse && context.Exchange!.Response.Status == 206)
        {
            return ActionResult.NoEffect("a part of a representation (206) cannot be coded anew: its range counts octets of the coded whole (RFC 9110 §14)");
        }

        context.Body.ReplaceContent(content, coding);
        if (coding is null)
        {
            fields.Remove("Content-Encoding");
        }
        else
        {
            fields.Set("Content-Encoding", coding);
        }

        if (isResponse)
        {
            AddVary(fields);
            WeakenTag(fields);
        }

        return ActionResult.Done;
    }

    private static string? Normal(string? coding) => (coding ?? "").Trim().ToLowerInvariant() switch
    {
        "" or "identity" => null,
        "x-gzip" => "gzip",
        var other => other,
    };

    // RFC 9110 §12.5.5: what depends on Accept-Encoding says so; also without coding, because another client may be given another.
    private static void AddVary(FieldSection fields)
    {
        for (var i = fields.IndexOf("Vary"u8); i >= 0; i = fields.IndexOf("Vary"u8, i + 1))
        {
            foreach (var name in System.Text.Encoding.Latin1.GetString(fields.Value(i)).Split(',', StringSplitOptions.TrimEntries))
            {
                if (name == "*" || name.Equals("Accept-Encoding", StringComparison.OrdinalIgnoreCase))
                {
                    return;
                }
            }
        }

        var last = fields.Get("Vary");
        if (string.IsNullOrEmpty(last))
        {
            fields.Set("Vary", "Accept-Encoding");
        }
        else
        {
            fields.SetValue(fields.IndexOf("Vary"u8), last + ", Accept-Encoding");
        }
    }

    // RFC 9110 §8.8.1: a strong validator is of these octets; the same content in other octets has a weak one.
    private static void WeakenTag(FieldSection fields)
    {
        if (fields.Get("ETag") is { } tag && tag.StartsWith('"'))
        {
            fields.Set("ETag", "W/" + tag);
        }
    }
}

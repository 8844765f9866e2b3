using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http;
using RelayCore.Runtime;
using RelayCore.Runtime.Breakpoints;
using RelayCore.Runtime.Rules;

namespace RelayCore.Api.Endpoints;

/// <summary>Breakpoints: <c>GET</c> and <c>POST /intercepts</c>, <c>POST /intercepts/{key}/resume</c>.</summary>
internal sealed class BreakpointEndpoints(RelayCoreHost host)
{
    public Task ListAsync(HttpContext context) =>
        Answer.JsonAsync(context, PausedFlows.Of(host.Breakpoints.List()), BreakpointJson.Default.PausedFlows);

    public async Task SetAsync(HttpContext context)
    {
        var request = await RequestText.ReadAsync(context, ApiJson.Default.InterceptRequest);
        if (request.UrlPattern.Length == 0)
        {
            throw RequestText.Invalid("url_pattern is missing: the part of the URL, or the regex, that is to be paused.");
        }

        var update = host.Rules.Intercept(request.UrlPattern, request.Phase, request.TimeoutMs);
        if (update.Outcome != RuleOutcome.Done)
        {
            await RuleEndpoints.RefuseAsync(context, update);
            return;
        }

        await Answer.JsonAsync(
            context,
            new InterceptAnswer
            {
                RuleId = update.Ids[0],
                RuleIds = update.Ids.Count == 1 ? null : update.Ids,
                UrlPattern = request.UrlPattern,
                Phase = request.Phase,
                Message = $"Flows of {request.UrlPattern} pause until they are resumed; the rule stays until DELETE /rules/{update.Ids[0]}.",
            },
            ApiJson.Default.InterceptAnswer);
    }

    public async Task ResumeAsync(HttpContext context)
    {
        var key = context.Request.RouteValues["key"] as string ?? "";
        using var request = await RequestText.ReadJsonAsync(context);
        if (!FlowModification.TryRead(request.RootElement, out var edits, out var problem))
        {
            throw new ApiException(StatusCodes.Status400BadRequest, "invalid_modification", problem);
        }

        var result = host.Breakpoints.Resume(key, edits);
        if (result.Outcome != ResumeOutcome.Resumed)
        {
            // The reference answers 400 for an unknown key too.
            throw new ApiException(
                StatusCodes.Status400BadRequest, result.Outcome == ResumeOutcome.Unknown ? "intercept_not_found" : "invalid_modification", result.Detail);
        }

        await Answer.JsonAsync(
            context, new ResumeAnswer { Key = key, Action = edits.Action.ToString().ToLowerInvariant() }, ApiJson.Default.ResumeAnswer);
    }
}

/// <summary>What <c>POST /intercepts</c> takes.</summary>
internal sealed record InterceptRequest
{
    [JsonPropertyName("url_pattern")]
    public string UrlPattern { get; set; } = "";

    [JsonPropertyName("phase")]
    public string Phase { get; set; } = "request";

    [JsonPropertyName("timeout_ms")]
    public long? TimeoutMs { get; set; }
}

/// <summary>What it answers.</summary>
internal sealed record InterceptAnswer
{
    [JsonPropertyName("rule_id")]
    public required string RuleId { get; init; }

    [JsonPropertyName("rule_ids")]
    public IReadOnlyList<string>? RuleIds { get; init; }

    [JsonPropertyName("url_pattern")]
    public required string UrlPattern { get; init; }

    [JsonPropertyName("phase")]
    public required string Phase { get; init; }

    [JsonPropertyName("message")]
    public required string Message { get; init; }
}

/// <summary>Answer to a flow that goes on.</summary>
internal sealed record ResumeAnswer
{
    [JsonPropertyName("key")]
    public required string Key { get; init; }

    [JsonPropertyName("action")]
    public required string Action { get; init; }

    [JsonPropertyName("status")]
    public string Status { get; init; } = "resumed";
}

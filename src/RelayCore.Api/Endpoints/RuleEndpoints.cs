using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http;
using RelayCore.Core.Flows;
using RelayCore.Rules.Documents;
using RelayCore.Runtime;
using RelayCore.Runtime.Rules;

namespace RelayCore.Api.Endpoints;

/// <summary>Rules: <c>/rules</c> and what is under it, <c>POST /mock</c>.</summary>
internal sealed class RuleEndpoints(RelayCoreHost host)
{
    public Task ListAsync(HttpContext context) => Answer.OctetsAsync(context, StatusCodes.Status200OK, "application/json", host.Rules.ListJson());

    public async Task SetAsync(HttpContext context)
    {
        var update = host.Rules.Upsert(await RequestText.ReadAsync(context));
        if (update.Outcome != RuleOutcome.Done)
        {
            await RefuseAsync(context, update);
            return;
        }

        await Answer.JsonAsync(
            context,
            new RulesSetAnswer
            {
                Id = update.Ids.Count == 1 ? update.Ids[0] : null,
                Ids = update.Ids.Count == 1 ? null : update.Ids,
                Warnings = Views(update.Problems),
            },
            ApiJson.Default.RulesSetAnswer);
    }

    public async Task DeleteAsync(HttpContext context)
    {
        var id = context.Request.RouteValues["id"] as string ?? "";
        var update = host.Rules.Delete(id);
        await (update.Outcome == RuleOutcome.Done
            ? Answer.JsonAsync(context, new RuleDeletedAnswer { Id = id }, ApiJson.Default.RuleDeletedAnswer)
            : RefuseAsync(context, update));
    }

    public Task SchemaAsync(HttpContext context) =>
        Answer.OctetsAsync(context, StatusCodes.Status200OK, "application/schema+json", Encoding.UTF8.GetBytes(RuleSchema.Write()));

    public Task StatusAsync(HttpContext context) => Answer.JsonAsync(context, host.Rules.Status(), RuleJson.Default.RuleStatus);

    /// <summary>Answers 200 whatever the rules are like: the question was whether they are good.</summary>
    public async Task ValidateAsync(HttpContext context)
    {
        var problems = host.Rules.Validate(await RequestText.ReadAsync(context));
        await Answer.JsonAsync(
            context,
            new RulesValidAnswer { Valid = !problems.HasErrors, Problems = Views(problems) ?? [] },
            ApiJson.Default.RulesValidAnswer);
    }

    /// <summary><c>{rules?, flow_id | flow}</c>: what rules, those in force by default, would do to a flow.</summary>
    public async Task TestAsync(HttpContext context)
    {
        using var request = await RequestText.ReadJsonAsync(context);
        var input = Input(request.RootElement);
        var rules = request.RootElement.TryGetProperty("rules", out var given) && given.ValueKind != JsonValueKind.Null ? given.GetRawText() : null;
        try
        {
            var (result, problems) = await host.Rules.TryAsync(rules, input, context.RequestAborted);
            await (result is null
                ? RefuseAsync(context, new(RuleOutcome.Invalid, "The rules cannot be used.", problems))
                : Answer.JsonAsync(context, result, RuleJson.Default.DryRunResult));
        }
        catch (FormatException error)
        {
            throw RequestText.Invalid(error.Message);
        }
    }

    public async Task MockAsync(HttpContext context)
    {
        var request = await RequestText.ReadAsync(context, ApiJson.Default.MockRequest);
        if (request.UrlPattern.Length == 0)
        {
            throw RequestText.Invalid("url_pattern is missing: the part of the URL, or the regex, that is to be answered.");
        }

        var update = host.Rules.Mock(request.UrlPattern, request.Status, request.Body, request.ContentType);
        await (update.Outcome == RuleOutcome.Done
            ? Answer.JsonAsync(
                context, new MockAnswer { RuleId = update.Ids[0], UrlPattern = request.UrlPattern, Status = request.Status }, ApiJson.Default.MockAnswer)
            : RefuseAsync(context, update));
    }

    /// <summary>Answers a change that did not happen, with everything that is wrong.</summary>
    public static Task RefuseAsync(HttpContext context, RuleUpdate update)
    {
        var (status, code) = update.Outcome switch
        {
            RuleOutcome.Unknown => (StatusCodes.Status404NotFound, "rule_not_found"),
            RuleOutcome.Fixed => (StatusCodes.Status409Conflict, "rule_of_file"),
            RuleOutcome.NotKept => (StatusCodes.Status500InternalServerError, "rules_not_kept"),
            _ => (StatusCodes.Status400BadRequest, "invalid_rule"),
        };
        var problem = new RuleProblemAnswer
        {
            Title = Microsoft.AspNetCore.WebUtilities.ReasonPhrases.GetReasonPhrase(status),
            Status = status,
            Code = code,
            Detail = update.Detail,
            Problems = Views(update.Problems),
        };
        return Answer.JsonAsync(context, problem, ApiJson.Default.RuleProblemAnswer, status, "application/problem+json");
    }

    private static List<RuleProblemView>? Views(RuleProblems problems) => problems.Items.Count == 0 ? null : [.. problems.Items.Select(RuleProblemView.Of)];

    private DryRunInput Input(JsonElement request)
    {
        if (request.ValueKind != JsonValueKind.Object)
        {
            throw RequestText.Invalid("the request is an object {rules?, flow_id} or {rules?, flow}.");
        }

        Flow? flow;
        if (request.TryGetProperty("flow", out var whole))
        {
            try
            {
                flow = whole.Deserialize(FlowJson.Default.Flow);
            }
            catch (JsonException error)
            {
                throw RequestText.Invalid($"flow is not a flow as GET /flows/{{id}} shows it{(error.Path is null ? "" : $", at {error.Path}")}.");
            }
        }
        else if (request.TryGetProperty("flow_id", out var text) && text.ValueKind == JsonValueKind.String)
        {
            flow = FlowId.TryParse(text.GetString(), out var id) ? host.Flows.Get(id) : null;
            if (flow is null)
            {
                throw new ApiException(StatusCodes.Status404NotFound, "flow_not_found", "There is no such flow: it is unknown, or had to go.");
            }
        }
        else
        {
            throw RequestText.Invalid("one of flow_id and flow is missing.");
        }

        return (flow is null ? null : DryRunInput.Of(flow)) ?? throw RequestText.Invalid("the flow is no HTTP exchange, so there is nothing to try rules on.");
    }
}

/// <summary>Answer to rules that were set.</summary>
internal sealed record RulesSetAnswer
{
    [JsonPropertyName("id")]
    public string? Id { get; init; }

    [JsonPropertyName("ids")]
    public IReadOnlyList<string>? Ids { get; init; }

    [JsonPropertyName("status")]
    public string Status { get; init; } = "ok";

    [JsonPropertyName("warnings")]
    public IReadOnlyList<RuleProblemView>? Warnings { get; init; }
}

/// <summary>Answer to a rule that was removed.</summary>
internal sealed record RuleDeletedAnswer
{
    [JsonPropertyName("id")]
    public required string Id { get; init; }

    [JsonPropertyName("status")]
    public string Status { get; init; } = "deleted";
}

/// <summary>Answer of <c>POST /rules/validate</c>.</summary>
internal sealed record RulesValidAnswer
{
    [JsonPropertyName("valid")]
    public required bool Valid { get; init; }

    [JsonPropertyName("problems")]
    public required IReadOnlyList<RuleProblemView> Problems { get; init; }
}

/// <summary>A problem with rules: RFC 9457 with all that is wrong.</summary>
internal sealed record RuleProblemAnswer
{
    [JsonPropertyName("type")]
    public string Type { get; init; } = "about:blank";

    [JsonPropertyName("title")]
    public required string Title { get; init; }

    [JsonPropertyName("status")]
    public required int Status { get; init; }

    [JsonPropertyName("code")]
    public required string Code { get; init; }

    [JsonPropertyName("detail")]
    public required string Detail { get; init; }

    [JsonPropertyName("problems")]
    public IReadOnlyList<RuleProblemView>? Problems { get; init; }
}

/// <summary>What <c>POST /mock</c> takes.</summary>
internal sealed record MockRequest
{
    [JsonPropertyName("url_pattern")]
    public string UrlPattern { get; set; } = "";

    [JsonPropertyName("status")]
    public int Status { get; set; } = 200;

    [JsonPropertyName("body")]
    public string Body { get; set; } = "";

    [JsonPropertyName("content_type")]
    public string ContentType { get; set; } = "application/json";
}

/// <summary>What it answers.</summary>
internal sealed record MockAnswer
{
    [JsonPropertyName("rule_id")]
    public required string RuleId { get; init; }

    [JsonPropertyName("url_pattern")]
    public required string UrlPattern { get; init; }

    [JsonPropertyName("status")]
    public required int Status { get; init; }
}

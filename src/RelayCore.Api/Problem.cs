using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;

namespace RelayCore.Api;

/// <summary>What a failed request is answered with: RFC 9457 with a stable <see cref="Code"/>.</summary>
internal sealed record Problem
{
    /// <summary>Always <c>about:blank</c>: the code tells more than a URL that is not there.</summary>
    [JsonPropertyName("type")]
    public string Type { get; init; } = "about:blank";

    /// <summary>The status in words.</summary>
    [JsonPropertyName("title")]
    public required string Title { get; init; }

    /// <summary>The status.</summary>
    [JsonPropertyName("status")]
    public required int Status { get; init; }

    /// <summary>Stable code for programs, snake_case.</summary>
    [JsonPropertyName("code")]
    public required string Code { get; init; }

    /// <summary>One sentence for a person.</summary>
    [JsonPropertyName("detail")]
    public required string Detail { get; init; }

    /// <summary>Answers with a problem, unless an answer is on its way; then the connection is cut, so that nobody takes a part for the whole.</summary>
    public static Task WriteAsync(HttpContext context, int status, string code, string detail)
    {
        if (context.Response.HasStarted)
        {
            context.Abort();
            return Task.CompletedTask;
        }

        var problem = new Problem { Title = ReasonPhrases.GetReasonPhrase(status), Status = status, Code = code, Detail = detail };
        return Answer.JsonAsync(context, problem, ApiJson.Default.Problem, status, "application/problem+json");
    }

    /// <summary>Answers a request without the token; the body is the one of the reference.</summary>
    public static Task WriteUnauthorizedAsync(HttpContext context)
    {
        context.Response.Headers.WWWAuthenticate = "Bearer";
        return Answer.OctetsAsync(context, StatusCodes.Status401Unauthorized, "application/json", "{\"error\":\"missing_or_invalid_bearer_token\"}"u8.ToArray());
    }
}

/// <summary>A request that cannot be served, thrown by an endpoint.</summary>
internal sealed class ApiException(int status, string code, string message) : Exception(message)
{
    /// <summary>Status to answer with.</summary>
    public int Status { get; } = status;

    /// <summary>Stable code.</summary>
    public string Code { get; } = code;

    /// <summary>A parameter that makes no sense.</summary>
    public static ApiException BadParameter(string name, string problem) => new(StatusCodes.Status400BadRequest, "invalid_parameter", $"The parameter {name} {problem}.");
}

/// <summary>Writes answers.</summary>
internal static class Answer
{
    /// <summary>An object as JSON.</summary>
    public static Task JsonAsync<T>(
        HttpContext context, T value, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type, int status = 200, string contentType = "application/json") =>
        OctetsAsync(context, status, contentType, JsonSerializer.SerializeToUtf8Bytes(value, type));

    /// <summary>Octets.</summary>
    public static Task OctetsAsync(HttpContext context, int status, string contentType, byte[] octets)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = contentType;
        context.Response.ContentLength = octets.Length;
        return HttpMethods.IsHead(context.Request.Method) ? Task.CompletedTask : context.Response.Body.WriteAsync(octets, 0, octets.Length, context.RequestAborted);
    }
}

/// <summary>JSON of the API's own objects.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, RespectNullableAnnotations = true)]
[JsonSerializable(typeof(Problem))]
[JsonSerializable(typeof(Endpoints.InjectRequest))]
[JsonSerializable(typeof(Endpoints.CloseRequest))]
[JsonSerializable(typeof(Endpoints.MessageAnswer))]
[JsonSerializable(typeof(Endpoints.RulesSetAnswer))]
[JsonSerializable(typeof(Endpoints.RuleDeletedAnswer))]
[JsonSerializable(typeof(Endpoints.RulesValidAnswer))]
[JsonSerializable(typeof(Endpoints.RuleProblemAnswer))]
[JsonSerializable(typeof(Endpoints.MockRequest))]
[JsonSerializable(typeof(Endpoints.MockAnswer))]
[JsonSerializable(typeof(Endpoints.InterceptRequest))]
[JsonSerializable(typeof(Endpoints.InterceptAnswer))]
[JsonSerializable(typeof(Endpoints.ResumeAnswer))]
[JsonSerializable(typeof(Endpoints.VersionAnswer))]
[JsonSerializable(typeof(Endpoints.StatusAnswer))]
internal sealed partial class ApiJson : JsonSerializerContext;

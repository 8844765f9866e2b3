using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Protocols;
using RelayCore.Runtime.Flows;

namespace RelayCore.Api.Endpoints;

/// <summary>Messages of flows: <c>GET</c> and <c>POST /flows/{id}/messages</c>, <c>POST /flows/{id}/close</c>.</summary>
internal sealed class MessageEndpoints(FlowService flows, MessageService messages)
{
    // A whole megabyte of content, as base64 or with every character escaped.
    private const int MaxRequest = 8 * 1024 * 1024;

    public Task ListAsync(HttpContext context)
    {
        var query = new Parameters(context.Request.Query);
        var id = FlowEndpoints.Id(context);
        var (page, last) = flows.Messages(id, query.LongNumber("after") ?? 0, query.Number("limit") ?? 100) ?? throw FlowEndpoints.Unknown(context);
        context.Response.Headers["X-Relay-Core-Message-Count"] = last.ToString(CultureInfo.InvariantCulture);
        return Answer.JsonAsync(context, page, FlowJson.Default.IReadOnlyListFlowMessage);
    }

    public async Task InjectAsync(HttpContext context)
    {
        var id = FlowEndpoints.Id(context);
        var request = await ReadAsync(context, ApiJson.Default.InjectRequest);
        var sender = request.Direction switch
        {
            "ClientToServer" => PeerRole.Client,
            "ServerToClient" => PeerRole.Server,
            _ => throw Invalid("direction is ClientToServer or ServerToClient."),
        };
        if (!Enum.GetNames<MessageType>().Contains(request.Opcode, StringComparer.Ordinal))
        {
            throw Invalid($"opcode is one of {string.Join(", ", Enum.GetNames<MessageType>().Where(x => x != nameof(MessageType.Close)))}.");
        }

        if (request.Event is { } fields && (Breaks(fields.Id, "\r\n\0") || Breaks(fields.Event, "\r\n") || fields.Retry < 0))
        {
            throw Invalid("event has no line ends or NUL in it, and retry is 0 or more.");
        }

        var message = new OutgoingMessage(Enum.Parse<MessageType>(request.Opcode), Content(request))
        {
            EventId = request.Event?.Id,
            EventName = request.Event?.Event,
            RetryMilliseconds = request.Event?.Retry,
        };
        await AnswerAsync(context, id, messages.Inject(id, sender, message));
    }

    public async Task CloseAsync(HttpContext context)
    {
        var id = FlowEndpoints.Id(context);
        var request = await ReadAsync(context, ApiJson.Default.CloseRequest);
        await AnswerAsync(context, id, messages.Close(id, request.Code, request.Reason));
    }

    private static ReadOnlyMemory<byte> Content(InjectRequest request)
    {
        switch (request.Encoding)
        {
            case "utf-8":
                return Encoding.UTF8.GetBytes(request.Content);
            case "base64":
                var octets = new byte[request.Content.Length];
                return Convert.TryFromBase64String(request.Content, octets, out var length)
                    ? octets.AsMemory(0, length)
                    : throw Invalid("content is not base64, as encoding says.");
            default:
                throw Invalid("encoding is utf-8 or base64.");
        }
    }

    private static async Task<T> ReadAsync<T>(HttpContext context, JsonTypeInfo<T> type)
    {
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
        {
            size.MaxRequestBodySize = MaxRequest;
        }

        try
        {
            return await JsonSerializer.DeserializeAsync(context.Request.Body, type, context.RequestAborted) ?? throw Invalid("the request is an object.");
        }
        catch (JsonException error)
        {
            throw Invalid($"the request is not the JSON expected{(error.Path is null ? "" : $", at {error.Path}")}.");
        }
        catch (BadHttpRequestException error) when (error.StatusCode == StatusCodes.Status413PayloadTooLarge)
        {
            throw new ApiException(StatusCodes.Status413PayloadTooLarge, "message_too_large", "An injected message has at most 1 MiB.");
        }
        catch (BadHttpRequestException error)
        {
            throw Invalid($"the request cannot be read: {error.Message}");
        }
    }

    private static Task AnswerAsync(HttpContext context, FlowId id, MessageResult result) => result.Outcome switch
    {
        MessageOutcome.Done => Answer.JsonAsync(
            context, new MessageAnswer { FlowId = id.ToString() }, ApiJson.Default.MessageAnswer, StatusCodes.Status202Accepted),
        MessageOutcome.UnknownFlow => throw FlowEndpoints.Unknown(context),
        MessageOutcome.Invalid => throw new ApiException(StatusCodes.Status400BadRequest, "invalid_message", result.Detail),
        MessageOutcome.FlowOver => throw new ApiException(StatusCodes.Status409Conflict, "flow_over", result.Detail),
        MessageOutcome.NoSession => throw new ApiException(StatusCodes.Status409Conflict, "no_message_session", result.Detail),
        _ => throw new ApiException(StatusCodes.Status409Conflict, "message_refused", result.Detail),
    };

    private static ApiException Invalid(string problem) => new(StatusCodes.Status400BadRequest, "invalid_message", problem);

    private static bool Breaks(string? text, ReadOnlySpan<char> characters) => text is not null && text.AsSpan().ContainsAny(characters);
}

/// <summary>A message to inject, in the shape of the model.</summary>
/// <remarks>Settable, because a generated reader gives no default to properties that can only be initialised.</remarks>
internal sealed record InjectRequest
{
    [JsonPropertyName("direction")]
    public string Direction { get; set; } = "";

    [JsonPropertyName("opcode")]
    public string Opcode { get; set; } = nameof(MessageType.Text);

    [JsonPropertyName("content")]
    public string Content { get; set; } = "";

    [JsonPropertyName("encoding")]
    public string Encoding { get; set; } = "utf-8";

    [JsonPropertyName("event")]
    public EventRequest? Event { get; set; }
}

/// <summary>Fields of an event to inject.</summary>
internal sealed record EventRequest
{
    [JsonPropertyName("id")]
    public string? Id { get; set; }

    [JsonPropertyName("event")]
    public string? Event { get; set; }

    [JsonPropertyName("retry")]
    public long? Retry { get; set; }
}

/// <summary>How to close.</summary>
internal sealed record CloseRequest
{
    [JsonPropertyName("code")]
    public int Code { get; set; } = 1000;

    [JsonPropertyName("reason")]
    public string Reason { get; set; } = "";
}

/// <summary>Answer to a message that waits to be sent.</summary>
internal sealed record MessageAnswer
{
    [JsonPropertyName("flow_id")]
    public required string FlowId { get; init; }

    [JsonPropertyName("accepted")]
    public bool Accepted { get; init; } = true;
}

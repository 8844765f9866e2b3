using RelayCore.Core.Interception;

namespace RelayCore.Rules;

/// <summary>Where a rule runs (reference: rules §1), as flags where a filter or action is allowed.</summary>
[Flags]
public enum RuleStage
{
    /// <summary>Nowhere.</summary>
    None = 0,

    /// <summary>A CONNECT or an accepted connection.</summary>
    Connect = 1,

    /// <summary>A ClientHello was read; decides over TLS.</summary>
    ClientHello = 2,

    /// <summary>The request head.</summary>
    RequestHeaders = 4,

    /// <summary>The whole request body.</summary>
    RequestBody = 8,

    /// <summary>The final response head.</summary>
    ResponseHeaders = 16,

    /// <summary>The whole response body.</summary>
    ResponseBody = 32,

    /// <summary>A message of a WebSocket.</summary>
    WebSocketMessage = 64,

    /// <summary>A message of anything: WebSocket, event stream, NDJSON, gRPC.</summary>
    Message = 128,

    /// <summary>The exchange is over: size and duration are known, nothing can be changed on the wire any more.</summary>
    Completed = 256,

    /// <summary>Both messages.</summary>
    Messages = WebSocketMessage | Message,

    /// <summary>From the request head on.</summary>
    FromRequest = RequestHeaders | RequestBody | FromResponse | Messages,

    /// <summary>From the response head on.</summary>
    FromResponse = ResponseHeaders | ResponseBody | Completed,

    /// <summary>Everywhere.</summary>
    All = Connect | ClientHello | FromRequest,
}

/// <summary>What the stages of rules are for the engine.</summary>
public static class RuleStages
{
    /// <summary>Stages in the order of a flow.</summary>
    public static IReadOnlyList<RuleStage> Ordered { get; } =
    [
        RuleStage.Connect, RuleStage.ClientHello, RuleStage.RequestHeaders, RuleStage.RequestBody, RuleStage.ResponseHeaders, RuleStage.ResponseBody,
        RuleStage.WebSocketMessage, RuleStage.Message, RuleStage.Completed,
    ];

    /// <summary>The engine's stage.</summary>
    public static Stage ToEngine(RuleStage stage) => stage switch
    {
        RuleStage.Connect => Stage.Connect,
        RuleStage.ClientHello => Stage.ClientHello,
        RuleStage.RequestHeaders => Stage.RequestHead,
        RuleStage.RequestBody => Stage.RequestBody,
        RuleStage.ResponseHeaders => Stage.ResponseHead,
        RuleStage.ResponseBody => Stage.ResponseBody,
        RuleStage.WebSocketMessage or RuleStage.Message => Stage.Message,
        RuleStage.Completed => Stage.Completed,
        _ => Stage.None,
    };
}

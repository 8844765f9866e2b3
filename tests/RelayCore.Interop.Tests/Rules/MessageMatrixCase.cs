namespace RelayCore.Interop.Tests.Rules;

/// <summary>
/// One row of the wire matrix of messages on WebSockets: rules, what the client sends, and what both ends receive. The origin sends every message
/// back, so that rules see each in both directions.
/// </summary>
/// <param name="Type">Filter or action it shows.</param>
/// <param name="Title">A few words.</param>
/// <param name="Rules">JSON of the rules; <c>STAGE</c> stands for each of <see cref="Stages"/>.</param>
internal sealed record MessageMatrixCase(string Type, string Title, string Rules)
{
    public const string Bye = "close 1000 bye";

    /// <summary>Stages it is run at.</summary>
    public IReadOnlyList<string> Stages { get; init; } = ["WebSocketMessage", "Message"];

    /// <summary>Texts, <c>bin:</c> for binary, <c>wait:</c> for milliseconds of silence.</summary>
    public IReadOnlyList<string> Send { get; init; } = ["*one", "*two"];

    /// <summary>What the origin receives, in order.</summary>
    public IReadOnlyList<string> Origin { get; init; } = [];

    /// <summary>What the client receives, in order.</summary>
    public IReadOnlyList<string> Client { get; init; } = [];

    /// <summary>How it ends for both.</summary>
    public string Close { get; init; } = Bye;

    /// <summary>Whether one end speaks while the other does, so that the order of what the client receives is open.</summary>
    public bool IsUnordered { get; init; }

    /// <summary>Milliseconds it takes at least.</summary>
    public int MinMilliseconds { get; init; }

    /// <summary>Tags of the flow afterwards.</summary>
    public IReadOnlyList<string> Tags { get; init; } = [];

    public override string ToString() => $"{Type}: {Title}";
}

/// <summary>One row of the wire matrix of messages in bodies: an event stream or JSON lines, by curl.</summary>
/// <param name="Type">Filter or action it shows.</param>
/// <param name="Title">A few words.</param>
/// <param name="Rules">JSON of the rules.</param>
internal sealed record StreamMatrixCase(string Type, string Title, string Rules)
{
    /// <summary>What the origin writes.</summary>
    public string Body { get; init; } = "";

    /// <summary>What curl receives.</summary>
    public string Client { get; init; } = "";

    /// <summary>What curl sends, as NDJSON; then the body of the answer is NDJSON as well.</summary>
    public string? Upload { get; init; }

    /// <summary>What the origin receives.</summary>
    public string? Origin { get; init; }

    /// <summary>Whether it injects: behind which of the messages that came together is open.</summary>
    public bool IsInjection { get; init; }

    /// <summary>Exit code of curl.</summary>
    public int ExitCode { get; init; }

    /// <summary>Milliseconds it takes at least.</summary>
    public int MinMilliseconds { get; init; }

    /// <summary>Tags of the flow afterwards.</summary>
    public IReadOnlyList<string> Tags { get; init; } = [];

    public override string ToString() => $"{Type}: {Title}";
}

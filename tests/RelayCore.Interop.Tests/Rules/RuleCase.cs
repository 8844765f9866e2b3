namespace RelayCore.Interop.Tests.Rules;

/// <summary>
/// One row of the wire matrix: rules, an exchange, and how exactly the octets that origin and client receive differ from those they receive
/// without rules. Each row runs over every <see cref="WireVariant"/> that fits, and is a section of docs/rules.
/// </summary>
/// <param name="Type">Filter or action it shows.</param>
/// <param name="Title">A few words for the documentation.</param>
/// <param name="Rules">JSON or YAML of the rules.</param>
internal sealed record RuleCase(string Type, string Title, string Rules)
{
    public string Method { get; init; } = "GET";

    public string Path { get; init; } = "/orders?page=2&sort=date";

    /// <summary>Field lines of the request, beside curl's own.</summary>
    public IReadOnlyList<string> RequestFields { get; init; } = [];

    public string? RequestBody { get; init; }

    public int Status { get; init; } = 200;

    public IReadOnlyList<string> ResponseFields { get; init; } = ["Content-Type: application/json", "Cache-Control: max-age=60"];

    public string ResponseBody { get; init; } = """{"user":{"name":"Ann","plan":"free"},"items":[1,2.50,3]}""";

    /// <summary>What changes for the origin: lines that go begin with <c>- </c>, new ones with <c>+ </c>; <c>nothing</c> when it is not asked.</summary>
    public string Origin { get; init; } = "";

    /// <summary>What changes for the client; <c>reset</c> when its connection is reset, <c>cut</c> when it ends early.</summary>
    public string Client { get; init; } = "";

    /// <summary>The same exchange but for what the filter looks at: nothing may change.</summary>
    public Func<RuleCase, RuleCase>? Miss { get; init; }

    /// <summary>Tags the flow has afterwards.</summary>
    public IReadOnlyList<string> Tags { get; init; } = [];

    /// <summary>How often the exchange is sent before the one that is looked at.</summary>
    public int Before { get; init; }

    /// <summary>Field lines those have instead.</summary>
    public IReadOnlyList<string>? FieldsBefore { get; init; }

    /// <summary>Whether it makes sense for one version only.</summary>
    public bool IsHttp1Only { get; init; }

    /// <summary>Whether it makes sense for a body of known length only.</summary>
    public bool IsSizedOnly { get; init; }

    /// <summary>Whether bodies with a content coding are left out, because what it does depends on their octets.</summary>
    public bool IsIdentityOnly { get; init; }

    /// <summary>Files the rules name, by path from their folder.</summary>
    public IReadOnlyDictionary<string, string> Files { get; init; } = new Dictionary<string, string>();

    public override string ToString() => $"{Type}: {Title}";
}

/// <summary>How an exchange is carried.</summary>
internal enum WireVariant
{
    Http1Sized,
    Http1Chunked,
    Http1GzipSized,
    Http1GzipChunked,
    Http2,
    Http2Gzip,
}

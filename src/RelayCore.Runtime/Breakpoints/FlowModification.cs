using System.Text.Json;
using RelayCore.Core.Interception;

namespace RelayCore.Runtime.Breakpoints;

/// <summary>How a paused flow is to go on, and what is changed before (reference: model §6, extended by addition). Immutable.</summary>
public sealed record FlowModification
{
    private static readonly string[] s_names =
    [
        "action", "method", "url", "request_headers", "request_header_upserts", "request_header_deletes", "request_body", "request_body_base64",
        "status_code", "response_headers", "response_header_upserts", "response_header_deletes", "response_body", "response_body_base64",
        "message_content", "message_content_base64", "respond",
    ];

    /// <summary>It goes on unchanged.</summary>
    public static FlowModification None { get; } = new();

    /// <summary>What is decided.</summary>
    public ResumeAction Action { get; init; }

    /// <summary>Another method.</summary>
    public string? Method { get; init; }

    /// <summary>Another absolute URL.</summary>
    public string? Url { get; init; }

    /// <summary>Changes of the request's field lines.</summary>
    public FieldEdits RequestHeaders { get; init; } = FieldEdits.None;

    /// <summary>Another content of the request.</summary>
    public ReadOnlyMemory<byte>? RequestBody { get; init; }

    /// <summary>Another status, 200 to 999.</summary>
    public int? Status { get; init; }

    /// <summary>Changes of the response's field lines.</summary>
    public FieldEdits ResponseHeaders { get; init; } = FieldEdits.None;

    /// <summary>Another content of the response.</summary>
    public ReadOnlyMemory<byte>? ResponseBody { get; init; }

    /// <summary>Another content of the message.</summary>
    public ReadOnlyMemory<byte>? MessageContent { get; init; }

    /// <summary>An answer to the client instead of the server's.</summary>
    public Verdict.Respond? Respond { get; init; }

    /// <summary>Names of what it changes, as in the JSON.</summary>
    public IReadOnlyList<string> Fields { get; init; } = [];

    /// <summary>Reads <c>{action?, …}</c>; everything is checked, so that applying it cannot fail for its form.</summary>
    /// <param name="json">The object.</param>
    /// <param name="modification">What was read.</param>
    /// <param name="problem">What is wrong, a sentence; empty when nothing is.</param>
    public static bool TryRead(JsonElement json, out FlowModification modification, out string problem)
    {
        try
        {
            (modification, problem) = (Read(json), "");
            return true;
        }
        catch (FormatException error)
        {
            (modification, problem) = (None, error.Message);
            return false;
        }
    }

    private static FlowModification Read(JsonElement json)
    {
        if (json.ValueKind != JsonValueKind.Object)
        {
            throw new FormatException("A decision is an object, such as {\"action\":\"continue\"}.");
        }

        var fields = new List<string>();
        foreach (var member in json.EnumerateObject())
        {
            if (!s_names.Contains(member.Name, StringComparer.Ordinal))
            {
                throw new FormatException($"There is nothing called '{member.Name}' to change; there are {string.Join(", ", s_names)}.");
            }

            if (member.Name != "action" && member.Value.ValueKind != JsonValueKind.Null)
            {
                fields.Add(member.Name);
            }
        }

        var respond = ModificationReader.Respond(json);
        var action = ModificationReader.Text(json, "action") switch
        {
            null => respond is null ? ResumeAction.Continue : ResumeAction.Respond,
            "continue" => ResumeAction.Continue,
            "drop" => ResumeAction.Drop,
            "respond" => ResumeAction.Respond,
            _ => throw new FormatException("action is continue, drop or respond."),
        };
        if (respond is null == (action == ResumeAction.Respond))
        {
            throw new FormatException("The action respond and an object respond {status, headers, body} go together; one of them is missing.");
        }

        return new()
        {
            Action = action,
            Method = ModificationReader.Method(json),
            Url = ModificationReader.Url(json),
            RequestHeaders = ModificationReader.Edits(json, "request_header"),
            RequestBody = ModificationReader.Octets(json, "request_body"),
            Status = ModificationReader.Status(json, "status_code"),
            ResponseHeaders = ModificationReader.Edits(json, "response_header"),
            ResponseBody = ModificationReader.Octets(json, "response_body"),
            MessageContent = ModificationReader.Octets(json, "message_content"),
            Respond = respond,
            Fields = fields,
        };
    }
}

/// <summary>What is decided for a paused flow.</summary>
public enum ResumeAction
{
    /// <summary>It goes on, changed or not.</summary>
    Continue,

    /// <summary>It goes no further.</summary>
    Drop,

    /// <summary>The client is answered.</summary>
    Respond,
}

/// <summary>Changes of field lines; first <see cref="All"/>, then deletes, then upserts.</summary>
/// <param name="All">Lines that replace all; <see langword="null"/> to keep what is there.</param>
/// <param name="Upserts">Lines that overwrite the first of their name, or are added.</param>
/// <param name="Deletes">Names to remove.</param>
public sealed record FieldEdits(
    IReadOnlyList<KeyValuePair<string, string>>? All, IReadOnlyList<KeyValuePair<string, string>> Upserts, IReadOnlyList<string> Deletes)
{
    /// <summary>No change.</summary>
    public static FieldEdits None { get; } = new(null, [], []);

    /// <summary>Whether nothing is changed.</summary>
    public bool IsEmpty => All is null && Upserts.Count == 0 && Deletes.Count == 0;
}

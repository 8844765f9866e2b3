using System.Globalization;
using System.Text;
using RelayCore.Core.Interception;
using RelayCore.Protocols;
using RelayCore.Rules.Documents;

namespace RelayCore.Runtime.Rules;

/// <summary>How one test of a rule file went.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Location">Where it stands.</param>
/// <param name="Failures">What is not as expected, a sentence each; empty when it passed.</param>
public sealed record RuleTestResult(string Name, SourceLocation Location, IReadOnlyList<string> Failures)
{
    /// <summary>What the rules did; <see langword="null"/> when they could not be run.</summary>
    public DryRunResult? Result { get; init; }
}

/// <summary>Runs the <c>tests:</c> of rule files: what is given goes through the rules, and what comes out is compared with what is expected.</summary>
public static class RuleTests
{
    /// <summary>Runs tests, each on its own, with counters at their beginning.</summary>
    /// <param name="document">Rules and tests.</param>
    /// <param name="options">What the rules may use.</param>
    /// <param name="problems">What is wrong with the rules or the form of the tests; with errors nothing is run.</param>
    /// <param name="cancellationToken">Gives it up.</param>
    public static async Task<IReadOnlyList<RuleTestResult>> RunAsync(
        RuleDocument document, RuleOptions options, RuleProblems problems, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(document);
        ArgumentNullException.ThrowIfNull(problems);
        DryRun.Check(document.Rules, options, problems);
        var ids = document.Rules.Select(x => x.Id).ToHashSet(StringComparer.Ordinal);
        var tests = document.Tests.Select((x, i) => (Node: x, Test: new RuleTestReader(problems, ids).Read(x, i + 1))).ToList();
        var results = new List<RuleTestResult>();
        if (problems.HasErrors)
        {
            return results;
        }

        foreach (var (node, test) in tests)
        {
            var result = await DryRun.RunAsync(document.Rules, options, test!.Given, problems, cancellationToken).ConfigureAwait(false);
            results.Add(new(test.Name, node.Location, result is null ? ["the rules cannot be used"] : [.. test.Expect.SelectMany(x => x(result))]) { Result = result });
        }

        return results;
    }
}

/// <summary>A test that was read.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Given">What goes in.</param>
/// <param name="Expect">What is compared; each gives a sentence for each thing that is not as expected.</param>
internal sealed record RuleTest(string Name, DryRunInput Given, IReadOnlyList<Func<DryRunResult, IEnumerable<string>>> Expect);

/// <summary>Reads tests; what is wrong with their form is reported with its place.</summary>
internal sealed class RuleTestReader(RuleProblems problems, IReadOnlySet<string> ids)
{
    private const string UnknownMember = "RULE-010";
    private const string MissingMember = "RULE-011";
    private const string WrongKind = "RULE-012";
    private const string OutOfRange = "RULE-013";
    private const string NotAChoice = "RULE-014";

    /// <summary>Reads one; <see langword="null"/> when it is reported.</summary>
    public RuleTest? Read(RuleNode node, int number)
    {
        Known(node, "name", "given", "expect");
        var before = problems.Items.Count + problems.Omitted;
        var given = node["given"] is { } input ? Given(input) : null;
        var expect = node["expect"] is { } expected ? Expected(expected) : null;
        if (given is null || expect is null || problems.HasErrors && problems.Items.Count + problems.Omitted > before)
        {
            if (given is null && node["given"] is null || expect is null && node["expect"] is null)
            {
                problems.Error(MissingMember, node, "a test needs `given` and `expect`");
            }

            return null;
        }

        return new(node["name"]?.Text ?? $"test {number.ToString(CultureInfo.InvariantCulture)}", given, expect);
    }

    private DryRunInput? Given(RuleNode node)
    {
        Known(node, "method", "url", "http_version", "headers", "body", "body_base64", "client_ip", "response", "message", "messages");
        if (node["url"] is not { Kind: NodeKind.Text } url)
        {
            problems.Error(MissingMember, node["url"] ?? node, "`given` needs `url`, an absolute URL", "Write url: https://example.com/path.");
            return null;
        }

        try
        {
            _ = DryRunExchange.Split(url.Text);
        }
        catch (FormatException error)
        {
            problems.Error(OutOfRange, url, error.Message);
            return null;
        }

        var messages = new List<DryRunMessage>();
        foreach (var message in (node["message"] is { } one ? [one] : Array.Empty<RuleNode>()).Concat(node["messages"]?.Items ?? []))
        {
            messages.Add(Message(message));
        }

        return new()
        {
            Url = url.Text,
            Method = node["method"]?.Text ?? "GET",
            IsHttp2 = node["http_version"]?.Text is "2" or "2.0" or "HTTP/2" or "HTTP/2.0",
            Headers = Lines(node["headers"]),
            Body = Content(node),
            ClientAddress = node["client_ip"]?.Text ?? "127.0.0.1",
            Response = node["response"] is { IsNull: false } response ? Response(response) : null,
            Messages = messages,
        };
    }

    private DryRunResponse Response(RuleNode node)
    {
        Known(node, "status", "headers", "body", "body_base64");
        return new(Status(node["status"]) ?? 200, Lines(node["headers"]), Content(node));
    }

    private DryRunMessage Message(RuleNode node)
    {
        if (node.Kind == NodeKind.Text)
        {
            return new(PeerRole.Client, MessageType.Text, Encoding.UTF8.GetBytes(node.Text));
        }

        Known(node, "direction", "opcode", "content", "content_base64");
        var direction = node["direction"]?.Text ?? "Outgoing";
        if (direction is not ("Outgoing" or "Incoming" or "ClientToServer" or "ServerToClient"))
        {
            problems.Error(NotAChoice, node["direction"]!, $"`{direction}` is no direction", "There are Outgoing (to the server) and Incoming (to the client).");
        }

        if (!Enum.TryParse<MessageType>(node["opcode"]?.Text ?? nameof(MessageType.Text), ignoreCase: true, out var type) || !Enum.IsDefined(type))
        {
            problems.Error(NotAChoice, node["opcode"]!, $"`{node["opcode"]!.Text}` is no opcode", $"There are {string.Join(", ", Enum.GetNames<MessageType>())}.");
        }

        return new(direction is "Incoming" or "ServerToClient" ? PeerRole.Server : PeerRole.Client, type, Content(node, "content"));
    }

    private List<Func<DryRunResult, IEnumerable<string>>> Expected(RuleNode node)
    {
        Known(node, "matched", "not_matched", "request", "response", "answered", "dropped", "tags", "variables", "message");
        var checks = new List<Func<DryRunResult, IEnumerable<string>>>();
        foreach (var id in Ids(node["matched"]))
        {
            checks.Add(x => x.Matched.Contains(id) ? [] : [$"rule '{id}' should match, but {Why(x, id)}"]);
        }

        foreach (var id in Ids(node["not_matched"]))
        {
            checks.Add(x => x.Matched.Contains(id) ? [$"rule '{id}' should not match, but it does"] : []);
        }

        foreach (var tag in Texts(node["tags"]))
        {
            checks.Add(x => x.Tags.Contains(tag) ? [] : [$"the tag '{tag}' should be set; set are {List(x.Tags)}"]);
        }

        foreach (var (name, value) in node["variables"]?.Members ?? [])
        {
            checks.Add(x => x.Variables.GetValueOrDefault(name.Text) == value.Text
                ? [] : [$"the variable {name.Text} should be {Quote(value.Text)}, but is {Quote(x.Variables.GetValueOrDefault(name.Text))}"]);
        }

        if (node["dropped"] is { Kind: NodeKind.Boolean } dropped)
        {
            checks.Add(x => x.Ended is not null == (dropped.Text == "true") ? [] : [$"the flow should {(dropped.Text == "true" ? "" : "not ")}be dropped; {x.Ended ?? "it goes on"}"]);
        }

        AddMessage(checks, "request", node["request"], x => x.Request);
        AddMessage(checks, "response", node["response"], x => x.Answered ?? x.Response);
        AddMessage(checks, "answered", node["answered"], x => x.Answered);
        AddMessage(checks, "message", node["message"], x => x.Messages is { Count: > 0 } all ? all[^1] : null);
        return checks;
    }

    private void AddMessage(List<Func<DryRunResult, IEnumerable<string>>> checks, string what, RuleNode? node, Func<DryRunResult, DryRunMessageView?> find)
    {
        if (node is null)
        {
            return;
        }

        if (node.IsNull || node is { Kind: NodeKind.Boolean, Text: "false" })
        {
            checks.Add(x => find(x) is null ? [] : [$"there should be no {what}, but there is one"]);
            return;
        }

        Known(node, "method", "url", "status", "headers", "body", "body_contains", "content", "dropped");
        checks.Add(x => find(x) is { } view
            ? Compare(what, node, view)
            : [$"there should be {(what == "answered" ? "an answer of a rule" : "a " + what)}, but there is none{(x.Ended is { } end ? $": {end}" : "")}"]);
    }

    private static IEnumerable<string> Compare(string what, RuleNode node, DryRunMessageView view)
    {
        if (node["method"] is { } method && method.Text != view.Method)
        {
            yield return $"{what}.method should be {Quote(method.Text)}, but is {Quote(view.Method)}";
        }

        if (node["url"] is { } url && url.Text != view.Url)
        {
            yield return $"{what}.url should be {Quote(url.Text)}, but is {Quote(view.Url)}";
        }

        if (node["status"] is { } status && status.Text != view.Status?.ToString(CultureInfo.InvariantCulture))
        {
            yield return $"{what}.status should be {status.Text}, but is {view.Status}";
        }

        if (node["dropped"] is { } dropped && dropped.Text == "true" != view.Dropped)
        {
            yield return $"{what} should {(view.Dropped ? "not " : "")}be discarded";
        }

        foreach (var (name, value) in node["headers"]?.Members ?? [])
        {
            var found = (view.Headers ?? []).Where(x => x[0].Equals(name.Text, StringComparison.OrdinalIgnoreCase)).Select(x => x[1]).ToList();
            IReadOnlyList<string> wanted = value.IsNull ? [] : value.Kind == NodeKind.List ? [.. value.Items.Select(x => x.Text)] : [value.Text];
            if (!found.SequenceEqual(wanted))
            {
                yield return $"{what}.headers.{name.Text} should be {Lines(wanted)}, but is {Lines(found)}";
            }
        }

        if ((node["body"] ?? node["content"]) is { } body && (body.IsNull ? "" : body.Text) != (view.Body ?? ""))
        {
            yield return $"{what}.{(node["body"] is null ? "content" : "body")} should be {Quote(body.Text)}, but is {Quote(view.Body)}";
        }

        if (node["body_contains"] is { } part && !(view.Body ?? "").Contains(part.Text, StringComparison.Ordinal))
        {
            yield return $"{what}.body should contain {Quote(part.Text)}, but is {Quote(view.Body)}";
        }
    }

    private static string Why(DryRunResult result, string id) => result.Rules.FirstOrDefault(x => x.RuleId == id) switch
    {
        { Failing: { } failing } => $"this does not hold: {failing}",
        { Detail: { } detail } => detail,
        { } rule => $"its outcome is {rule.Outcome}",
        null => "there is no such rule",
    };

    private List<string> Ids(RuleNode? node)
    {
        var named = Texts(node);
        foreach (var id in named.Where(x => !ids.Contains(x)))
        {
            problems.Error(
                NotAChoice, node!, $"there is no rule '{id}'",
                RuleLibrary.Nearest(id, ids) is { } nearest ? $"Did you mean '{nearest}'?" : null);
        }

        return named;
    }

    private static List<string> Texts(RuleNode? node) => node switch
    {
        null or { Kind: NodeKind.Null } => [],
        { Kind: NodeKind.List } => [.. node.Items.Select(x => x.Text)],
        _ => [node.Text],
    };

    private int? Status(RuleNode? node)
    {
        if (node is null)
        {
            return null;
        }

        if (int.TryParse(node.Text, NumberStyles.None, CultureInfo.InvariantCulture, out var status) && status is >= 100 and <= 999)
        {
            return status;
        }

        problems.Error(OutOfRange, node, $"`{node.Text}` is no status", "A status is 100 to 999.");
        return null;
    }

    private List<KeyValuePair<string, string>> Lines(RuleNode? node)
    {
        var lines = new List<KeyValuePair<string, string>>();
        if (node is null or { Kind: NodeKind.Null })
        {
            return lines;
        }

        if (node.Kind == NodeKind.List && node.Items.All(x => x.Items.Count == 2))
        {
            lines.AddRange(node.Items.Select(x => KeyValuePair.Create(x.Items[0].Text, x.Items[1].Text)));
        }
        else if (node.Kind == NodeKind.Map)
        {
            foreach (var (name, value) in node.Members)
            {
                lines.AddRange(value.Kind == NodeKind.List ? value.Items.Select(x => KeyValuePair.Create(name.Text, x.Text)) : [new(name.Text, value.Text)]);
            }
        }
        else
        {
            problems.Error(WrongKind, node, "headers are a mapping of names to values", "Where a name repeats, its value is a list.");
        }

        return lines;
    }

    private ReadOnlyMemory<byte> Content(RuleNode node, string name = "body")
    {
        if (node[name + "_base64"] is { } base64)
        {
            var octets = new byte[base64.Text.Length];
            if (Convert.TryFromBase64String(base64.Text, octets, out var length))
            {
                return octets.AsMemory(0, length);
            }

            problems.Error(WrongKind, base64, $"{name}_base64 is not base64");
        }

        return node[name] is { IsNull: false } body ? Encoding.UTF8.GetBytes(body.Text) : default(ReadOnlyMemory<byte>);
    }

    private void Known(RuleNode node, params ReadOnlySpan<string> names)
    {
        if (node.Kind != NodeKind.Map)
        {
            problems.Error(WrongKind, node, $"a mapping is expected here, with {string.Join(", ", names!)}");
            return;
        }

        foreach (var (name, _) in node.Members)
        {
            if (!names.Contains(name.Text))
            {
                var nearest = RuleLibrary.Nearest(name.Text, names.ToArray());
                problems.Error(
                    UnknownMember, name, $"there is no `{name.Text}` here", nearest is null ? $"There are {string.Join(", ", names!)}." : $"Did you mean `{nearest}`?");
            }
        }
    }

    private static string List(IReadOnlyList<string> texts) => texts.Count == 0 ? "none" : string.Join(", ", texts);

    private static string Lines(IReadOnlyList<string> values) => values.Count == 0 ? "absent" : string.Join(" and ", values.Select(Quote));

    private static string Quote(string? text) => text is null ? "absent" : $"\"{(text.Length > 200 ? text[..200] + "…" : text)}\"";
}

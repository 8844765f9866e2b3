using System.Net;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Time.Testing;
using RelayCore.Core.Connections;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Formats;
using RelayCore.Protocols.Http1;
using RelayCore.Rules.Actions;
using RelayCore.Rules.Catalog;
using RelayCore.Rules.Documents;
using RelayCore.Rules.Execution;
using RelayCore.Rules.Filters;
using RelayCore.Rules.Templates;
using Xunit;

namespace RelayCore.Rules.Tests.Actions;

/// <summary>One flow with heads parsed from octets, and actions compiled from JSON, without executor and engine.</summary>
internal sealed class ActionBench
{
    public ActionBench(
        string request = "GET /a?x=1 HTTP/1.1\r\nHost: example.com\r\n\r\n", string? response = null, RuleStage stage = RuleStage.RequestHeaders,
        Func<FakeTimeProvider, RuleEnvironment>? environment = null, string? body = null, bool isSecure = false)
    {
        Time.SetUtcNow(new(2026, 1, 2, 3, 4, 5, 678, TimeSpan.Zero));
        Environment = environment?.Invoke(Time) ?? new() { Codings = new ContentCodings(), Time = Time, Random = new(1) };
        Stage = stage;
        Exchange.Begin(FlowId.Create(Time.GetUtcNow()), new ClientConnection { Id = 1, RemoteEndPoint = new IPEndPoint(IPAddress.Parse("::ffff:10.1.2.3"), 5555) });
        LoadRequest(request, isSecure);
        if (response is not null)
        {
            var head = Encoding.Latin1.GetBytes(response);
            Assert.False(Http1HeadReader.ReadResponse(head, Http1Limits.Default, Http1Repairs.None, Exchange.Response.Fields, out var line, out _).IsError);
            Exchange.Response.Load(line);
            Exchange.HasResponse = true;
        }

        Definition = Define(new(NodeKind.Null, new("test.yaml", 1, 1), "$"));
        Context = new()
        {
            Stage = stage,
            Flow = Exchange,
            Exchange = Exchange,
            Environment = Environment,
            Rule = new(Definition, AllCondition.Instance, []),
        };
        if (body is not null)
        {
            Context.Body = new(Encoding.Latin1.GetBytes(body), null, new ContentCodings(), 1 << 20);
        }
    }

    public FakeTimeProvider Time { get; } = new();

    public RuleEnvironment Environment { get; }

    public RuleStage Stage { get; }

    public Exchange Exchange { get; } = new();

    public RuleContext Context { get; }

    public RuleProblems Problems { get; } = new();

    public HashSet<string> Variables { get; } = ["who"];

    public HashSet<string> Captures { get; } = [];

    public string Directory { get; init; } = "";

    private RuleDefinition Definition { get; }

    public static RuleNode Node(string json)
    {
        using var document = JsonDocument.Parse(json);
        return Node(document.RootElement, "$.actions[0].config");
    }

    public static RuleNode Text(string text) => new(NodeKind.Text, new("test.yaml", 3, 7), "$.actions[0].config.value") { Text = text };

    public CompileScope Scope() =>
        new(Definition with { BaseDirectory = Directory }, Environment, Problems) { Variables = Variables, Captures = Captures };

    public Template Template(string text, bool hasPrevious = false) => RelayCore.Rules.Templates.Template.Parse(Text(text), Scope(), hasPrevious);

    /// <summary>Expands a template that must be valid.</summary>
    public string Expand(string text)
    {
        var template = Template(text);
        Assert.Empty(Problems.Items);
        return template.Expand(Context);
    }

    public RuleAction? Compile(string type, string? config = null)
    {
        var kind = RuleCatalog.Actions[type];
        Assert.True((kind.Stages & Stage) != 0, $"{type} is not allowed at {Stage}");
        return kind.Compile(new(config is null ? null : Node(config), Scope()));
    }

    public async Task<ActionResult> RunAsync(string type, string? config = null)
    {
        var action = Compile(type, config);
        Assert.False(Problems.HasErrors, string.Join("\n", Problems.Items));
        Assert.NotNull(action);
        return await action.RunAsync(Context, TestContext.Current.CancellationToken);
    }

    public async Task<Verdict.Respond> AnswerAsync(string type, string? config = null)
    {
        var result = await RunAsync(type, config);
        Assert.Equal(ActionOutcome.Terminal, result.Outcome);
        return Assert.IsType<Verdict.Respond>(result.Verdict);
    }

    public string RequestHead()
    {
        var output = new byte[65536];
        var request = Exchange.Request;
        var length = Http1HeadWriter.WriteRequestLine(output, request.MethodOctets, request.PathOctets, request.MinorVersion);
        length += Http1HeadWriter.WriteFields(output.AsSpan(length), request.Fields, default, ConnectionOptions.None);
        return Encoding.Latin1.GetString(output, 0, length);
    }

    public string ResponseHead()
    {
        var output = new byte[65536];
        var response = Exchange.Response;
        var length = Http1HeadWriter.WriteStatusLine(output, response.Status, response.ReasonOctets, response.MinorVersion);
        length += Http1HeadWriter.WriteFields(output.AsSpan(length), response.Fields, default, ConnectionOptions.None);
        return Encoding.Latin1.GetString(output, 0, length);
    }

    public void LoadRequest(string text, bool isSecure = false)
    {
        var head = Encoding.Latin1.GetBytes(text);
        Assert.False(Http1HeadReader.ReadRequest(head, Http1Limits.Default, Http1Repairs.None, Exchange.Request.Fields, out var line, out _).IsError);
        Assert.True(RequestTarget.TryRead(head.AsSpan(line.TargetStart, line.TargetLength), head.AsSpan(0, line.MethodLength), out var target));
        Exchange.Request.Load(line, target);
        var authority = Exchange.Request.Fields.Get("Host")!.Split(':');
        Exchange.Request.Load(new Origin(isSecure, authority[0], authority.Length > 1 ? int.Parse(authority[1], System.Globalization.CultureInfo.InvariantCulture) : isSecure ? 443 : 80));
    }

    private static RuleNode Node(JsonElement element, string path)
    {
        var at = new SourceLocation("test.yaml", 3, 7);
        return element.ValueKind switch
        {
            JsonValueKind.Object => new(NodeKind.Map, at, path)
            {
                Members = [.. element.EnumerateObject().Select(x => (Text(x.Name), Node(x.Value, $"{path}.{x.Name}")))],
            },
            JsonValueKind.Array => new(NodeKind.List, at, path) { Items = [.. element.EnumerateArray().Select((x, i) => Node(x, FormattableString.Invariant($"{path}[{i}]")))] },
            JsonValueKind.String => new(NodeKind.Text, at, path) { Text = element.GetString()! },
            JsonValueKind.Number => new(NodeKind.Number, at, path) { Text = element.GetRawText() },
            JsonValueKind.True or JsonValueKind.False => new(NodeKind.Boolean, at, path) { Text = element.ValueKind == JsonValueKind.True ? "true" : "false" },
            _ => new(NodeKind.Null, at, path),
        };
    }

    private RuleDefinition Define(RuleNode node) => new("r1", "r1", Stage, node, [], node);
}

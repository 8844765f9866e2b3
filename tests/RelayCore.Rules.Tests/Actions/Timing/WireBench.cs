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
using Xunit;

namespace RelayCore.Rules.Tests.Actions.Timing;

/// <summary>Actions on the wire, compiled from JSON, and the exchange they are done to; without executor and engine.</summary>
internal sealed class WireBench
{
    private readonly RuleDefinition _definition;

    public WireBench(RuleStage stage = RuleStage.RequestHeaders)
    {
        var nothing = new RuleNode(NodeKind.Null, new("test.yaml", 1, 1), "$");
        _definition = new("r1", "r1", stage, nothing, [], nothing);
        Environment = new() { Codings = new ContentCodings(), Time = Time, Random = new(1) };
        Context = new() { Stage = stage, Environment = Environment, State = null!, Rule = new(_definition, AllCondition.Instance, []) };
        Next();
    }

    public FakeTimeProvider Time { get; } = new();

    public RuleEnvironment Environment { get; }

    public RuleProblems Problems { get; } = new();

    public RuleContext Context { get; }

    public Exchange Exchange => Context.Exchange!;

    /// <summary>Goes on with another exchange.</summary>
    public void Next(string host = "example.com")
    {
        var exchange = new Exchange();
        exchange.Begin(FlowId.Create(Time.GetUtcNow()), new ClientConnection { Id = 1, RemoteEndPoint = new IPEndPoint(IPAddress.Loopback, 5555) });
        var head = Encoding.Latin1.GetBytes($"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        Assert.False(Http1HeadReader.ReadRequest(head, Http1Limits.Default, Http1Repairs.None, exchange.Request.Fields, out var line, out _).IsError);
        Assert.True(RequestTarget.TryRead(head.AsSpan(line.TargetStart, line.TargetLength), head.AsSpan(0, line.MethodLength), out var target));
        exchange.Request.Load(line, target);
        exchange.Request.Load(new Origin(false, host, 80));
        (Context.Flow, Context.Exchange) = (exchange, exchange);
    }

    public RuleAction? Compile(string type, string config)
    {
        var kind = RuleCatalog.Actions[type];
        Assert.True((kind.Stages & _definition.Stage) != 0, $"{type} is not allowed at {_definition.Stage}");
        using var document = JsonDocument.Parse(config);
        return kind.Compile(new(Node(document.RootElement, "$.config"), new(_definition, Environment, Problems)));
    }

    public ValueTask<ActionResult> RunAsync(string type, string config) => RunAsync(Compile(type, config)!);

    public ValueTask<ActionResult> RunAsync(RuleAction action)
    {
        Assert.False(Problems.HasErrors, string.Join("\n", Problems.Items));
        return action.RunAsync(Context, TestContext.Current.CancellationToken);
    }

    public async Task<Impairment> ResponseAsync(string type, string config)
    {
        Assert.Equal(ActionOutcome.Done, (await RunAsync(type, config)).Outcome);
        return Exchange.ResponseImpairment!;
    }

    private static RuleNode Node(JsonElement element, string path)
    {
        var at = new SourceLocation("test.yaml", 3, 7);
        return element.ValueKind switch
        {
            JsonValueKind.Object => new(NodeKind.Map, at, path)
            {
                Members = [.. element.EnumerateObject().Select(x => (new RuleNode(NodeKind.Text, at, path) { Text = x.Name }, Node(x.Value, $"{path}.{x.Name}")))],
            },
            JsonValueKind.Array => new(NodeKind.List, at, path) { Items = [.. element.EnumerateArray().Select(x => Node(x, path))] },
            JsonValueKind.String => new(NodeKind.Text, at, path) { Text = element.GetString()! },
            JsonValueKind.Number => new(NodeKind.Number, at, path) { Text = element.GetRawText() },
            _ => new(NodeKind.Boolean, at, path) { Text = element.ValueKind == JsonValueKind.True ? "true" : "false" },
        };
    }
}

using System.Globalization;
using System.Text;
using System.Text.Json;
using RelayCore.Core.Interception;
using RelayCore.Core.Messages;
using RelayCore.Formats;
using RelayCore.Rules.Actions;
using RelayCore.Rules.Catalog;
using RelayCore.Rules.Documents;
using RelayCore.Rules.Execution;
using Xunit;

namespace RelayCore.Rules.Tests.Actions.Bodies;

/// <summary>Compiles one action from JSON and runs it on a message made by hand.</summary>
internal sealed class BodyBench
{
    public BodyBench(RuleStage stage = RuleStage.ResponseBody)
    {
        Environment = new() { Codings = ContentCodings.Instance };
        Exchange.Response.Load(200, null, 1);
        Context = new() { Stage = stage, Flow = Exchange, Exchange = Exchange, Environment = Environment };
    }

    public RuleEnvironment Environment { get; init; }

    public Exchange Exchange { get; } = new();

    public RuleContext Context { get; }

    public RuleProblems Problems { get; } = new();

    public string BaseDirectory { get; init; } = Path.GetTempPath();

    public MessageBody Body => Context.Body!;

    public string Text => Encoding.UTF8.GetString(Body.Content.Span);

    public BodyBench Response(byte[] content, string? type = null, string? coding = null)
    {
        Fields(Exchange.Response.Fields, type, coding);
        Context.Body = new(ContentCodings.Instance.Encode(content, coding), coding, ContentCodings.Instance, 1 << 24);
        return this;
    }

    public BodyBench Response(string content, string? type = null, string? coding = null) => Response(Encoding.UTF8.GetBytes(content), type, coding);

    public BodyBench Request(string content, string? type = null, string? coding = null)
    {
        Fields(Exchange.Request.Fields, type, coding);
        Context.Body = new(ContentCodings.Instance.Encode(Encoding.UTF8.GetBytes(content), coding), coding, ContentCodings.Instance, 1 << 24);
        return this;
    }

    public RuleAction? TryCompile(string type, string? config)
    {
        var node = config is null ? null : Node(config);
        var rule = new RuleDefinition("r", "r", Context.Stage, Node("{}"), [], Node("{}")) { BaseDirectory = BaseDirectory };
        return RuleCatalog.Actions[type].Compile(new(node, new(rule, Environment, Problems)));
    }

    public RuleAction Compile(string type, string? config)
    {
        var action = TryCompile(type, config);
        Assert.False(Problems.HasErrors, string.Join("; ", Problems.Items));
        return Assert.IsType<RuleAction>(action, exactMatch: false);
    }

    public async Task<ActionResult> RunAsync(string type, string? config) =>
        await Compile(type, config).RunAsync(Context, TestContext.Current.CancellationToken);

    /// <summary>A JSON text as the tree a rule file is.</summary>
    public static RuleNode Node(string json)
    {
        using var document = JsonDocument.Parse(json);
        return Node(document.RootElement, "$");
    }

    private static RuleNode Node(JsonElement element, string path)
    {
        var at = new SourceLocation("test.json", 1, 1);
        return element.ValueKind switch
        {
            JsonValueKind.Object => new(NodeKind.Map, at, path)
            {
                Members = [.. element.EnumerateObject().Select(x => (new RuleNode(NodeKind.Text, at, $"{path}.{x.Name}") { Text = x.Name }, Node(x.Value, $"{path}.{x.Name}")))],
            },
            JsonValueKind.Array => new(NodeKind.List, at, path)
            {
                Items = [.. element.EnumerateArray().Select((x, i) => Node(x, string.Create(CultureInfo.InvariantCulture, $"{path}[{i}]")))],
            },
            JsonValueKind.String => new(NodeKind.Text, at, path) { Text = element.GetString()! },
            JsonValueKind.Number => new(NodeKind.Number, at, path) { Text = element.GetRawText() },
            JsonValueKind.Null => new(NodeKind.Null, at, path),
            _ => new(NodeKind.Boolean, at, path) { Text = element.GetRawText() },
        };
    }

    private static void Fields(Protocols.Fields.FieldSection fields, string? type, string? coding)
    {
        if (type is not null)
        {
            fields.Add("Content-Type", type);
        }

        if (coding is not null)
        {
            fields.Add("Content-Encoding", coding);
        }

        fields.ClearChanges();
    }
}

using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Time.Testing;
using RelayCore.Core.Connections;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Formats;
using RelayCore.Rules.Actions;
using RelayCore.Rules.Catalog;
using RelayCore.Rules.Documents;
using RelayCore.Rules.Execution;
using RelayCore.Rules.Filters;

namespace RelayCore.Rules.Tests.Execution;

/// <summary>Rules from JSON with filters and actions of the tests' own, and exchanges to run them on.</summary>
internal sealed class RuleKit
{
    private static readonly Dictionary<string, FilterType> s_filters = new FilterType[]
    {
        Filter("All", _ => AllCondition.Instance),
        Filter("Host", x => new HostIs(x.Text("config"))),
        Filter("Path", x => new PathBegins(x.Text("config"))),
        Filter("Method", x => new MethodIs(x.Text("config"))),
        Filter("Status", x => new Test($"Status {x.Integer("config")}", RuleStage.FromResponse, c => c.Exchange!.Response.Status == x.Integer("config"))),
        Filter("Body", x => new Test($"Body {x.Text("config")}", RuleStage.RequestBody | RuleStage.ResponseBody,
            c => Encoding.ASCII.GetString(c.Body!.Content.Span).Contains(x.Text("config"), StringComparison.Ordinal))),
        Filter("Tagged", x => new Test($"Tagged {x.Text("config")}", RuleStage.All, c => c.Flow.Tags.Contains(x.Text("config")))),
        Filter("Broken", _ => new Test("Broken", RuleStage.All, _ => throw new InvalidOperationException("deliberate"))),
        Filter("Refused", _ => null),
        Filter("And", x => new AndCondition([.. x["config"]!.Items.Select(y => x.Scope.CompileFilter(y)!)])),
        Filter("Or", x => new OrCondition([.. x["config"]!.Items.Select(y => x.Scope.CompileFilter(y)!)])),
        Filter("Not", x => new NotCondition(x.Scope.CompileFilter(x.Node)!)),
    }.ToDictionary(x => x.Name);

    private readonly Dictionary<string, ActionType> _actions;

    public RuleKit()
    {
        Environment = new() { Codings = new ContentCodings(), Time = Time };
        _actions = new ActionType[]
        {
            Action("Do", x => new Call(x.Text("config"), this)),
            Action("SetVariable", x => new Call("set", this)),
        }.ToDictionary(x => x.Name);
    }

    public FakeTimeProvider Time { get; } = new(new(2026, 11, 1, 12, 0, 0, TimeSpan.Zero));

    public RuleEnvironment Environment { get; }

    /// <summary>What <c>{"type":"Do","config":name}</c> does; by default it notes its name.</summary>
    public Dictionary<string, Func<RuleContext, CancellationToken, ValueTask<ActionResult>>> Does { get; } = [];

    /// <summary>Names of actions that ran.</summary>
    public List<string> Ran { get; } = [];

    public RuleProblems Problems { get; } = new();

    /// <summary>What a template sees of the set while it is compiled.</summary>
    public IReadOnlySet<string>? Variables { get; private set; }

    public void On(string name, Func<RuleContext, ActionResult> does) => Does[name] = (x, _) => new(does(x));

    public RuleSet Compile(string json)
    {
        using var document = JsonDocument.Parse(json);
        var node = Node(document.RootElement, "$");
        return RuleSet.Compile([.. node.Items.Select(Definition)], Environment, Problems, s_filters, _actions);
    }

    /// <summary>One rule per line: id, stage, filter as JSON, names of its actions.</summary>
    public RuleInterceptor Rules(params (string Id, RuleStage Stage, string Filter, string Actions)[] rules) =>
        new(Compile("[" + string.Join(",", rules.Select(x => $$"""
            {"id":"{{x.Id}}","stage":"{{x.Stage}}","filter":{{x.Filter}},"actions":[{{string.Join(",", x.Actions.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(y => $$"""{"type":"Do","config":"{{y}}"}"""))}}]}
            """)) + "]"));

    public static Exchange Exchange(string host = "a.test", string path = "/", string method = "GET", long flow = 1)
    {
        var exchange = new Exchange();
        Begin(exchange, host, path, method, flow);
        return exchange;
    }

    public static void Begin(Exchange exchange, string host = "a.test", string path = "/", string method = "GET", long flow = 1)
    {
        exchange.Begin(FlowId.Create(flow), null!);
        exchange.Request.Fields.Clear();
        exchange.Request.Load(new Origin(false, host, 80));
        (exchange.Request.Method, exchange.Request.Path) = (method, path);
        exchange.Request.Fields.AddUnlogged("Host"u8, Encoding.ASCII.GetBytes(host));
        exchange.Request.Fields.ClearChanges();
        exchange.Response.Load(200, null, 1);
    }

    public static RuleTrace Trace(FlowContext flow)
    {
        var output = new System.Buffers.ArrayBufferWriter<byte>();
        flow.Trace!.Write(output);
        Xunit.Assert.InRange(output.WrittenCount, 2, 16 * 1024);

        // The model has a place for whatever is written: nothing is lost on the way into a flow and out of it again.
        var trace = JsonSerializer.Deserialize(output.WrittenSpan, FlowJson.Default.RuleTrace)!;
        var (written, shown) = (JsonNode.Parse(output.WrittenSpan), JsonSerializer.SerializeToNode(trace, FlowJson.Default.RuleTrace));
        Xunit.Assert.True(JsonNode.DeepEquals(written, shown), $"written {written}\nshown {shown}");
        return trace;
    }

    private static RuleDefinition Definition(RuleNode node)
    {
        var stage = Enum.Parse<RuleStage>(node["stage"]?.Text ?? "RequestHeaders");
        return new(node["id"]!.Text, node["id"]!.Text, stage, node["filter"]!, node["actions"]?.Items ?? [], node)
        {
            IsActive = node["active"]?.Text != "false",
            Priority = int.Parse(node["priority"]?.Text ?? "0", System.Globalization.CultureInfo.InvariantCulture),
            Stops = node["termination"]?.Text == "Stop",
            Timeout = node["timeout_ms"] is { } ms ? TimeSpan.FromMilliseconds(int.Parse(ms.Text, System.Globalization.CultureInfo.InvariantCulture)) : null,
        };
    }

    private static RuleNode Node(JsonElement value, string path)
    {
        var at = new SourceLocation("test", 1, 1);
        return value.ValueKind switch
        {
            JsonValueKind.Object => new(NodeKind.Map, at, path)
            {
                Members = [.. value.EnumerateObject().Select(x => (new RuleNode(NodeKind.Text, at, $"{path}.{x.Name}") { Text = x.Name }, Node(x.Value, $"{path}.{x.Name}")))],
            },
            JsonValueKind.Array => new(NodeKind.List, at, path) { Items = [.. value.EnumerateArray().Select((x, i) => Node(x, $"{path}[{i}]"))] },
            JsonValueKind.String => new(NodeKind.Text, at, path) { Text = value.GetString()! },
            JsonValueKind.Number => new(NodeKind.Number, at, path) { Text = value.GetRawText() },
            JsonValueKind.True or JsonValueKind.False => new(NodeKind.Boolean, at, path) { Text = value.GetRawText() },
            _ => new(NodeKind.Null, at, path),
        };
    }

    private static FilterType Filter(string name, Func<ConfigReader, Condition?> compile) => new(name, RuleStage.All, name, Shape.None, compile);

    private ActionType Action(string name, Func<ConfigReader, RuleAction?> compile) => new(name, RuleStage.All, name, Shape.None, x =>
    {
        Variables = x.Scope.Variables;
        return compile(x);
    });

    private sealed class Test(string text, RuleStage knownAt, Func<RuleContext, bool> holds) : Leaf(text, knownAt)
    {
        protected override bool Holds(RuleContext context) => holds(context);
    }

    private sealed class HostIs(string value) : Leaf($"Host \"{value}\"", RuleStage.FromRequest)
    {
        private readonly bool _isSuffix = value.StartsWith('*');
        private readonly string _value = value.TrimStart('*');

        public override HostHint? Host => new(_value, _isSuffix);

        protected override bool Holds(RuleContext context)
        {
            var host = context.Exchange!.Request.Origin.Host;
            return _isSuffix ? host.EndsWith(_value, StringComparison.OrdinalIgnoreCase) : host.Equals(_value, StringComparison.OrdinalIgnoreCase);
        }
    }

    private sealed class PathBegins(string value) : Leaf($"Path \"{value}\"", RuleStage.FromRequest)
    {
        private readonly byte[] _value = Encoding.ASCII.GetBytes(value);

        public override string? PathPrefix => value;

        protected override bool Holds(RuleContext context) => context.Exchange!.Request.PathOctets.StartsWith(_value);
    }

    private sealed class MethodIs(string value) : Leaf($"Method \"{value}\"", RuleStage.FromRequest)
    {
        private readonly byte[] _value = Encoding.ASCII.GetBytes(value);

        public override string? Method => value;

        protected override bool Holds(RuleContext context) => context.Exchange!.Request.MethodOctets.SequenceEqual(_value);
    }

    private sealed class Call(string name, RuleKit kit) : RuleAction
    {
        public override ValueTask<ActionResult> RunAsync(RuleContext context, CancellationToken cancellationToken)
        {
            lock (kit.Ran)
            {
                kit.Ran.Add(name);
            }

            return kit.Does.TryGetValue(name, out var does) ? does(context, cancellationToken) : new(ActionResult.Done);
        }
    }
}

using RelayCore.Core.Connections;
using RelayCore.Core.Flows;
using RelayCore.Core.Messages;

namespace RelayCore.Core.Interception;

/// <summary>What every stage shows of a flow. Belongs to a session and is reused: use it until the method returns, copy what you keep.</summary>
/// <remarks>Tags and variables may be set and read from two threads at once, because both directions of a flow may have interceptors running.</remarks>
public abstract class FlowContext
{
    private const int MaxTags = 64;
    private const int MaxVariables = 256;

    private readonly Lock _gate = new();
    private FlowContext? _shared;
    private string[] _tags = [];
    private Dictionary<string, string>? _variables;
    private IList<string> _rules = [];
    private object? _ruleState;
    private int _wanted;
    private IFlowTrace? _trace;
    private string? _marker;
    private string? _comment;
    private ServerRoute? _route;

    /// <summary>Id of the flow.</summary>
    public FlowId Id { get; private set; }

    /// <summary>The client's connection.</summary>
    public ClientConnection Client { get; private set; } = null!;

    /// <summary>The server's connection, once there is one.</summary>
    public ServerConnection? Server { get; set; }

    /// <summary>Tags, in the order they were set; as they are now, later ones are not in this list.</summary>
    public IReadOnlyList<string> Tags => Owner._tags;

    /// <summary>Variables of the flow as they are now; they live until it ends.</summary>
    public IReadOnlyDictionary<string, string> Variables =>
        Owner._variables ?? (IReadOnlyDictionary<string, string>)System.Collections.ObjectModel.ReadOnlyDictionary<string, string>.Empty;

    /// <summary>Ids of rules that matched, in order.</summary>
    public IList<string> MatchedRules => Owner._rules;

    /// <summary>When the flow began, monotonic (<see cref="TimeProvider.GetTimestamp"/>); 0 when that is not known.</summary>
    public long StartedAt { get; set; }

    /// <summary>Stages on demand that were asked for (<see cref="InterceptorNeeds.OnDemand"/>).</summary>
    public Stage Wanted => (Stage)Volatile.Read(ref Owner._wanted);

    /// <summary>What rules keep of the flow; theirs. Not cleared with a new flow, so that they can use it again.</summary>
    public object? RuleState
    {
        get => Owner._ruleState;
        set => Owner._ruleState = value;
    }

    /// <summary>Says at the end of the flow what rules did, for its record; <see langword="null"/> when no rule was considered.</summary>
    public IFlowTrace? Trace
    {
        get => Owner._trace;
        set => Owner._trace = value;
    }

    /// <summary>Where the interceptor that is being called says for whom it acts; <see langword="null"/> where nothing is recorded.</summary>
    public IActorLog? ActorLog { get; set; }

    /// <summary>Marker of the flow in lists, e.g. an emoji; <see langword="null"/> for none.</summary>
    public string? Marker
    {
        get => Owner._marker;
        set => Owner._marker = value;
    }

    /// <summary>Comment on the flow; <see langword="null"/> for none.</summary>
    public string? Comment
    {
        get => Owner._comment;
        set => Owner._comment = value;
    }

    /// <summary>
    /// How the server is reached, when not as ever. Set at <see cref="Stage.Connect"/> or <see cref="Stage.ClientHello"/> it holds for the tunnel and every
    /// exchange in it, at <see cref="Stage.RequestHead"/> for the exchange; later it says what was used.
    /// </summary>
    public ServerRoute? Route
    {
        get => Owner._route;
        set => Owner._route = value;
    }

    private FlowContext Owner => _shared ?? this;

    /// <summary>Asks for later stages of this flow: its bodies, whole or in pieces, its messages, its end.</summary>
    public void Want(Stage stages) => Interlocked.Or(ref Owner._wanted, (int)stages);

    /// <summary>Adds a tag once. At most 64 tags; more are ignored.</summary>
    public void SetTag(string tag)
    {
        var owner = Owner;
        lock (owner._gate)
        {
            if (owner._tags.Length < MaxTags && !owner._tags.Contains(tag))
            {
                owner._tags = [.. owner._tags, tag];
            }
        }
    }

    /// <summary>Sets a variable. At most 256 variables; more are ignored.</summary>
    public void SetVariable(string name, string value)
    {
        var owner = Owner;
        lock (owner._gate)
        {
            if (owner._variables is not { } variables || variables.Count < MaxVariables || variables.ContainsKey(name))
            {
                // A new one each time, so that whoever reads the last one can go on.
                owner._variables = owner._variables is null
                    ? new(StringComparer.Ordinal) { [name] = value }
                    : new(owner._variables, StringComparer.Ordinal) { [name] = value };
            }
        }
    }

    /// <summary>Begins a new flow; for sessions.</summary>
    public virtual void Begin(FlowId id, ClientConnection client)
    {
        (Id, Client, Server, _shared, _wanted, StartedAt) = (id, client, null, null, 0, 0);
        _tags = [];
        _rules.Clear();
        (_variables, _trace) = (null, null);
        (_marker, _comment, _route) = (null, null, null);
    }

    /// <summary>
    /// Takes over what actors said of what led to this flow: of a CONNECT and a ClientHello, which have no record of their own when a tunnel or a
    /// refusal is shown instead. What they keep (<see cref="RuleState"/>) stays theirs.
    /// </summary>
    public void Continue(FlowContext earlier)
    {
        ArgumentNullException.ThrowIfNull(earlier);
        foreach (var tag in earlier.Tags)
        {
            SetTag(tag);
        }

        foreach (var (name, value) in earlier.Variables)
        {
            SetVariable(name, value);
        }

        foreach (var rule in earlier.MatchedRules)
        {
            if (!MatchedRules.Contains(rule))
            {
                MatchedRules.Add(rule);
            }
        }

        Trace ??= earlier.Trace;
        Marker ??= earlier.Marker;
        Comment ??= earlier.Comment;
    }

    /// <summary>Becomes another view of the same flow: same id and connections, one set of tags, variables and rules.</summary>
    protected void Share(FlowContext flow)
    {
        (Id, Client, Server, StartedAt) = (flow.Id, flow.Client, flow.Server, flow.StartedAt);
        _shared = flow.Owner;
    }
}

/// <summary>What rules did to a flow.</summary>
public interface IFlowTrace
{
    /// <summary>Writes it as the UTF-8 JSON of a <see cref="RuleTrace"/>, at most 16 KiB.</summary>
    void Write(System.Buffers.IBufferWriter<byte> destination);
}

/// <summary>One request and its response on their way through the proxy; every HTTP version looks the same from here.</summary>
public sealed class Exchange : FlowContext
{
    /// <summary>The request as it will be sent.</summary>
    public RequestHead Request { get; } = new();

    /// <summary>The final response as it will be sent; meaningful from <see cref="Stage.ResponseHead"/> on.</summary>
    public ResponseHead Response { get; private set; } = new();

    /// <summary>Whether a final response head is there.</summary>
    public bool HasResponse { get; set; }

    /// <summary>Data octets of the request body as they came in, coding included; known at <see cref="Stage.Completed"/>.</summary>
    public long RequestBodyOctets { get; set; }

    /// <summary>Data octets of the response body as they came in, or of the answer the proxy made; known at <see cref="Stage.Completed"/>.</summary>
    public long ResponseBodyOctets { get; set; }

    /// <summary>What happens on purpose to the request on its way to the server; read when its head goes out.</summary>
    public Impairment? RequestImpairment { get; set; }

    /// <summary>What happens on purpose to the response on its way to the client; read when its head goes out.</summary>
    public Impairment? ResponseImpairment { get; set; }

    /// <inheritdoc/>
    public override void Begin(FlowId id, ClientConnection client)
    {
        base.Begin(id, client);
        (RequestImpairment, ResponseImpairment) = (null, null);
        (RequestBodyOctets, ResponseBodyOctets) = (0, 0);
    }

    /// <summary>Shows another head as the response, so that the stream it came from need not copy it; for sessions.</summary>
    public void Show(ResponseHead response) => Response = response;
}

/// <summary>A CONNECT or a connection that is about to be handled.</summary>
public sealed class ConnectContext : FlowContext
{
    /// <summary>Host asked for.</summary>
    public string Host { get; set; } = "";

    /// <summary>Port asked for.</summary>
    public int Port { get; set; }

    /// <summary>The CONNECT request; <see langword="null"/> when the connection itself is meant.</summary>
    public RequestHead? Request { get; set; }

    /// <summary>What to do with TLS inside; <see cref="ClientHelloContext.Decision"/> comes later and goes before it.</summary>
    public InterceptDecision Decision { get; set; }
}

/// <summary>A ClientHello that was read; set <see cref="Decision"/>.</summary>
public sealed class ClientHelloContext : FlowContext
{
    /// <summary>Host of the tunnel.</summary>
    public string Host { get; set; } = "";

    /// <summary>Port of the tunnel.</summary>
    public int Port { get; set; }

    /// <summary>Facts of the hello: SNI, ALPN, versions, ciphers, fingerprints.</summary>
    public TlsFacts Hello { get; set; } = new();

    /// <summary>What to do.</summary>
    public InterceptDecision Decision { get; set; }

    /// <summary>Begins as what comes behind a CONNECT: one flow with it for those who look at both.</summary>
    public void Begin(FlowContext connect) => Share(connect);
}

/// <summary>A raw tunnel: octets both ways.</summary>
public sealed class TunnelContext : FlowContext
{
    /// <summary>Host of the other end.</summary>
    public string Host { get; set; } = "";

    /// <summary>Port of the other end.</summary>
    public int Port { get; set; }
}

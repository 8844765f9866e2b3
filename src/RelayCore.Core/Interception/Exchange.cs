using RelayCore.Core.Connections;
using RelayCore.Core.Flows;
using RelayCore.Core.Messages;

namespace RelayCore.Core.Interception;

/// <summary>What every stage shows of a flow. Belongs to a session and is reused: use it until the method returns, copy what you keep.</summary>
public abstract class FlowContext
{
    private readonly List<string> _tags = [];
    private Dictionary<string, string>? _variables;

    /// <summary>Id of the flow.</summary>
    public FlowId Id { get; private set; }

    /// <summary>The client's connection.</summary>
    public ClientConnection Client { get; private set; } = null!;

    /// <summary>The server's connection, once there is one.</summary>
    public ServerConnection? Server { get; set; }

    /// <summary>Tags, in the order they were set.</summary>
    public IReadOnlyList<string> Tags => _tags;

    /// <summary>Variables of the flow; they live until it ends.</summary>
    public IReadOnlyDictionary<string, string> Variables => _variables ?? (IReadOnlyDictionary<string, string>)System.Collections.ObjectModel.ReadOnlyDictionary<string, string>.Empty;

    /// <summary>Ids of rules that matched, in order.</summary>
    public IList<string> MatchedRules { get; } = [];

    /// <summary>Adds a tag once. At most 64 tags; more are ignored.</summary>
    public void SetTag(string tag)
    {
        if (_tags.Count < 64 && !_tags.Contains(tag))
        {
            _tags.Add(tag);
        }
    }

    /// <summary>Sets a variable. At most 256 variables; more are ignored.</summary>
    public void SetVariable(string name, string value)
    {
        _variables ??= new(StringComparer.Ordinal);
        if (_variables.Count < 256 || _variables.ContainsKey(name))
        {
            _variables[name] = value;
        }
    }

    /// <summary>Begins a new flow; for sessions.</summary>
    public void Begin(FlowId id, ClientConnection client)
    {
        (Id, Client, Server) = (id, client, null);
        _tags.Clear();
        MatchedRules.Clear();
        _variables = null;
    }
}

/// <summary>One request and its response on their way through the proxy; every HTTP version looks the same from here.</summary>
public sealed class Exchange : FlowContext
{
    /// <summary>The request as it will be sent.</summary>
    public RequestHead Request { get; } = new();

    /// <summary>The final response as it will be sent; meaningful from <see cref="Stage.ResponseHead"/> on.</summary>
    public ResponseHead Response { get; } = new();

    /// <summary>Whether a final response head is there.</summary>
    public bool HasResponse { get; set; }
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
}

/// <summary>A raw tunnel: octets both ways.</summary>
public sealed class TunnelContext : FlowContext
{
    /// <summary>Host of the other end.</summary>
    public string Host { get; set; } = "";

    /// <summary>Port of the other end.</summary>
    public int Port { get; set; }
}

using System.Globalization;
using RelayCore.Core.Interception;
using RelayCore.Rules.Actions;

namespace RelayCore.Rules.Execution;

/// <summary>What the actions of the running rule did, until its trace takes it over. One per context, reused from rule to rule.</summary>
internal sealed class ActionRecord
{
    private int _fieldChanges;
    private ReadOnlyMemory<byte> _octets;

    public List<ActionEntry> Actions { get; } = [];

    public List<ChangeEntry> Changes { get; } = [];

    public void Begin()
    {
        Actions.Clear();
        Changes.Clear();
    }

    public void BeginAction(RuleContext context)
    {
        _fieldChanges = context.Fields?.ChangeCount ?? 0;
        _octets = context.Message?.Content ?? context.Body?.Octets ?? default;
    }

    public void EndAction(RuleContext context, string type, in ActionResult result, long micros)
    {
        var before = Changes.Count;
        if (context.Fields is { } fields && fields.ChangeCount > _fieldChanges)
        {
            var side = (context.Stage & (RuleStage.RequestHeaders | RuleStage.RequestBody)) != 0 ? "request" : "response";
            for (var i = _fieldChanges; i < fields.ChangeCount; i++)
            {
                var change = fields.Changes[i];
                Changes.Add(new(side, change.Name, change.Before, change.After));
            }
        }

        var octets = context.Message?.Content ?? context.Body?.Octets ?? default;
        if (!octets.Equals(_octets))
        {
            var target = context.Message is { } message ? TargetOf(message.Protocol) : context.Stage == RuleStage.RequestBody ? "request.body" : "response.body";
            Changes.Add(new(target, "", Octets(_octets.Length), Octets(octets.Length)));
        }

        Actions.Add(new(type, result.Outcome, micros, result.Detail, Changes.Count - before));
    }

    /// <summary>What was taken back did not happen.</summary>
    public void ForgetChanges()
    {
        Changes.Clear();
        for (var i = 0; i < Actions.Count; i++)
        {
            Actions[i] = Actions[i] with { Changes = 0 };
        }
    }

    private static string TargetOf(MessageProtocol protocol) => protocol switch
    {
        MessageProtocol.WebSocket => "websocket.message",
        MessageProtocol.ServerSentEvents => "sse.event",
        MessageProtocol.Ndjson => "ndjson.line",
        _ => "grpc.message",
    };

    private static string Octets(int length) => string.Create(CultureInfo.InvariantCulture, $"{length} octets");
}

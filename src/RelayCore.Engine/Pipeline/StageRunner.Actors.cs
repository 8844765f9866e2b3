using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Core.Messages;
using RelayCore.Protocols.Fields;

namespace RelayCore.Engine.Pipeline;

/// <summary>The part that records changes under the names of those an interceptor acts for.</summary>
internal sealed partial class StageRunner
{
    private readonly CallLog _calls = new();

    /// <summary>Begins to listen to a call. Heads and bodies of an exchange come one after the other; trailers may come beside them.</summary>
    private CallLog Listen(IInterceptor interceptor, Stage stage, FlowContext flow, FieldSection? fields, MessageBody? body)
    {
        var isBeside = stage is Stage.Trailers or Stage.Informational;
        var log = isBeside ? new() : _calls;
        log.Begin(this, interceptor.Name, stage, fields, body);
        if (!isBeside)
        {
            flow.ActorLog = log;
        }

        return log;
    }

    private CallLog Listen(IInterceptor interceptor, Stage stage, Message message)
    {
        var log = message.ActorLog as CallLog ?? new();
        log.Begin(this, interceptor.Name, stage, message);
        message.ActorLog = log;
        return log;
    }

    /// <summary>Shows a body that somebody else needs whole, as one piece, to who would have edited it on its way.</summary>
    private async ValueTask WholeAsPieceAsync(IInterceptor interceptor, Stage stage, Exchange exchange, MessageBody body, CancellationToken cancellationToken)
    {
        var isRequest = stage == Stage.RequestBody;
        if (body.Octets.IsEmpty || !InterceptorSet.IsCalled(interceptor, isRequest ? Stage.RequestChunk : Stage.ResponseChunk, exchange))
        {
            return;
        }

        var (chunk, before) = (new BodyChunk(), body.Octets);
        chunk.Load(before, isLast: true);
        try
        {
            if (isRequest)
            {
                await interceptor.OnRequestChunkAsync(exchange, chunk, cancellationToken).ConfigureAwait(false);
            }
            else
            {
                await interceptor.OnResponseChunkAsync(exchange, chunk, cancellationToken).ConfigureAwait(false);
            }

            if (chunk.IsReplaced)
            {
                body.ReplaceOctets(chunk.Output.SelectMany(static x => x.ToArray()).ToArray());
                recorder.Mutate(new(chunk.Actor ?? interceptor.Name, stage, isRequest ? "request.body" : "response.body",
                    Octets(before.Length), Octets(body.Octets.Length), Now()));
            }
        }
        catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            Failed(interceptor, stage, exchange, e);
        }
    }

    private void Mutate(Mutation mutation) => recorder.Mutate(mutation);

    /// <summary>One call of an interceptor: what was not recorded yet, and the name to record it under.</summary>
    private sealed class CallLog : IActorLog
    {
        private StageRunner _runner = null!;
        private Stage _stage;
        private FieldSection? _fields;
        private MessageBody? _body;
        private Message? _message;
        private int _changes;
        private ReadOnlyMemory<byte> _octets;
        private SavedMessage _before;

        /// <summary>Who acted last; the interceptor when it names nobody.</summary>
        public string Actor { get; private set; } = "";

        public void Begin(StageRunner runner, string actor, Stage stage, FieldSection? fields, MessageBody? body)
        {
            (_runner, Actor, _stage, _fields, _body, _message) = (runner, actor, stage, fields, body, null);
            (_changes, _octets) = (fields?.ChangeCount ?? 0, body?.Octets ?? default);
        }

        public void Begin(StageRunner runner, string actor, Stage stage, Message message)
        {
            (_runner, Actor, _stage, _fields, _body, _message) = (runner, actor, stage, null, null, message);
            _before = message.Save();
        }

        public void Acted(string actor)
        {
            Actor = actor;
            Settle();
        }

        /// <summary>Records what was not recorded yet.</summary>
        public void Settle()
        {
            if (_fields is not null && _fields.ChangeCount > _changes)
            {
                _runner.Record(Actor, _stage, _fields, _changes);
                _changes = _fields.ChangeCount;
            }

            if (_body is not null && !_octets.Equals(_body.Octets))
            {
                _runner.Mutate(new(Actor, _stage, _stage == Stage.RequestBody ? "request.body" : "response.body",
                    Octets(_octets.Length), Octets(_body.Octets.Length), _runner.Now()));
                _octets = _body.Octets;
            }

            if (_message is not null && !_before.IsDropped)
            {
                _runner.Record(Actor, _stage, _message, _before);
                _before = _message.Save();
            }
        }
    }
}

using RelayCore.Core.Connections;
using RelayCore.Core.Interception;
using RelayCore.Core.Messages;
using RelayCore.Protocols.Fields;

namespace RelayCore.Rules.Execution;

/// <summary>A flow as it was before the actions of a rule, so that a rule that fails leaves it unharmed. Reused from rule to rule.</summary>
internal sealed class RuleCheckpoint
{
    private FieldSection.Saved? _fields;
    private RequestHead.SavedRequestLine _request;
    private ResponseHead.SavedStatusLine _response;
    private ReadOnlyMemory<byte> _body;
    private bool _isBodyReplaced;
    private string? _bodyCoding;
    private SavedMessage _message;
    private (string Host, int Port, InterceptDecision Decision) _connect;
    private ServerRoute? _route;
    private InterceptDecision _decision;
    private (Impairment? Request, Impairment? Response) _impairments;
    private int _later;
    private int _transforms;

    /// <summary>Remembers.</summary>
    public void Take(RuleContext context)
    {
        if (context.Fields is { } fields)
        {
            _fields = fields.Save(_fields);
            (_request, _response) = (context.Exchange!.Request.Save(), context.Exchange.Response.Save());
        }

        if (context.Body is { } body)
        {
            (_body, _isBodyReplaced, _bodyCoding) = (body.Octets, body.IsReplaced, body.ContentEncoding);
        }

        if (context.Message is { } message)
        {
            _message = message.Save();
        }

        _connect = context.Connect is { } connect ? (connect.Host, connect.Port, connect.Decision) : default;
        _route = context.Flow.Route;
        _impairments = (context.Exchange?.RequestImpairment, context.Exchange?.ResponseImpairment);
        _decision = context.Hello?.Decision ?? default;
        (_later, _transforms) = context.State.Registered;
    }

    /// <summary>Takes back what was done since.</summary>
    public void Restore(RuleContext context)
    {
        if (context.Fields is { } fields)
        {
            fields.Restore(_fields!);
            if (ReferenceEquals(fields, context.Exchange!.Request.Fields))
            {
                context.Exchange.Request.Restore(_request);
            }
            else
            {
                context.Exchange.Response.Restore(_response);
            }
        }

        if (context.Body is { } body && !body.Octets.Equals(_body))
        {
            body.TakeBack(_body, _isBodyReplaced, _bodyCoding);
        }

        context.Message?.Restore(_message);
        if (context.Exchange is { } exchange)
        {
            (exchange.RequestImpairment, exchange.ResponseImpairment) = _impairments;
        }

        if (context.Connect is { } connect)
        {
            (connect.Host, connect.Port, connect.Decision) = _connect;
        }

        if (context.Hello is { } hello)
        {
            hello.Decision = _decision;
        }

        context.Flow.Route = _route;
        context.State.Forget(_later, _transforms);
    }
}

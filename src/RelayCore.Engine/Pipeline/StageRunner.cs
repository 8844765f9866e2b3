using System.Globalization;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Core.Messages;
using RelayCore.Engine.Capture;
using RelayCore.Protocols;
using RelayCore.Protocols.Fields;

namespace RelayCore.Engine.Pipeline;

/// <summary>
/// Runs the interceptors of one stage in order, records what each of them changed, and keeps a failing one from harming the exchange:
/// its edits are taken back and the flow is marked.
/// </summary>
internal sealed partial class StageRunner(FlowRecorder recorder, TimeProvider time)
{
    private long _started;
    private FieldSection.Saved? _saved;

    public void Begin(long started) => _started = started;

    public ValueTask<Verdict> RequestHeadAsync(InterceptorSet set, Exchange exchange, CancellationToken cancellationToken) =>
        HeadAsync(set, Stage.RequestHead, exchange, exchange.Request.Fields, (i, e, c) => i.OnRequestHeadAsync(e, c), cancellationToken);

    public ValueTask<Verdict> ResponseHeadAsync(InterceptorSet set, Exchange exchange, CancellationToken cancellationToken) =>
        HeadAsync(set, Stage.ResponseHead, exchange, exchange.Response.Fields, (i, e, c) => i.OnResponseHeadAsync(e, c), cancellationToken);

    public async ValueTask InformationalAsync(InterceptorSet set, Exchange exchange, ResponseHead interim, CancellationToken cancellationToken) =>
        await HeadAsync(set, Stage.Informational, exchange, interim.Fields, async (i, e, c) =>
        {
            await i.OnInformationalAsync(e, interim, c).ConfigureAwait(false);
            return Verdict.Continue;
        }, cancellationToken).ConfigureAwait(false);

    public async ValueTask TrailersAsync(InterceptorSet set, Exchange exchange, PeerRole sender, FieldSection trailers, CancellationToken cancellationToken) =>
        await HeadAsync(set, Stage.Trailers, exchange, trailers, async (i, e, c) =>
        {
            await i.OnTrailersAsync(e, sender, trailers, c).ConfigureAwait(false);
            return Verdict.Continue;
        }, cancellationToken).ConfigureAwait(false);

    public async ValueTask<Verdict> BodyAsync(InterceptorSet set, Stage stage, Exchange exchange, MessageBody body, CancellationToken cancellationToken)
    {
        foreach (var interceptor in set.Interceptors)
        {
            if (!InterceptorSet.IsCalled(interceptor, stage, exchange))
            {
                await WholeAsPieceAsync(interceptor, stage, exchange, body, cancellationToken).ConfigureAwait(false);
                continue;
            }

            if (body.Octets.Length > interceptor.Needs.MaxBody)
            {
                recorder.Mark(FlowMarks.BodyActorSkipped);
                continue;
            }

            var (before, wasReplaced, coding) = (body.Octets, body.IsReplaced, body.ContentEncoding);
            var fields = stage == Stage.RequestBody ? exchange.Request.Fields : exchange.Response.Fields;
            var saved = _saved = fields.Save(_saved);
            var log = Listen(interceptor, stage, exchange, fields, body);
            var (request, response) = (exchange.Request.Save(), exchange.Response.Save());
            try
            {
                var verdict = stage == Stage.RequestBody
                    ? await interceptor.OnRequestBodyAsync(exchange, body, cancellationToken).ConfigureAwait(false)
                    : await interceptor.OnResponseBodyAsync(exchange, body, cancellationToken).ConfigureAwait(false);
                log.Settle();
                if (verdict.IsTerminal)
                {
                    return verdict;
                }
            }
            catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
            {
                body.TakeBack(before, wasReplaced, coding);
                fields.Restore(saved);
                if (stage == Stage.RequestBody)
                {
                    exchange.Request.Restore(request);
                }
                else
                {
                    exchange.Response.Restore(response);
                }

                Failed(interceptor, stage, exchange, e);
            }
        }

        return Verdict.Continue;
    }

    /// <returns>Whether a piece was changed.</returns>
    public async ValueTask<bool> ChunkAsync(
        InterceptorSet set, PeerRole sender, FlowContext flow, ReadOnlyMemory<byte> data, bool isLast, List<ReadOnlyMemory<byte>> output, BodyChunk chunk,
        CancellationToken cancellationToken)
    {
        var stage = flow is TunnelContext ? Stage.TunnelChunk : sender == PeerRole.Client ? Stage.RequestChunk : Stage.ResponseChunk;
        output.Clear();
        output.Add(data);
        var changed = false;
        foreach (var interceptor in set.Interceptors)
        {
            if (!InterceptorSet.IsCalled(interceptor, stage, flow))
            {
                continue;
            }

            var next = new List<ReadOnlyMemory<byte>>(output.Count);
            for (var i = 0; i < Math.Max(output.Count, 1); i++)
            {
                var piece = output.Count == 0 ? default : output[i];
                chunk.Load(piece, isLast && i >= output.Count - 1);
                try
                {
                    var call = flow switch
                    {
                        TunnelContext tunnel => interceptor.OnTunnelChunkAsync(tunnel, sender, chunk, cancellationToken),
                        Exchange exchange when sender == PeerRole.Client => interceptor.OnRequestChunkAsync(exchange, chunk, cancellationToken),
                        Exchange exchange => interceptor.OnResponseChunkAsync(exchange, chunk, cancellationToken),
                        _ => default,
                    };
                    await call.ConfigureAwait(false);
                    next.AddRange(chunk.Output);
                    if (chunk.IsReplaced)
                    {
                        changed = true;
                        var target = flow is TunnelContext ? "tunnel" : sender == PeerRole.Client ? "request.body" : "response.body";
                        recorder.Mutate(new(chunk.Actor ?? interceptor.Name, stage, target, Octets(piece.Length), Octets(chunk.Output.Sum(x => (long)x.Length)), Now()));
                    }
                }
                catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
                {
                    next.Add(piece);
                    Failed(interceptor, stage, flow, e);
                }
            }

            output.Clear();
            output.AddRange(next);
        }

        return changed;
    }

    public async ValueTask<Verdict> FlowAsync<TFlow>(
        InterceptorSet set, Stage stage, TFlow flow, Func<IInterceptor, TFlow, CancellationToken, ValueTask<Verdict>> call, CancellationToken cancellationToken)
        where TFlow : FlowContext
    {
        foreach (var interceptor in set.Interceptors)
        {
            if (!InterceptorSet.IsCalled(interceptor, stage, flow))
            {
                continue;
            }

            try
            {
                // The others end beside stages of the exchange, and nobody acts there for anybody else.
                var log = stage is Stage.Connect or Stage.ClientHello ? Listen(interceptor, stage, flow, null, null) : null;
                var verdict = await call(interceptor, flow, cancellationToken).ConfigureAwait(false);
                if (verdict.IsTerminal)
                {
                    flow.SetVariable("verdict.actor", log?.Actor ?? interceptor.Name);
                    return verdict;
                }
            }
            catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
            {
                Failed(interceptor, stage, flow, e);
            }
        }

        return Verdict.Continue;
    }

    private async ValueTask<Verdict> HeadAsync(
        InterceptorSet set, Stage stage, Exchange exchange, FieldSection fields,
        Func<IInterceptor, Exchange, CancellationToken, ValueTask<Verdict>> call, CancellationToken cancellationToken)
    {
        foreach (var interceptor in set.Interceptors)
        {
            if (!InterceptorSet.IsCalled(interceptor, stage, exchange))
            {
                continue;
            }

            var saved = stage is Stage.Trailers or Stage.Informational ? fields.Save() : _saved = fields.Save(_saved); // those come beside the others
            var log = Listen(interceptor, stage, exchange, fields, null);
            var request = stage == Stage.RequestHead ? exchange.Request.Save() : default;
            var response = stage == Stage.ResponseHead ? exchange.Response.Save() : default;
            try
            {
                var verdict = await call(interceptor, exchange, cancellationToken).ConfigureAwait(false);
                log.Settle();
                if (verdict is Verdict.RedirectTarget redirect && stage == Stage.RequestHead)
                {
                    exchange.Request.Redirect(redirect.Target);
                    log.Settle();
                }

                if (verdict.IsTerminal)
                {
                    recorder.Mutate(new(log.Actor, stage, "verdict", null, verdict.GetType().Name, Now()));
                    return verdict;
                }
            }
            catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
            {
                fields.Restore(saved);
                if (stage == Stage.RequestHead)
                {
                    exchange.Request.Restore(request);
                }
                else if (stage == Stage.ResponseHead)
                {
                    exchange.Response.Restore(response);
                }

                Failed(interceptor, stage, exchange, e);
            }
        }

        return Verdict.Continue;
    }

    private void Record(string actor, Stage stage, FieldSection fields, int from)
    {
        var side = stage is Stage.RequestHead or Stage.RequestBody ? "request" : stage == Stage.Informational ? "informational"
            : stage == Stage.Trailers ? "trailers" : "response";
        for (var i = from; i < fields.ChangeCount; i++)
        {
            var change = fields.Changes[i];
            var target = change.Name switch
            {
                ":method" => "request.method",
                ":path" => "request.path",
                ":authority" => "request.origin",
                ":status" => $"{side}.status",
                ":reason" => $"{side}.reason",
                _ => $"{side}.headers.{change.Name}",
            };
            recorder.Mutate(new(actor, stage, target, change.Before, change.After, Now()));
        }
    }

    private void Failed(IInterceptor interceptor, Stage stage, FlowContext flow, Exception exception)
    {
        recorder.Mark(FlowMarks.InterceptorFailed);
        flow.SetTag("interceptor-error");
        recorder.Mutate(new(interceptor.Name, stage, "error", null, $"{exception.GetType().Name}: {exception.Message}", Now()));
    }

    private long Now() => (long)time.GetElapsedTime(_started).TotalMicroseconds;

    private static string Octets(long length) => string.Create(CultureInfo.InvariantCulture, $"{length} octets");
}

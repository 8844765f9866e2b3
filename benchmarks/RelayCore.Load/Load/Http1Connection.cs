using System.Diagnostics;
using System.Runtime.CompilerServices;
using RelayCore.Load.Http;

namespace RelayCore.Load.Load;

/// <summary>HTTP/1.1, one request at a time: send, read the whole response, check it, record, again.</summary>
internal sealed class Http1Connection(LoadPlan plan, LoadControl control, Pacer? pacer) : LoadConnection(plan, control)
{
    private readonly Pacer.Slot _slot = new();
    private BodyCounter _body;

    public override async Task RunAsync()
    {
        while (true)
        {
            long from;
            if (pacer is null)
            {
                if (!Control.TryTakeRequest())
                {
                    break;
                }

                from = Stopwatch.GetTimestamp();
            }
            else if ((from = await pacer.NextAsync(_slot)) < 0)
            {
                break;
            }

            if (await TryExchangeAsync())
            {
                CountCompleted(from);
            }
            else if (Control.IsStopping)
            {
                break;
            }
            else
            {
                Control.ReturnRequest();
                await PauseAfterFaultAsync();
            }
        }
    }

    /// <summary>One request and its response. A failure is counted, unless the run is over and it is only our own abort.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<bool> TryExchangeAsync()
    {
        try
        {
            if (Wire is null && await ConnectAsync() is { } refused)
            {
                return Fail(refused.Fault, refused.Reason);
            }

            await SendAsync();
            var (fault, keepAlive) = await ReceiveAsync();
            if (!keepAlive || Plan.Options.NewConnections || fault is not null)
            {
                Close();
            }

            return fault is null || Fail(fault.Value, $"{fault}: status {Status}, {_body.ContentOctets} octets of content");
        }
        catch (Exception error) when (FaultOf(error) is { } broken)
        {
            return Fail(broken.Fault, broken.Reason);
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask SendAsync()
    {
        var wire = Wire!;
        await wire.SendAsync(Plan.FirstSend);
        if (Plan.Options.UploadOctets > 0)
        {
            CountOctets(Plan.FirstBodyOctets);
            for (var left = Plan.Options.UploadOctets - Plan.FirstBodyOctets; left > 0;)
            {
                var piece = (int)Math.Min(left, Plan.BodyPiece.Length);
                await wire.SendAsync(Plan.BodyPiece.AsMemory(0, piece));
                left -= piece;
                CountOctets(piece);
            }
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<(LoadFault? Fault, bool KeepAlive)> ReceiveAsync()
    {
        var wire = Wire!;
        var (head, filled) = await ReceiveHeadAsync(wire, 0);
        while (head.Status is >= 100 and < 200)
        {
            Buffer.AsSpan(head.Octets, filled - head.Octets).CopyTo(Buffer);
            (head, filled) = await ReceiveHeadAsync(wire, filled - head.Octets);
        }

        if (head.Octets == 0)
        {
            return (LoadFault.Malformed, false);
        }

        var downloads = Plan.Options.UploadOctets == 0;
        _body = BodyCounter.For(head, isRequest: false);
        var (start, keepAlive) = (head.Octets, !head.IsClose && !_body.EndsWithConnection);
        while (true)
        {
            var before = _body.ContentOctets;
            var used = _body.Consume(Buffer.AsSpan(start, filled - start));
            CountOctets(downloads ? _body.ContentOctets - before : 0);
            if (_body.IsBroken || used != filled - start)
            {
                return (LoadFault.Malformed, false);
            }

            if (_body.IsComplete)
            {
                break;
            }

            (start, filled) = (0, await wire.ReceiveAsync(Buffer));
            if (filled == 0)
            {
                if (_body.EndsWithConnection)
                {
                    break;
                }

                throw new EndOfStreamException("the connection ended inside a response");
            }
        }

        LoadFault? fault = head.Status != 200 ? LoadFault.Status
            : Plan.Options.ExpectOctets >= 0 && _body.ContentOctets != Plan.Options.ExpectOctets ? LoadFault.Length
            : null;
        return (fault, keepAlive);
    }
}

using System.Buffers;
using System.Globalization;
using System.IO.Pipelines;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using RelayCore.Runtime.Events;

namespace RelayCore.Api.Endpoints;

/// <summary>
/// <c>GET /events</c>: the event log as server-sent events. The first event is <c>lifecycle</c> with the status; every later one has the number of the log as its
/// id. A client continues by Last-Event-ID or <c>?since=NUMBER</c> (0: everything kept) and is told by <c>lagged</c> what is gone.
/// </summary>
internal sealed class EventEndpoint(EventLog events, StatusEndpoints status, TimeSpan keepAlive, TimeProvider time, CancellationToken stopping)
{
    private static readonly byte[] s_comment = ": \n\n"u8.ToArray();

    public async Task StreamAsync(HttpContext context)
    {
        var after = After(context.Request);
        var query = new Parameters(context.Request.Query);
        var (summaries, messages) = (query.Choice("flow", "full", "summary") == 1, query.Flag("messages") ?? true);
        context.Response.ContentType = "text/event-stream";
        context.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        if (HttpMethods.IsHead(context.Request.Method))
        {
            return;
        }

        using var ended = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stopping);
        var start = after ?? events.LastNumber;
        if (messages)
        {
            // Before the first event is there: a client that looks at a flow when it comes misses none of what follows.
            events.AnnounceMessages();
        }

        var output = context.Response.BodyWriter;
        Write(output, null, "lifecycle", status.SnapshotJson());
        await output.FlushAsync(ended.Token);
        try
        {
            await CopyAsync(output, start, summaries, messages, ended.Token);
        }
        catch (OperationCanceledException) when (ended.IsCancellationRequested)
        {
            // The client has gone, or we are stopping: either way the stream ends here.
        }
    }

    private async Task CopyAsync(PipeWriter output, long after, bool summaries, bool messages, CancellationToken cancellationToken)
    {
        using var reading = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await using var log = events.ReadAsync(after, summaries, messages, reading.Token).GetAsyncEnumerator(reading.Token);
        while (true)
        {
            var next = log.MoveNextAsync();
            if (!await (next.IsCompleted ? next : new(WaitAsync(output, next.AsTask(), reading))))
            {
                return;
            }

            Write(output, log.Current.Number, log.Current.Name, log.Current.Data.Span);
            if (output.UnflushedBytes > 64 * 1024)
            {
                await output.FlushAsync(cancellationToken); // a slow client slows only its own reading of the log
            }
        }
    }

    // Nothing more at the moment: what is written goes out now, and a comment now and then keeps the connection alive.
    private async Task<bool> WaitAsync(PipeWriter output, Task<bool> next, CancellationTokenSource reading)
    {
        try
        {
            await output.FlushAsync(reading.Token);
            while (true)
            {
                using var enough = CancellationTokenSource.CreateLinkedTokenSource(reading.Token);
                var isNext = await Task.WhenAny(next, Task.Delay(keepAlive, time, enough.Token)) == next;
                await enough.CancelAsync();
                if (isNext || reading.IsCancellationRequested)
                {
                    return await next;
                }

                output.Write(s_comment);
                await output.FlushAsync(reading.Token);
            }
        }
        catch
        {
            // A reader of the log cannot be let go while it waits.
            await reading.CancelAsync();
            await Task.WhenAny(next);
            throw;
        }
    }

    private static long? After(HttpRequest request)
    {
        if (new Parameters(request.Query).LongNumber("since") is { } since)
        {
            return since;
        }

        // Clients send back what they saw last by themselves; what is no number of ours is no reason to refuse them.
        return long.TryParse(request.Headers["Last-Event-ID"], NumberStyles.None, CultureInfo.InvariantCulture, out var last) ? last : null;
    }

    // Data is JSON on one line, so it never needs a second data field.
    private static void Write(IBufferWriter<byte> output, long? id, string name, ReadOnlySpan<byte> data)
    {
        if (id is > 0)
        {
            output.Write(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"id: {id}\n")));
        }

        output.Write(Encoding.ASCII.GetBytes($"event: {name}\ndata: "));
        output.Write(data);
        output.Write("\n\n"u8);
    }
}

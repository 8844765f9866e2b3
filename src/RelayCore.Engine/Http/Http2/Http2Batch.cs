namespace RelayCore.Engine.Http.Http2;

/// <summary>
/// What one read loop causes while it works through the frames of one receive: connections that have frames to send. They are flushed at the
/// end, so that everything ready goes out in one send. Confined to a thread; no await may lie within.
/// </summary>
internal sealed class Http2Batch
{
    [ThreadStatic]
    private static Http2Batch? s_current;

    private readonly List<Http2Endpoint> _endpoints = [];
    private int _depth;

    /// <summary>Begins, or goes deeper.</summary>
    public static Http2Batch Begin()
    {
        var batch = s_current ??= new();
        batch._depth++;
        return batch;
    }

    /// <summary>Leaves the flush to the batch of this thread.</summary>
    /// <returns>Whether there is one.</returns>
    public static bool TryDefer(Http2Endpoint endpoint)
    {
        if (s_current is not { _depth: > 0 } batch)
        {
            return false;
        }

        if (!batch._endpoints.Contains(endpoint))
        {
            batch._endpoints.Add(endpoint);
        }

        return true;
    }

    /// <summary>Ends; the outermost end flushes.</summary>
    public void End()
    {
        if (--_depth > 0)
        {
            return;
        }

        // A flush may wake senders that write to further connections: they flush at once, being outside a batch.
        while (_endpoints.Count > 0)
        {
            var endpoint = _endpoints[^1];
            _endpoints.RemoveAt(_endpoints.Count - 1);
            endpoint.Flush();
        }
    }
}

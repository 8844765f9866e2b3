namespace RelayCore.Engine.Http.Http2;

/// <summary>
/// What one read loop causes while it works through the frames of one receive: exchanges whose head came, and connections that have frames to
/// send. At the end the exchanges go on, who then mostly find their body there, too, and the connections are flushed, so that everything
/// ready goes out in one send. Confined to a thread; no await may lie within.
/// </summary>
internal sealed class Http2Batch
{
    [ThreadStatic]
    private static Http2Batch? s_current;

    private readonly List<Http2Endpoint> _endpoints = [];
    private readonly List<Http2Stream> _waking = [];
    private int _depth;

    /// <summary>Begins, or goes deeper.</summary>
    public static Http2Batch Begin()
    {
        var batch = s_current ??= new();
        batch._depth++;
        return batch;
    }

    /// <summary>Leaves to the batch of this thread to wake whoever waits for a stream's head.</summary>
    /// <returns>Whether there is one.</returns>
    public static bool TryDefer(Http2Stream stream)
    {
        if (s_current is not { _depth: > 0 } batch)
        {
            return false;
        }

        batch._waking.Add(stream);
        return true;
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

    /// <summary>Ends; the outermost end wakes and flushes.</summary>
    public void End()
    {
        if (_depth > 1)
        {
            _depth--;
            return;
        }

        for (var i = 0; i < _waking.Count; i++)
        {
            _waking[i].WakeHeadReader(); // still within the batch: what they write is flushed below
        }

        _waking.Clear();
        _depth = 0;

        // A flush may wake senders that write to further connections: they flush at once, being outside a batch.
        while (_endpoints.Count > 0)
        {
            var endpoint = _endpoints[^1];
            _endpoints.RemoveAt(_endpoints.Count - 1);
            endpoint.Flush();
        }
    }
}

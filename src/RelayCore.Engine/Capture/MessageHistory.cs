namespace RelayCore.Engine.Capture;

/// <summary>
/// The messages of one flow in blocks of native memory, oldest first. Written by the recorder under its lock; octets that are written never
/// change, so a reader that pinned the blocks of a moment reads on while more are added or the oldest go. Over its bound whole blocks go.
/// </summary>
internal sealed unsafe class MessageHistory(FlowStore store)
{
    private const int Prefix = sizeof(int);
    private const int Rounding = 4 * 1024;

    private readonly Queue<MessageBlock> _blocks = new();
    private MessageBlock? _last;
    private long _octets;

    /// <summary>Messages with smaller numbers are gone; 0 when none is.</summary>
    public long FirstKept { get; private set; }

    /// <summary>Room for a record at the end; <see cref="Commit"/> takes it.</summary>
    /// <param name="octets">How many it may need; at most half the memory a history may have.</param>
    /// <param name="number">Number of the message.</param>
    /// <returns>Empty when there is no memory, not even after the oldest went.</returns>
    public Span<byte> Reserve(int octets, long number)
    {
        var needed = Prefix + octets;
        if (_last is null || _last.Size - _last.Used < needed)
        {
            _last = Add(needed, number);
        }

        return _last is null ? [] : new((byte*)_last.Memory + _last.Used + Prefix, octets);
    }

    /// <summary>Ends the record that was written into the room reserved last.</summary>
    public void Commit(int octets)
    {
        var block = _last!;
        *(int*)((byte*)block.Memory + block.Used) = octets;
        block.Used += (Prefix + octets + 3) & ~3;
    }

    /// <summary>Lets blocks go whose messages all come before a number.</summary>
    public void Forget(long first)
    {
        while (_blocks.Count > 1 && _blocks.Peek().Next <= first)
        {
            DropOldest();
        }
    }

    /// <summary>Everything that is here now, kept until it is released. Called where nobody writes at the same time.</summary>
    public PinnedMessages Pin()
    {
        var blocks = new (MessageBlock, int)[_blocks.Count];
        var next = 0;
        foreach (var block in _blocks)
        {
            block.Pin();
            blocks[next++] = (block, block.Used);
        }

        return new(blocks);
    }

    /// <summary>Lets everything go.</summary>
    public void Release()
    {
        while (_blocks.TryDequeue(out var block))
        {
            block.Release();
        }

        _last = null;
    }

    private MessageBlock? Add(int needed, long number)
    {
        if (_last is not null)
        {
            _last.Next = number;
        }

        var size = needed > CaptureMemory.LargeBlock ? (needed + Rounding - 1) & ~(Rounding - 1)
            : _octets == 0 && needed <= CaptureMemory.SmallBlock ? CaptureMemory.SmallBlock
            : CaptureMemory.LargeBlock;
        while (_blocks.Count > 0 && _octets + size > store.MaxMessageMemory)
        {
            DropOldest();
        }

        var memory = store.Allocate(size);
        while (memory == 0 && _blocks.Count > 0)
        {
            // Finished flows have gone already: what a running one says now is worth more than what it said first.
            DropOldest();
            memory = store.Allocate(size);
        }

        if (memory == 0)
        {
            return null;
        }

        var block = new MessageBlock(store, memory, size, number);
        _blocks.Enqueue(block);
        _octets += size;
        return block;
    }

    private void DropOldest()
    {
        var block = _blocks.Dequeue();
        _octets -= block.Size;
        FirstKept = block.Next;
        if (block == _last)
        {
            _last = null;
        }

        block.Release();
    }
}

/// <summary>A block of a history: records behind their length, each at a multiple of four octets.</summary>
internal sealed class MessageBlock(FlowStore store, nint memory, int size, long first)
{
    private int _references = 1;

    public nint Memory { get; } = memory;

    public int Size { get; } = size;

    /// <summary>Number of the first message in it.</summary>
    public long First { get; } = first;

    /// <summary>Number of the first message of the next block; <see cref="long.MaxValue"/> while it is the last.</summary>
    public long Next { get; set; } = long.MaxValue;

    public int Used { get; set; }

    /// <summary>Keeps the memory; only while somebody else does, too.</summary>
    public void Pin() => Interlocked.Increment(ref _references);

    public void Release()
    {
        if (Interlocked.Decrement(ref _references) == 0)
        {
            store.Free(Memory, Size);
        }
    }
}

/// <summary>The blocks of a history at one moment, kept until <see cref="Release"/>.</summary>
internal sealed unsafe class PinnedMessages((MessageBlock Block, int Used)[] blocks)
{
    /// <summary>Looks at records in order, beginning with the block that has a number, until told to stop.</summary>
    /// <param name="number">Messages before it may be shown, too.</param>
    /// <param name="visit">Gets each record; <see langword="false"/> ends it.</param>
    public void Visit(long number, RecordVisitor visit)
    {
        for (var i = 0; i < blocks.Length; i++)
        {
            var (block, used) = blocks[i];
            if (i + 1 < blocks.Length && blocks[i + 1].Block.First <= number)
            {
                continue;
            }

            for (var at = 0; at < used;)
            {
                var length = *(int*)((byte*)block.Memory + at);
                if (!visit(new((byte*)block.Memory + at + sizeof(int), length)))
                {
                    return;
                }

                at += (sizeof(int) + length + 3) & ~3;
            }
        }
    }

    public void Release()
    {
        foreach (var (block, _) in blocks)
        {
            block.Release();
        }
    }
}

/// <summary>Looks at a record.</summary>
/// <returns>Whether it wants the next one.</returns>
internal delegate bool RecordVisitor(ReadOnlySpan<byte> record);

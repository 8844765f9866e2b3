namespace RelayCore.Engine.Capture;

/// <summary>
/// What a flow's bodies and messages have beyond their inline start, in blocks of native memory. Written by the recorder under its lock; octets that are
/// written never change, so a reader with a pin and the lengths of a moment reads on while more are added.
/// </summary>
internal sealed unsafe class BodyBlocks(FlowStore store)
{
    private readonly Lock _gate = new();
    private readonly Chain[] _chains = [new(), new(), new(), new()];
    private int _references = 1;

    /// <summary>Messages of the flow beyond the first, small ones; written where bodies are.</summary>
    public MessageHistory? Messages { get; set; }

    /// <summary>Adds octets to a body.</summary>
    /// <returns>How many were taken; fewer than given when the budget is exhausted.</returns>
    public int Append(int slot, ReadOnlySpan<byte> octets)
    {
        var (chain, taken) = (_chains[slot], 0);
        while (taken < octets.Length)
        {
            if (chain.Free == 0)
            {
                // Small blocks first: a body just over the inline bound would leave most of a large one empty.
                var size = chain.Length < CaptureMemory.LargeBlock ? CaptureMemory.SmallBlock : CaptureMemory.LargeBlock;
                var memory = store.Allocate(size);
                if (memory == 0)
                {
                    return taken;
                }

                lock (_gate)
                {
                    chain.Blocks.Add((memory, size));
                }

                chain.Free = size;
            }

            var (last, lastSize) = chain.Blocks[^1];
            var count = Math.Min(chain.Free, octets.Length - taken);
            octets.Slice(taken, count).CopyTo(new Span<byte>((byte*)last + lastSize - chain.Free, count));
            chain.Free -= count;
            taken += count;
            Volatile.Write(ref chain.Length, chain.Length + count);
        }

        return taken;
    }

    /// <summary>Octets a body has here; pinned only.</summary>
    public long Length(int slot) => Volatile.Read(ref _chains[slot].Length);

    /// <summary>Copies octets of a body; pinned only.</summary>
    /// <param name="slot">Which body.</param>
    /// <param name="offset">Where to begin, counted without the inline start.</param>
    /// <param name="destination">Filled as far as the body goes.</param>
    /// <returns>Octets copied.</returns>
    public int Read(int slot, long offset, Span<byte> destination)
    {
        var chain = _chains[slot];
        var count = (int)Math.Min(destination.Length, Math.Max(0, Volatile.Read(ref chain.Length) - offset));
        var copied = 0;
        for (var (index, start) = (0, 0L); copied < count; index++)
        {
            (nint Memory, int Size) block;
            lock (_gate)
            {
                block = chain.Blocks[index];
            }

            var from = offset + copied - start;
            if (from < block.Size)
            {
                var piece = (int)Math.Min(block.Size - from, count - copied);
                new ReadOnlySpan<byte>((byte*)block.Memory + from, piece).CopyTo(destination[copied..]);
                copied += piece;
            }

            start += block.Size;
        }

        return copied;
    }

    /// <summary>Keeps the blocks until <see cref="Release"/>.</summary>
    /// <returns><see langword="false"/> when they are already gone.</returns>
    public bool TryPin()
    {
        lock (_gate)
        {
            _references += _references > 0 ? 1 : 0;
            return _references > 0;
        }
    }

    /// <summary>Lets go; the last one gives the memory back.</summary>
    public void Release()
    {
        lock (_gate)
        {
            if (--_references > 0)
            {
                return;
            }
        }

        Messages?.Release();
        foreach (var chain in _chains)
        {
            foreach (var (memory, size) in chain.Blocks)
            {
                store.Free(memory, size);
            }

            chain.Blocks.Clear();
        }
    }

    private sealed class Chain
    {
        public List<(nint Memory, int Size)> Blocks { get; } = [];

        public long Length;

        public int Free { get; set; }
    }
}

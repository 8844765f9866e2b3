using System.Numerics;

namespace RelayCore.Engine.Memory;

/// <summary>
/// Buffers of the data plane, 2 KiB to 1 MiB in powers of two. Each thread keeps some; what one thread has too many of, others take from a shared,
/// bounded store. The runtime's shared pool keeps one buffer a thread and 32 a core, so a burst of a hundred connections allocates anew each time.
/// </summary>
internal static class BufferPool
{
    private const int MinShift = 11;
    private const int Classes = 10;
    private const int ThreadOctets = 1024 * 1024;
    private const int SharedOctets = 16 * 1024 * 1024;

    private static readonly Shared[] s_shared = [.. Enumerable.Range(0, Classes).Select(x => new Shared(x))];

    [ThreadStatic]
    private static Local[]? s_local;

    /// <summary>A buffer of at least <paramref name="length"/> octets, content undefined.</summary>
    public static byte[] Rent(int length)
    {
        var index = ClassOf(length);
        if (index >= Classes)
        {
            return GC.AllocateUninitializedArray<byte>(length);
        }

        ref var local = ref LocalOf(index);
        return local.Count > 0 ? local.Buffers[--local.Count] : s_shared[index].TryTake(ref local) ? local.Buffers[--local.Count]
            : GC.AllocateUninitializedArray<byte>(1 << (index + MinShift));
    }

    /// <summary>Takes a buffer back; its renter must not touch it any more.</summary>
    public static void Return(byte[] buffer)
    {
        var index = ClassOf(buffer.Length);
        if (index >= Classes || buffer.Length != 1 << (index + MinShift))
        {
            return; // larger than any class: the collector's
        }

        ref var local = ref LocalOf(index);
        if (local.Count == local.Buffers.Length)
        {
            s_shared[index].Put(ref local);
        }

        local.Buffers[local.Count++] = buffer;
    }

    private static int ClassOf(int length) => length <= 1 << MinShift ? 0 : BitOperations.Log2((uint)(length - 1)) + 1 - MinShift;

    private static ref Local LocalOf(int index)
    {
        var local = s_local ??= Create();
        return ref local[index];

        static Local[] Create()
        {
            var created = new Local[Classes];
            for (var i = 0; i < Classes; i++)
            {
                created[i].Buffers = new byte[Math.Clamp(ThreadOctets >> (i + MinShift), 2, 64)][];
            }

            return created;
        }
    }

    private struct Local
    {
        public byte[][] Buffers;
        public int Count;
    }

    private sealed class Shared(int index)
    {
        private readonly Lock _lock = new();
        private readonly byte[][] _buffers = new byte[SharedOctets >> (index + MinShift)][];
        private int _count;

        /// <summary>Moves up to half a thread's share to it.</summary>
        public bool TryTake(ref Local local)
        {
            if (Volatile.Read(ref _count) == 0)
            {
                return false;
            }

            lock (_lock)
            {
                for (var wanted = Math.Max(1, local.Buffers.Length / 2); wanted > 0 && _count > 0; wanted--)
                {
                    local.Buffers[local.Count++] = _buffers[--_count];
                }
            }

            return local.Count > 0;
        }

        /// <summary>Takes half of a thread's share; what the store cannot hold is the collector's.</summary>
        public void Put(ref Local local)
        {
            lock (_lock)
            {
                for (var surplus = Math.Max(1, local.Buffers.Length / 2); surplus > 0; surplus--)
                {
                    var buffer = local.Buffers[--local.Count];
                    if (_count < _buffers.Length)
                    {
                        _buffers[_count++] = buffer;
                    }
                }
            }
        }
    }
}

using System.Buffers;

namespace RelayCore.Rules.Execution;

/// <summary>Octets put together in memory of the pool. What was written is valid until the next <see cref="Clear"/> or <see cref="Dispose"/>.</summary>
internal sealed class PooledBuffer : IBufferWriter<byte>, IDisposable
{
    private const int MinOctets = 4 * 1024;

    private byte[] _octets = [];

    /// <summary>Octets written.</summary>
    public int Length { get; private set; }

    /// <summary>What was written.</summary>
    public ReadOnlyMemory<byte> Written => _octets.AsMemory(0, Length);

    /// <summary>Forgets what was written and keeps the memory.</summary>
    public void Clear() => Length = 0;

    public void Advance(int count) => Length += count;

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(Math.Max(sizeHint, 1));
        return _octets.AsMemory(Length);
    }

    public Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    /// <summary>Gives the memory back.</summary>
    public void Dispose()
    {
        if (_octets.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_octets);
            _octets = [];
        }

        Length = 0;
    }

    private void Reserve(int count)
    {
        if (_octets.Length - Length < count)
        {
            var larger = ArrayPool<byte>.Shared.Rent(Math.Max(Math.Max(MinOctets, Length + count), _octets.Length * 2));
            _octets.AsSpan(0, Length).CopyTo(larger);
            if (_octets.Length > 0)
            {
                ArrayPool<byte>.Shared.Return(_octets);
            }

            _octets = larger;
        }
    }
}

using System.Buffers;

namespace RelayCore.Rules.Actions.Streams;

/// <summary>One pass over a body on its way. Keeps what it has to wait for; for one flow.</summary>
internal abstract class StreamStep
{
    private readonly ArrayBufferWriter<byte> _held = new(256);

    /// <summary>Most octets kept between pieces.</summary>
    public abstract int MaxHeld { get; }

    /// <summary>Takes a piece.</summary>
    public void Run(ReadOnlySpan<byte> input, bool isLast, IBufferWriter<byte> output)
    {
        // Large pieces are taken in slices, so that what is kept stays near its bound whatever a peer sends at once.
        do
        {
            var slice = input[..Math.Min(input.Length, Math.Max(MaxHeld, 16 * 1024))];
            input = input[slice.Length..];
            var isEnd = isLast && input.IsEmpty;
            if (_held.WrittenCount == 0)
            {
                _held.Write(slice[Process(slice, isEnd, output)..]);
                continue;
            }

            _held.Write(slice);
            var taken = Process(_held.WrittenSpan, isEnd, output);
            var rest = _held.WrittenSpan[taken..].ToArray();
            _held.ResetWrittenCount();
            _held.Write(rest);
        }
        while (!input.IsEmpty);
    }

    /// <summary>Edits as much as is certain.</summary>
    /// <returns>Octets that are settled; the rest comes again with more behind it. All of them when nothing follows.</returns>
    protected abstract int Process(ReadOnlySpan<byte> buffer, bool isLast, IBufferWriter<byte> output);
}

/// <summary>Several passes, each on the output of the one before.</summary>
internal sealed class StreamTransform(StreamStep[] steps) : IBodyTransform
{
    private readonly ArrayBufferWriter<byte>[] _between = [.. steps.Skip(1).Select(_ => new ArrayBufferWriter<byte>(1024))];

    public int MaxHeld { get; } = steps.Sum(x => x.MaxHeld);

    public void Transform(ReadOnlySpan<byte> input, bool isLast, IBufferWriter<byte> output)
    {
        for (var i = 0; i < steps.Length; i++)
        {
            var target = i < steps.Length - 1 ? _between[i] : null;
            target?.ResetWrittenCount();
            steps[i].Run(i == 0 ? input : _between[i - 1].WrittenSpan, isLast, target ?? output);
        }
    }

    public void Dispose()
    {
    }
}

using System.Buffers;
using RelayCore.Rules.Actions;

namespace RelayCore.Rules.Tests.Execution;

/// <summary>Makes letters large, one octet late, and says so at the end.</summary>
internal sealed class Upper : IBodyTransform
{
    private int _held = -1;

    public int MaxHeld => 1;

    public bool IsDisposed { get; private set; }

    public void Transform(ReadOnlySpan<byte> input, bool isLast, IBufferWriter<byte> output)
    {
        foreach (var octet in input)
        {
            Put(output);
            _held = octet is >= (byte)'a' and <= (byte)'z' ? octet - 32 : octet;
        }

        if (isLast)
        {
            Put(output);
            _held = -1;
            output.Write("!"u8);
        }
    }

    public void Dispose() => IsDisposed = true;

    private void Put(IBufferWriter<byte> output)
    {
        if (_held >= 0)
        {
            output.Write([(byte)_held]);
        }
    }
}

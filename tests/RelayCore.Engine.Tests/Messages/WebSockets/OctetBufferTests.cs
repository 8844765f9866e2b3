using RelayCore.Engine.Messages.WebSockets;
using Xunit;

namespace RelayCore.Engine.Tests.Messages.WebSockets;

public sealed class OctetBufferTests
{
    [Fact]
    public void Append_BeyondItsRoom_KeepsWhatIsThere()
    {
        var buffer = default(OctetBuffer);
        var expected = new List<byte>();
        for (var i = 0; i < 300; i++)
        {
            var piece = Enumerable.Repeat((byte)i, i).ToArray();
            buffer.Append(piece);
            expected.AddRange(piece);
        }

        Assert.Equal(expected, buffer.Memory.ToArray());
        buffer.Clear();
        Assert.Equal(0, buffer.Length);
        buffer.Append([7]);
        Assert.Equal([7], buffer.Span.ToArray());
        buffer.Release();
        Assert.True(buffer.Span.IsEmpty);
    }
}

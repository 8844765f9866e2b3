using System.Text;
using RelayCore.Engine.Messages.WebSockets;
using RelayCore.Protocols.WebSockets;
using Xunit;

namespace RelayCore.Engine.Tests.Messages.WebSockets;

public sealed class MessageDeflaterTests
{
    [Theory]
    [InlineData(8)]
    [InlineData(9)]
    [InlineData(12)]
    [InlineData(15)]
    public void Deflate_AnyContent_InflatesBackWithinTheWindow(int bits)
    {
        var random = new Random(bits);
        var text = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Range(0, 9000).Select(x => $"{x % 50} ")));
        foreach (var length in (int[])[0, 1, 2, 255, 256, 257, 511, 512, 513, 4096, 20_000])
        {
            var noise = new byte[length];
            random.NextBytes(noise);
            foreach (var content in (byte[][])[text[..length], noise])
            {
                var output = default(OctetBuffer);
                output.Append([1, 2, 3]); // goes behind what is there
                MessageDeflater.Deflate(content, bits, ref output);
                Assert.Equal([1, 2, 3], output.Span[..3].ToArray());
                var inflater = new MessageInflater();
                var decoded = new byte[length + 1];
                byte[] wire = [.. output.Span[3..], .. PerMessageDeflate.Tail];
                Assert.Equal(InflateStatus.NeedInput, inflater.Inflate(wire, decoded, out _, out var written));
                Assert.Equal(Convert.ToHexString(content), Convert.ToHexString(decoded.AsSpan(0, written)));
                Assert.True(inflater.IsAtBoundary && inflater.LongestDistance <= 1 << bits, $"distance {inflater.LongestDistance}");
                output.Release();
            }
        }
    }
}

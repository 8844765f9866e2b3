using System.Buffers;
using System.Text;
using CsCheck;
using RelayCore.Fuzz.Oracles;
using RelayCore.Protocols.Sse;
using Xunit;

namespace RelayCore.Protocols.Tests.Sse;

public sealed class SseWriterTests
{
    [Fact]
    public void Write_AllFields_AreInOneBlock() =>
        Assert.Equal("id: 7\nevent: price\nretry: 250\ndata: a\ndata: b\ndata: \ndata: c\n\n", Write("7", "price", 250, "a\r\nb\r\rc"));

    [Fact]
    public void Write_NoData_IsAnEmptyEvent() => Assert.Equal("data: \n\n", Write(null, null, null, ""));

    [Theory]
    [InlineData("a\nb", null)]
    [InlineData("a\rb", null)]
    [InlineData("a\0b", null)]
    [InlineData(null, "a\nb")]
    [InlineData(null, "a\rb")]
    public void Write_FieldThatCannotBe_IsRefused(string? id, string? name)
    {
        Assert.False(SseWriter.CanWrite(id, name));
        Assert.Throws<ArgumentException>(() => Write(id, name, null, "x"));
    }

    [Fact]
    public void Write_AnyEvent_ReadsBack() =>
        Gen.Select(Gen.String[Gen.Char['\u0001', '\u007E'], 0, 9], Gen.String[Gen.Char['\u0020', '\u007E'], 0, 9], Gen.Long[0, 1_000_000], Gen.String[Gen.Char['\0', '\u007E'], 0, 40])
            .Where((id, _, _, _) => SseWriter.CanWrite(id, null))
            .Sample((id, name, retry, data) =>
            {
                var read = Assert.Single(SseOracle.Read(Write(id, name, retry, data)));
                Assert.Equal(new(data.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n'), name, id, retry), read);
            });

    private static string Write(string? id, string? name, long? retry, string data)
    {
        var output = new ArrayBufferWriter<byte>();
        SseWriter.Write(output, id, name, retry, Encoding.UTF8.GetBytes(data));
        return Encoding.UTF8.GetString(output.WrittenSpan);
    }
}

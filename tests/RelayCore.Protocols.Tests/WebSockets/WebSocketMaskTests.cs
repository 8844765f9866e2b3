using CsCheck;
using RelayCore.Protocols.WebSockets;
using Xunit;

namespace RelayCore.Protocols.Tests.WebSockets;

public sealed class WebSocketMaskTests
{
    [Fact]
    public void Apply_ExampleOfTheRfc_IsHello()
    {
        byte[] payload = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
        WebSocketMask.Apply(payload, 0x37fa213d, 0);
        Assert.Equal("Hello"u8.ToArray(), payload);
    }

    [Fact]
    public void Apply_AnyPartAtAnyOffset_IsWhatTheFormulaSays() =>
        Gen.Select(Gen.Byte.Array[0, 300], Gen.UInt, Gen.Long[0, 1L << 40]).Sample((payload, key, offset) =>
        {
            var expected = new byte[payload.Length];
            for (var i = 0; i < payload.Length; i++)
            {
                expected[i] = (byte)(payload[i] ^ (byte)(key >> (24 - (8 * (int)((offset + i) % 4))))); // §5.3: i MOD 4
            }

            var actual = payload.ToArray();
            WebSocketMask.Apply(actual, key, offset);
            var undone = actual.ToArray();
            WebSocketMask.Apply(undone, key, offset);
            return actual.SequenceEqual(expected) && undone.SequenceEqual(payload);
        });
}

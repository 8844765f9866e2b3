using System.Buffers;
using RelayCore.Protocols.Http2;
using Xunit;

namespace RelayCore.Protocols.Tests.Http2;

/// <summary>Frames for tests: built octet by octet, without the writer under test.</summary>
internal static class Frames
{
    /// <summary>Octets from hexadecimal text; white space is for the reader.</summary>
    public static byte[] Hex(string text) => Convert.FromHexString(string.Concat(text.Where(x => !char.IsWhiteSpace(x))));

    /// <summary>One frame.</summary>
    public static byte[] Frame(int type, int flags, int streamId, params byte[] payload) =>
    [
        (byte)(payload.Length >> 16), (byte)(payload.Length >> 8), (byte)payload.Length, (byte)type, (byte)flags,
        (byte)(streamId >> 24), (byte)(streamId >> 16), (byte)(streamId >> 8), (byte)streamId, .. payload,
    ];

    /// <summary>SETTINGS with these parameters.</summary>
    public static byte[] Settings(params (int Id, uint Value)[] parameters) => Frame(4, 0, 0, Parameters(parameters));

    /// <summary>A payload of SETTINGS.</summary>
    public static byte[] Parameters(params (int Id, uint Value)[] parameters) =>
        [.. parameters.SelectMany(x => (byte[])[(byte)(x.Id >> 8), (byte)x.Id, .. Word(x.Value)])];

    /// <summary>Four octets.</summary>
    public static byte[] Word(uint value) => [(byte)(value >> 24), (byte)(value >> 16), (byte)(value >> 8), (byte)value];

    /// <summary>Reads the one complete frame that <paramref name="wire"/> is.</summary>
    public static Http2Frame Read(byte[] wire, out Http2Error error)
    {
        var status = default(Http2FrameReader).TryRead(wire, Http2Settings.MinMaxFrameSize, out var frame, out var consumed, out error);
        Assert.Equal((OperationStatus.Done, wire.Length), (status, consumed));
        return frame;
    }

    /// <summary>Reads a frame without fault.</summary>
    public static Http2Frame Read(byte[] wire)
    {
        var frame = Read(wire, out var error);
        Assert.Equal(default, error);
        return frame;
    }
}

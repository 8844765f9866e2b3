using System.Text;
using RelayCore.Protocols.Http2.Hpack;

namespace RelayCore.Protocols.Tests.Http2.Hpack;

/// <summary>Takes blocks through the codec; fields are shown as <c>name: value</c>, never-indexed ones with a <c>!</c> before.</summary>
internal static class Blocks
{
    public static (HpackError Error, List<string> Fields) Decode(HpackDecoder decoder, ReadOnlySpan<byte> block)
    {
        var sink = new Collector([]);
        return (decoder.Decode(block, ref sink), sink.Fields);
    }

    public static (HpackError Error, List<string> Fields) Decode(HpackDecoder decoder, string hex) =>
        Decode(decoder, Convert.FromHexString(hex.Replace(" ", "", StringComparison.Ordinal)));

    /// <summary>Encodes fields of the same form.</summary>
    public static byte[] Encode(HpackEncoder encoder, params IEnumerable<string> fields)
    {
        var block = new List<byte>();
        var destination = new byte[HpackEncoder.BeginBound];
        block.AddRange(destination.AsSpan(0, encoder.Begin(destination)));
        foreach (var field in fields)
        {
            var isNever = field.StartsWith('!');
            var colon = field.StartsWith(": ", StringComparison.Ordinal) ? 0 : field.IndexOf(": ", 1, StringComparison.Ordinal);
            var (name, value) = (Encoding.Latin1.GetBytes(field[(isNever ? 1 : 0)..colon]), Encoding.Latin1.GetBytes(field[(colon + 2)..]));
            destination = new byte[HpackEncoder.Bound(name.Length, value.Length)];
            block.AddRange(destination.AsSpan(0, encoder.Encode(destination, name, value, isNever)));
        }

        return [.. block];
    }

    public static string Hex(ReadOnlySpan<byte> octets) => Convert.ToHexStringLower(octets);

    private readonly struct Collector(List<string> fields) : IHpackSink
    {
        public List<string> Fields { get; } = fields;

        public void Field(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value, bool neverIndexed, ref byte note) =>
            Fields.Add($"{(neverIndexed ? "!" : "")}{Encoding.Latin1.GetString(name)}: {Encoding.Latin1.GetString(value)}");
    }
}

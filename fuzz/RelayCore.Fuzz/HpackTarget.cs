using RelayCore.Fuzz.Oracles;
using RelayCore.Protocols.Http2.Hpack;

namespace RelayCore.Fuzz;

/// <summary>
/// HPACK. An input is a series of blocks, each behind two octets: the length of the block and what is changed before it (bit 7: the decoder's
/// limit becomes 16 times the lower bits). The decoder is compared with a slow one; what it gave is then encoded and decoded again.
/// </summary>
internal sealed class HpackTarget : IFuzzTarget
{
    private const int MaxList = 4096;

    public string Name => "hpack";

    public void Run(ReadOnlySpan<byte> input)
    {
        var (decoder, oracle) = (new HpackDecoder(MaxList), new HpackOracle(MaxList));
        var (encoder, again) = (new HpackEncoder(), new HpackDecoder(1 << 20));
        while (input.Length >= 2)
        {
            var (length, change) = (Math.Min((int)input[0], input.Length - 2), input[1]);
            var block = input.Slice(2, length);
            input = input[(2 + length)..];
            if (change >= 0x80)
            {
                var size = (change & 0x7F) * 16;
                decoder.SetMaxTableOctets(size);
                oracle.SetMaxTable(size);
                again.SetMaxTableOctets(size);
                encoder.SetPeerMaxTableOctets(size);
            }

            var sink = new Collector([]);
            var error = decoder.Decode(block, ref sink);
            var expected = oracle.Decode(block.ToArray(), out var fields);
            FindingException.ThrowIfDifferent(expected, error, "error");
            FindingException.ThrowIfDifferent(string.Join('\n', fields), string.Join('\n', sink.Fields.Select(Text)), "fields");
            if (error.IsFatal())
            {
                return;
            }

            FindingException.ThrowIfDifferent((oracle.Count, oracle.Size), (decoder.TableCount, decoder.TableOctets), "table");
            if (decoder.TableOctets > decoder.TableBound || decoder.HeldOctets > 3 * 16 * 1024)
            {
                throw new FindingException($"The table has {decoder.TableOctets} of {decoder.TableBound} octets and holds {decoder.HeldOctets}.");
            }

            EncodeAgain(encoder, again, sink.Fields);
        }
    }

    private static void EncodeAgain(HpackEncoder encoder, HpackDecoder decoder, List<(byte[] Name, byte[] Value, bool NeverIndexed)> fields)
    {
        var block = new byte[HpackEncoder.BeginBound + fields.Sum(x => HpackEncoder.Bound(x.Name.Length, x.Value.Length))];
        var at = encoder.Begin(block);
        foreach (var (name, value, neverIndexed) in fields)
        {
            at += encoder.Encode(block.AsSpan(at, HpackEncoder.Bound(name.Length, value.Length)), name, value, neverIndexed);
        }

        var sink = new Collector([]);
        FindingException.ThrowIfDifferent(HpackError.None, decoder.Decode(block.AsSpan(0, at), ref sink), "encoded again");
        FindingException.ThrowIfDifferent(string.Join('\n', fields.Select(Plain)), string.Join('\n', sink.Fields.Select(Plain)), "fields encoded again");
        FindingException.ThrowIfDifferent((encoder.TableCount, encoder.TableOctets), (decoder.TableCount, decoder.TableOctets), "tables of both ends");
        if (fields.Zip(sink.Fields).Any(x => x.First.NeverIndexed && !x.Second.NeverIndexed))
        {
            throw new FindingException("A field never to be indexed was sent otherwise.");
        }
    }

    private static string Plain((byte[] Name, byte[] Value, bool NeverIndexed) field) => Text((field.Name, field.Value, false));

    private static string Text((byte[] Name, byte[] Value, bool NeverIndexed) field) => HpackOracle.Text(field.Name, field.Value, field.NeverIndexed);

    private readonly struct Collector(List<(byte[] Name, byte[] Value, bool NeverIndexed)> fields) : IHpackSink
    {
        public List<(byte[] Name, byte[] Value, bool NeverIndexed)> Fields { get; } = fields;

        public void Field(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value, bool neverIndexed, ref byte note) =>
            Fields.Add((name.ToArray(), value.ToArray(), neverIndexed));
    }
}

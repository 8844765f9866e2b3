using System.Text;
using System.Text.Json;
using RelayCore.Protocols.Http2.Hpack;
using Xunit;

namespace RelayCore.Conformance.Tests.Http2;

/// <summary>hpack-test-case: header lists of real sites as several encoders wrote them, among them one that changes the table size all the time.</summary>
public sealed class HpackVectorTests
{
    [Theory]
    [InlineData("go-hpack", 32)]
    [InlineData("nghttp2-16384-4096", 31)]
    [InlineData("nghttp2-change-table-size", 31)]
    [InlineData("python-hpack", 32)]
    public void Decode_StoriesOfAnEncoder_GivesTheirHeaders(string encoder, int atLeast)
    {
        var cases = 0;
        var stories = Stories(encoder);
        foreach (var story in stories)
        {
            var decoder = new HpackDecoder();
            foreach (var vector in Cases(story))
            {
                if (vector.TableSize is { } size)
                {
                    decoder.SetMaxTableOctets(size);
                }

                Assert.Equal((Path.GetFileName(story), cases, HpackError.None, Text(vector.Headers)), (Path.GetFileName(story), cases, Decode(decoder, vector.Wire, out var text), text));
                cases++;
            }
        }

        Assert.InRange(stories.Length, atLeast, int.MaxValue);
        Assert.InRange(cases, atLeast, int.MaxValue);
    }

    [Theory]
    [InlineData("go-hpack", 1.1)]
    [InlineData("nghttp2-16384-4096", 1.1)]
    [InlineData("nghttp2-change-table-size", 1.1)]
    [InlineData("python-hpack", 1.1)]
    public void Encode_HeadersOfTheStories_DecodesToTheSameInAboutTheOctetsOfTheirEncoder(string set, double ratio)
    {
        var (theirs, encoded) = (0L, 0L);
        foreach (var story in Stories(set))
        {
            var (encoder, decoder, destination) = (new HpackEncoder(), new HpackDecoder(), new byte[256 * 1024]);
            foreach (var vector in Cases(story))
            {
                if (vector.TableSize is { } size)
                {
                    decoder.SetMaxTableOctets(size);
                    encoder.SetPeerMaxTableOctets(size);
                }

                var at = encoder.Begin(destination);
                foreach (var (name, value) in vector.Headers)
                {
                    at += encoder.Encode(destination.AsSpan(at), Encoding.Latin1.GetBytes(name), Encoding.Latin1.GetBytes(value), neverIndexed: false);
                }

                theirs += vector.Wire.Length;

                encoded += at;
                Assert.Equal((HpackError.None, Text(vector.Headers)), (Decode(decoder, destination[..at], out var text), text));
            }
        }

        Assert.InRange(encoded, 1, (long)(theirs * ratio));
    }

    private static string[] Stories(string encoder)
    {
        var folder = Vectors.Find("hpack-test-case", out var reason);
        Assert.SkipWhen(folder is null, $"HPACK vectors: {reason}");
        return [.. Directory.GetFiles(Path.Combine(folder!, encoder), "*.json").Order(StringComparer.Ordinal)];
    }

    private static List<(byte[] Wire, int? TableSize, List<(string Name, string Value)> Headers)> Cases(string story)
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(story));
        return
        [
            .. document.RootElement.GetProperty("cases").EnumerateArray().Select(x => (
                Convert.FromHexString(x.GetProperty("wire").GetString()!),
                x.TryGetProperty("header_table_size", out var size) ? size.GetInt32() : (int?)null,
                x.GetProperty("headers").EnumerateArray().SelectMany(y => y.EnumerateObject()).Select(y => (y.Name, y.Value.GetString()!)).ToList())),
        ];
    }

    private static string Text(List<(string Name, string Value)> headers) => string.Concat(headers.Select(x => $"{x.Name}: {x.Value}\n"));

    private static HpackError Decode(HpackDecoder decoder, byte[] block, out string text)
    {
        var sink = new Lines(new());
        var error = decoder.Decode(block, ref sink);
        text = sink.Text.ToString();
        return error;
    }

    private readonly struct Lines(StringBuilder text) : IHpackSink
    {
        public StringBuilder Text { get; } = text;

        public void Field(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value, bool neverIndexed, ref byte note) =>
            Text.Append(Encoding.UTF8.GetString(name)).Append(": ").Append(Encoding.UTF8.GetString(value)).Append('\n');
    }
}

namespace RelayCore.Interop.Tests.Rules;

/// <summary>Every filter and action on the wire: the octets that curl and a real origin receive, over both versions, codings and framings.</summary>
public sealed class RuleMatrixTests(RuleMatrixTests.Scene scene) : IClassFixture<RuleMatrixTests.Scene>
{
    private static readonly int[] s_reset = [52, 56, 92, 16, 18, 95];
    private static readonly int[] s_cut = [18, 92, 56];
    private static readonly string[] s_framing = ["content-length:", "transfer-encoding:"];

    public static TheoryData<string, string> Rows()
    {
        var rows = new TheoryData<string, string>();
        foreach (var wire in RuleMatrix.All)
        {
            foreach (var variant in Enum.GetValues<WireVariant>())
            {
                var isCoded = variant is WireVariant.Http1GzipSized or WireVariant.Http1GzipChunked or WireVariant.Http2Gzip;
                var isChunked = variant is WireVariant.Http1Chunked or WireVariant.Http1GzipChunked;
                if (!(wire.IsSizedOnly && isChunked) && !(wire.IsHttp1Only && variant is WireVariant.Http2 or WireVariant.Http2Gzip) && !(wire.IsIdentityOnly && isCoded))
                {
                    rows.Add(wire.ToString(), variant.ToString());
                }
            }
        }

        return rows;
    }

    [Theory]
    [MemberData(nameof(Rows))]
    public async Task Row_OnTheWire_ChangesExactlyWhatItSays(string name, string variant)
    {
        var wire = RuleMatrix.All.Single(x => x.ToString() == name);
        var kind = Enum.Parse<WireVariant>(variant);
        var (without, with, flow) = await scene.Wire.RunAsync(wire, kind);

        Assert.Equal(Expected(wire.Origin, kind), with.Origin is null ? "nothing" : WireScene.Difference(without.Origin!, with.Origin));
        AssertClient(wire, kind, without, with);
        Assert.Equal(wire.Tags, flow.Tags);
        Assert.NotNull(flow.RuleTrace);


        if (wire.Miss is { } miss)
        {
            var other = miss(wire);
            (without, with, flow) = await scene.Wire.RunAsync(other, kind);
            Assert.NotNull(with.Origin);
            Assert.Equal("", WireScene.Difference(without.Origin!, with.Origin));
            Assert.Equal("", WireScene.Difference(without.Client, with.Client));
            Assert.Empty(flow.Tags);
            Assert.Null(flow.MatchedRules);
        }
    }

    private static void AssertClient(RuleCase wire, WireVariant variant, WireResult without, WireResult with)
    {
        // What curl 7.88 says: 52 nothing came, 56 a reset, 18 an end before the end, 92 and 16 a stream of HTTP/2 that was reset.
        if (wire.Client is "reset" or "cut")
        {
            // A stream that ends early in order is only too short, when nothing said how long it would be.
            if (with.ExitCode == 0)
            {
                Assert.DoesNotContain(without.Client[^1], with.Client);
            }

            if (wire.Client == "cut" && with.ExitCode == 0 && variant is WireVariant.Http2 or WireVariant.Http2Gzip)
            {
                return;
            }

            Assert.Contains(with.ExitCode, wire.Client == "reset" ? s_reset : s_cut);
            return;
        }

        if (wire.Client is "local" || wire.Client.StartsWith("status ", StringComparison.Ordinal) || wire.Client.StartsWith("coded ", StringComparison.Ordinal))
        {
            AssertAnswer(wire.Client, with);
            return;
        }

        Assert.Equal(Expected(wire.Client, variant), WireScene.Difference(without.Client, with.Client));
        Assert.Equal(0, with.ExitCode);
    }

    // Answers whose lines hold times, ids or long texts.
    private static void AssertAnswer(string expected, WireResult with)
    {
        Assert.Equal(0, with.ExitCode);
        if (expected == "local")
        {
            Assert.Equal("200", with.Client[0]);
            Assert.Contains("| []", with.Client);
            Assert.Contains(with.Client, x => x.StartsWith("Last-Modified: ", StringComparison.OrdinalIgnoreCase));
        }
        else if (expected.StartsWith("coded ", StringComparison.Ordinal))
        {
            Assert.Contains(with.Client, x => x.Equals("Content-Encoding: " + expected[6..], StringComparison.OrdinalIgnoreCase));
            Assert.Contains(with.Client, x => x.StartsWith("| {\"user\"", StringComparison.Ordinal));
        }
        else
        {
            Assert.Equal(expected[7..], with.Client[0]);
        }
    }

    // Names are in lower case in HTTP/2, and framing is each version's own.
    private static string Expected(string difference, WireVariant variant)
    {
        if (variant == WireVariant.Http1Sized || difference is "nothing" or "")
        {
            return difference;
        }

        var lines = difference.Split('\n').Where(x => !s_framing.Any(y => x[2..].StartsWith(y, StringComparison.OrdinalIgnoreCase)));
        return string.Join('\n', variant is WireVariant.Http2 or WireVariant.Http2Gzip ? lines.Select(LowerName) : lines);
    }

    private static string LowerName(string line)
    {
        var colon = line.IndexOf(": ", StringComparison.Ordinal);
        return line[2] == '|' || colon < 0 || line.AsSpan(2, colon - 2).Contains(' ') ? line : line[..colon].ToLowerInvariant() + line[colon..];
    }

    /// <summary>One proxy and two origins for all rows.</summary>
    public sealed class Scene : IAsyncLifetime
    {
        internal WireScene Wire { get; private set; } = null!;

        public async ValueTask InitializeAsync() => Wire = await WireScene.StartAsync();

        public ValueTask DisposeAsync() => Wire.DisposeAsync();
    }
}

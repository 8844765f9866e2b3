using System.Security.Cryptography;
using System.Text;
using CsCheck;
using RelayCore.Protocols.Tls;
using Xunit;

namespace RelayCore.Protocols.Tests.Tls;

public sealed class FingerprintTests
{
    // Values computed from the same octets by a separate program in another language.
    [Theory]
    [InlineData("curl", "0149f47eabf9a20d0893e2a44e5a6323", "t13d3112h2_e8f1e7e78f70_b26ce05bbdd6")]
    [InlineData("openssl", "c216e752cae6f8755fd27f561d031636", "t13i310900_e8f1e7e78f70_1f22a2ca17c4")]
    [InlineData("openssl-tls12", "22558766122974704364c9c75c5cce0a", "t12d2808h1_d943125447b4_e7e480e5a997")]
    [InlineData("python", "d39e1be3241d516b1f714bd47c2bc968", "t13d311100_e8f1e7e78f70_d41ae481755e")]
    [InlineData("node", "1a28e69016765d92e3b381168d68922c", "t13d5911h2_a33745022dd6_1f22a2ca17c4")]
    [InlineData("chromium", "843048df3f627039304adb46f02068af", "t13d1517h2_8daaf6152771_cb7bf5808d99")]
    public void Fingerprints_RealClient_AreTheKnownOnes(string client, string ja3, string ja4)
    {
        var hello = ClientHelloReaderTests.Read(ClientHelloReaderTests.Hello(client));
        Assert.Equal((ja3, ja4), (Ja3.Hash(hello), Ja4.Compute(hello)));
    }

    [Fact]
    public void Compute_PublishedExample_GivesThePublishedFingerprint()
    {
        ushort[] ciphers = [0x4A4A, 0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8, 0xC013, 0xC014, 0x009C, 0x009D, 0x002F, 0x0035];
        ushort[] extensions = [0x1A1A, 0x001B, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002D, 0x000D, 0x0005, 0x0023, 0x0012, 0x002B, 0xFF01, 0x000B, 0x000A, 0xFAFA, 0x0015];
        ushort[] signatures = [0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601];
        var hello = ClientHelloReaderTests.Read(new HelloBuilder
        {
            Ciphers = HelloBuilder.Octets(ciphers),
            Extensions = [.. extensions.Select(e => (e, e switch
            {
                0x0000 => HelloBuilder.ServerName("example.com"),
                0x0010 => HelloBuilder.Protocols("h2", "http/1.1"),
                0x000D => HelloBuilder.Vector16(HelloBuilder.Octets(signatures)),
                0x002B => HelloBuilder.Vector8(HelloBuilder.Octets([0xFAFA, 0x0304, 0x0303])),
                0x000B => [1, 0],
                0x000A => [0, 2, 0, 29],
                _ => [],
            }))],
        }.Wire());
        Assert.Equal("t13d1516h2_8daaf6152771_e5627efa2ab1", Ja4.Compute(hello));
        Assert.Equal(
            "t13d1516h2_002f,0035,009c,009d,1301,1302,1303,c013,c014,c02b,c02c,c02f,c030,cca8,cca9_0005,000a,000b,000d,0012,0015,0017,001b,0023,002b,002d,0033,4469,ff01_0403,0804,0401,0503,0805,0501,0806,0601",
            Ja4.Raw(hello));
        Assert.StartsWith("q13d", Ja4.Compute(hello, 'q'), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("h2", "h2")]
    [InlineData("http/1.1", "h1")]
    [InlineData("x", "xx")]
    [InlineData("\u00AB", "ab")]
    [InlineData("\u00AB\u00CD", "ad")]
    [InlineData("0\u00AB", "3b")]
    [InlineData("01\u00AB\u00CD", "3d")]
    [InlineData("0\u00AB\u00CD1", "01")]
    public void Compute_PreferredProtocol_GivesItsEnds(string protocol, string expected) =>
        Assert.Equal($"t12i0101{expected}", Ja4.Compute(Hello(extensions: [(16, HelloBuilder.Protocols(protocol, "zz"))]))[..10]);

    [Theory]
    [InlineData(0x0304, "13")]
    [InlineData(0x0303, "12")]
    [InlineData(0x0302, "11")]
    [InlineData(0x0301, "10")]
    [InlineData(0x0300, "s3")]
    [InlineData(0x7F1C, "00")]
    public void Compute_Version_IsNamed(int version, string expected) =>
        Assert.Equal($"t{expected}i010000", Ja4.Compute(Hello((ushort)version, extensions: []))[..10]);

    [Fact]
    public void Compute_NoExtensionsOrOnlyGreaseCiphers_IsZeros()
    {
        var hello = Hello(ciphers: [0x0A0A], extensions: []);
        Assert.Equal("t12i000000_000000000000_000000000000", Ja4.Compute(hello));
        Assert.Equal("771,,,,", Ja3.Text(hello));
    }

    [Fact]
    public void Compute_MoreThan99Ciphers_SaysTheMost() =>
        Assert.Equal("t12i990000", Ja4.Compute(Hello(ciphers: [.. Enumerable.Range(0xC000, 120).Select(n => (ushort)n)], extensions: []))[..10]);

    [Fact]
    public void Fingerprints_AnyHello_AreThoseOfTheSlowReading()
    {
        // Half of the numbers are GREASE, so that leaving it out is what is tested.
        var number = Gen.Select(Gen.UShort, Gen.Int[0, 15], Gen.Bool, (any, grease, isGrease) => isGrease ? (ushort)((grease << 12) | 0x0A0A | (grease << 4)) : any);
        Gen.Select(number.Array[1, 30], number.Array[0, 30], number.Array[1, 9], number.Array[1, 9], Gen.Byte.Array[1, 4]).Sample((ciphers, extra, groups, signatures, formats) =>
        {
            List<(ushort, byte[])> extensions = [.. extra.Where(e => e > 50).Distinct().Select(e => (e, new byte[3]))];
            extensions.Insert(extensions.Count / 2, (0, HelloBuilder.ServerName("a.example")));
            extensions.Add((10, HelloBuilder.Vector16(HelloBuilder.Octets(groups))));
            extensions.Add((13, HelloBuilder.Vector16(HelloBuilder.Octets(signatures))));
            extensions.Add((11, HelloBuilder.Vector8(formats)));
            var hello = Hello(ciphers: ciphers, extensions: extensions);

            var numbers = extensions.Select(e => e.Item1).ToArray();
            var ja3 = string.Join(',', "771", Dashes(ciphers), Dashes(numbers), Dashes(groups), string.Join('-', formats));
            Assert.Equal(ja3, Ja3.Text(hello));

            var (b, c) = (Hex(Real(ciphers).Order()), Hex(Real(numbers).Where(n => n is not (0 or 16)).Order()));
            var s = Hex(Real(signatures));
            var a = $"t12d{Real(ciphers).Count():D2}{Real(numbers).Count():D2}00";
            Assert.Equal($"{a}_{Short(b)}_{Short(s.Length == 0 ? c : c + "_" + s)}", Ja4.Compute(hello));
        });

        static IEnumerable<ushort> Real(IEnumerable<ushort> values) => values.Where(v => $"{v:x4}" != $"{v >> 12:x}a{v >> 12:x}a");
        static string Dashes(IEnumerable<ushort> values) => string.Join('-', Real(values));
        static string Hex(IEnumerable<ushort> values) => string.Join(',', values.Select(v => $"{v:x4}"));
        static string Short(string text) =>
            text.Length == 0 ? new string('0', 12) : Convert.ToHexString(SHA256.HashData(Encoding.ASCII.GetBytes(text))).ToLowerInvariant()[..12];
    }

    private static ClientHello Hello(ushort version = 0x0303, ushort[]? ciphers = null, List<(ushort, byte[])>? extensions = null) =>
        ClientHelloReaderTests.Read(new HelloBuilder { Version = version, Ciphers = HelloBuilder.Octets(ciphers ?? [0x1301]), Extensions = extensions }.Wire());
}

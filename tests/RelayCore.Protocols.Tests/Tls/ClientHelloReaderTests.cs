using System.Buffers;
using System.Reflection;
using CsCheck;
using RelayCore.Protocols.Tls;
using Xunit;

namespace RelayCore.Protocols.Tests.Tls;

public sealed class ClientHelloReaderTests
{
    public static TheoryData<string> Clients => ["curl", "openssl", "openssl-tls12", "python", "node", "chromium"];

    [Theory]
    [MemberData(nameof(Clients))]
    public void TryRead_EveryPrefixOfARealHello_NeedsMoreDataUntilItsLastOctet(string client)
    {
        var wire = Hello(client);
        for (var length = 0; length < wire.Length; length++)
        {
            var status = ClientHelloReader.TryRead(wire.AsSpan(0, length), out var none, out var fault);
            Assert.Equal((OperationStatus.NeedMoreData, null, ClientHelloFault.None), (status, none, fault));
            Assert.Equal(length > 0, ClientHelloReader.LooksLikeTls(wire.AsSpan(0, length)));
        }

        Assert.Equal(wire.Length, Read(wire).WireOctets);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(7)]
    [InlineData(64)]
    [InlineData(511)]
    public void TryRead_MessageCutIntoRecords_ReadsTheSame(int fragmentOctets)
    {
        foreach (var client in Clients.Select(c => c.Data))
        {
            var wire = Hello(client);
            var cut = HelloBuilder.Records(wire[5..], fragmentOctets);
            for (var length = 0; length < cut.Length; length += fragmentOctets < 8 ? 1 : 13)
            {
                Assert.Equal(OperationStatus.NeedMoreData, ClientHelloReader.TryRead(cut.AsSpan(0, length), out _, out _));
            }

            AssertSame(Read(wire), Read(cut));
            Assert.Equal(cut.Length, Read(cut).WireOctets);
        }
    }

    [Fact]
    public void TryRead_MessageCutInTwoAnywhere_ReadsTheSame()
    {
        var wire = Hello("node");
        var message = wire[5..];
        for (var cut = 1; cut < message.Length; cut++)
        {
            byte[] two = [.. HelloBuilder.Records(message[..cut], cut), .. HelloBuilder.Records(message[cut..], message.Length)];
            AssertSame(Read(wire), Read(two));
        }
    }

    [Fact]
    public void TryRead_OctetsAfterTheMessage_LeavesThemOut()
    {
        var wire = Hello("curl");
        byte[] early = [.. wire, 20, 3, 3, 0, 1, 1, 23, 3, 3, 0, 2, 9, 9];
        Assert.Equal(wire.Length, Read(early).WireOctets);

        byte[] coalesced = [.. wire, 7, 7];
        coalesced[4] += 2; // the record goes on after the message
        Assert.Equal(wire.Length, Read(coalesced).WireOctets);
    }

    [Fact]
    public void TryRead_Chromium_SeesEverythingItSent()
    {
        var hello = Read(Hello("chromium"));
        Assert.Equal("www.example.com", hello.ServerName);
        Assert.True(hello.IsServerNameValid);
        Assert.Equal(["h2", "http/1.1"], hello.ApplicationProtocols);
        Assert.True(hello.HasGrease);
        Assert.True(hello.HasEncryptedClientHello);
        Assert.False(hello.HasEarlyData);
        Assert.Equal(0x0304, hello.HighestVersion);
        Assert.Equal((0x0301, 0x0303), (hello.RecordVersion, hello.LegacyVersion));
        Assert.Contains((ushort)0x11EC, hello.SupportedGroups); // X25519MLKEM768
        Assert.Equal([0], hello.EcPointFormats);
        Assert.Equal(19, hello.Extensions.Length);
        Assert.Equal(16, hello.CipherSuites.Length);
        Assert.True(hello.OffersProtocol("h2"));
        Assert.False(hello.OffersProtocol("H2"));
    }

    [Fact]
    public void TryRead_OpenSslWithoutServerName_HasNoneAndNoGrease()
    {
        var hello = Read(Hello("openssl"));
        Assert.Null(hello.ServerName);
        Assert.False(hello.IsServerNameValid);
        Assert.Empty(hello.ApplicationProtocols);
        Assert.False(hello.HasGrease || hello.HasEncryptedClientHello);
    }

    [Fact]
    public void TryRead_NoExtensionBlock_IsAnOldClient()
    {
        var hello = Read(new HelloBuilder { Version = 0x0301, Extensions = null }.Wire());
        Assert.Empty(hello.Extensions);
        Assert.Equal(0x0301, hello.HighestVersion);
    }

    public static TheoryData<string, ClientHelloFault, byte[]> Refusals => new()
    {
        { "RFC 8446 §5.1 not a record", ClientHelloFault.NotTls, "GET / HTTP/1.1\r\n"u8.ToArray() },
        { "RFC 8446 §5.1 SSL 2.0", ClientHelloFault.NotTls, [0x80, 0x2E, 0x01, 0x03, 0x01] },
        { "RFC 8446 §5.1 major version", ClientHelloFault.NotTls, [22, 2] },
        { "RFC 8446 §5.1 minor version", ClientHelloFault.NotTls, [22, 3, 5] },
        { "RFC 8446 §5.1 empty record", ClientHelloFault.BadRecordLength, [22, 3, 1, 0, 0] },
        { "RFC 8446 §5.1 record over 2^14", ClientHelloFault.BadRecordLength, [22, 3, 1, 0x40, 1] },
        { "RFC 8446 §4 ServerHello", ClientHelloFault.NotClientHello, [22, 3, 1, 0, 9, 2] },
        { "RFC 8446 §5.1 alert between", ClientHelloFault.InterleavedRecord, [22, 3, 1, 0, 1, 1, 21] },
        { "RFC 8446 §5.1 empty piece", ClientHelloFault.BadRecordLength, [22, 3, 1, 0, 1, 1, 22, 3, 1, 0, 0] },
        { "message over 64 KiB", ClientHelloFault.TooLarge, [22, 3, 1, 0x40, 0, 1, 0, 0xFF, 0xFC] },
        { "message of 16 MiB", ClientHelloFault.TooLarge, [22, 3, 1, 0, 4, 1, 0xFF, 0xFF, 0xFF] },
        { "RFC 8446 §4.1.2 too short", ClientHelloFault.BadLength, [22, 3, 1, 0, 5, 1, 0, 0, 1, 3] },
        { "RFC 8446 §4.1.2 session id", ClientHelloFault.BadSessionId, new HelloBuilder { SessionId = new byte[33] }.Wire() },
        { "RFC 8446 §4.1.2 no ciphers", ClientHelloFault.BadCipherSuites, new HelloBuilder { Ciphers = [] }.Wire() },
        { "RFC 8446 §4.1.2 odd ciphers", ClientHelloFault.BadCipherSuites, new HelloBuilder { Ciphers = [1, 2, 3] }.Wire() },
        { "RFC 8446 §4.1.2 compression", ClientHelloFault.BadCompressionMethods, new HelloBuilder { Compression = [] }.Wire() },
        { "RFC 8446 §4.1.2 left over", ClientHelloFault.BadLength, new HelloBuilder { Surplus = [0] }.Wire() },
        { "RFC 8446 §4.1.2 half a block", ClientHelloFault.BadLength, new HelloBuilder { Extensions = null, Surplus = [0] }.Wire() },
        { "RFC 8446 §4.2 half an extension", ClientHelloFault.BadLength, new HelloBuilder { Extensions = null, Surplus = [0, 3, 0, 1, 0] }.Wire() },
        { "RFC 8446 §4.2 twice", ClientHelloFault.DuplicateExtension, With((0x4469, []), (1, []), (0x4469, [])) },
        { "RFC 6066 §3 empty", ClientHelloFault.BadServerName, With((0, [])) },
        { "RFC 6066 §3 empty list", ClientHelloFault.BadServerName, With((0, [0, 0])) },
        { "RFC 6066 §3 empty name", ClientHelloFault.BadServerName, With((0, HelloBuilder.ServerName(""))) },
        { "RFC 6066 §3 two names", ClientHelloFault.BadServerName, With((0, [0, 8, 0, 0, 1, 65, 0, 0, 1, 66])) },
        { "RFC 6066 §3 name too long", ClientHelloFault.BadServerName, With((0, [0, 4, 0, 0, 2, 65])) },
        { "RFC 6066 §3 left over", ClientHelloFault.BadServerName, With((0, [.. HelloBuilder.ServerName("a"), 0])) },
        { "RFC 7301 §3.1 empty", ClientHelloFault.BadApplicationProtocols, With((16, [0, 0])) },
        { "RFC 7301 §3.1 empty name", ClientHelloFault.BadApplicationProtocols, With((16, HelloBuilder.Protocols("h2", ""))) },
        { "RFC 7301 §3.1 left over", ClientHelloFault.BadApplicationProtocols, With((16, [.. HelloBuilder.Protocols("h2"), 0])) },
        { "RFC 8446 §4.2.1 odd", ClientHelloFault.BadSupportedVersions, With((43, [3, 3, 4, 3])) },
        { "RFC 8446 §4.2.7 empty", ClientHelloFault.BadSupportedGroups, With((10, [0, 0])) },
        { "RFC 8446 §4.2.3 short", ClientHelloFault.BadSignatureAlgorithms, With((13, [0, 4, 4, 3])) },
        { "RFC 8422 §5.1.2 empty", ClientHelloFault.BadPointFormats, With((11, [0])) },
    };

    [Theory]
    [MemberData(nameof(Refusals))]
    public void TryRead_BrokenRule_NamesTheFault(string clause, ClientHelloFault expected, byte[] wire)
    {
        var status = ClientHelloReader.TryRead(wire, out var hello, out var fault);
        Assert.True((status, fault, hello) == (OperationStatus.InvalidData, expected, null), $"{clause}: {status} {fault}");
    }

    [Fact]
    public void TryRead_LargestMessage_IsReadAndOneOctetMoreIsRefused()
    {
        var headers = 4 * 5; // 65516 octets of message need four records
        var padding = ClientHelloReader.MaxOctets - headers - With((21, [])).Length + 5;
        var largest = With((21, new byte[padding]));
        Assert.Equal(ClientHelloReader.MaxOctets, largest.Length);
        Assert.Equal(ClientHelloReader.MaxOctets, Read(largest).WireOctets);

        var larger = With((21, new byte[padding + 1]));
        Assert.Equal(OperationStatus.InvalidData, ClientHelloReader.TryRead(larger, out _, out var fault));
        Assert.Equal(ClientHelloFault.TooLarge, fault);
    }

    [Fact]
    public void TryRead_EndlessTinyRecords_IsRefusedAtTheLimit()
    {
        var tiny = HelloBuilder.Records(new HelloBuilder { Extensions = [(21, new byte[40_000])] }.Message(), 1);
        Assert.Equal(OperationStatus.NeedMoreData, ClientHelloReader.TryRead(tiny.AsSpan(0, 20_000), out _, out _));
        Assert.Equal(OperationStatus.InvalidData, ClientHelloReader.TryRead(tiny.AsSpan(0, ClientHelloReader.MaxOctets), out _, out var fault));
        Assert.Equal(ClientHelloFault.TooLarge, fault);
    }

    [Fact]
    public void TryRead_NotDone_AllocatesNothing()
    {
        var wire = Hello("chromium");
        var cut = HelloBuilder.Records(wire[5..], 100);
        Prefixes(wire, cut);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Prefixes(wire, cut);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        static void Prefixes(byte[] whole, byte[] pieces)
        {
            for (var length = 0; length < whole.Length; length++)
            {
                _ = ClientHelloReader.TryRead(whole.AsSpan(0, length), out _, out _);
                _ = ClientHelloReader.TryRead(pieces.AsSpan(0, length), out _, out _);
            }
        }
    }

    [Theory]
    [InlineData("example.com", true)]
    [InlineData("a", true)]
    [InlineData("_dmarc.xn--bcher-kva.example", true)]
    [InlineData("UPPER.Example", true)]
    [InlineData("1.2.3.4", false)]
    [InlineData("::1", false)]
    [InlineData("example.com.", false)]
    [InlineData(".example.com", false)]
    [InlineData("a..b", false)]
    [InlineData("-a.example", false)]
    [InlineData("a-.example", false)]
    [InlineData("a b", false)]
    [InlineData("a/b", false)]
    [InlineData("a\0b", false)]
    [InlineData("b\u00FCcher.example", false)]
    public void IsServerNameValid_Name_IsJudgedAsAHostName(string name, bool expected)
    {
        var hello = Read(With((0, HelloBuilder.ServerName(name))));
        Assert.Equal((name, expected), (hello.ServerName, hello.IsServerNameValid));
    }

    [Fact]
    public void IsServerNameValid_Lengths_AreThoseOfDns()
    {
        static bool IsValid(string name) => Read(With((0, HelloBuilder.ServerName(name)))).IsServerNameValid;
        var label = new string('a', 63);
        Assert.True(IsValid(label + ".example"));
        Assert.False(IsValid(label + "a.example"));
        Assert.True(IsValid($"{label}.{label}.{label}.{label[..61]}"));
        Assert.False(IsValid($"{label}.{label}.{label}.{label[..62]}"));
    }

    [Theory]
    [InlineData(new byte[] { 22 }, true)]
    [InlineData(new byte[] { 22, 3 }, true)]
    [InlineData(new byte[] { 22, 3, 1, 2, 0, 1 }, true)]
    [InlineData(new byte[] { }, false)]
    [InlineData(new byte[] { 21, 3, 1 }, false)]
    [InlineData(new byte[] { 22, 3, 9 }, false)]
    [InlineData(new byte[] { 22, 3, 1, 2, 0, 2 }, false)]
    [InlineData(new byte[] { 22, 3, 1, 0xFF, 0xFF }, false)]
    public void LooksLikeTls_FirstOctets_AreJudgedAsFarAsTheyReach(byte[] octets, bool expected) =>
        Assert.Equal(expected, ClientHelloReader.LooksLikeTls(octets));

    [Fact]
    public void TryRead_WhatWasBuilt_ComesBack()
    {
        var numbers = Gen.UShort.Array[1, 40];
        var name = Gen.Char['a', 'z'].Array[1, 60].Select(c => new string(c));
        var protocols = Gen.Byte.Array[1, 20].Array[1, 5];
        var others = Gen.Select(Gen.UShort[100, 65000], Gen.Byte.Array[0, 300]).Array[0, 12];
        Gen.Select(numbers, numbers, numbers, name, protocols, others, Gen.Int[1, 400], Gen.Bool).Sample((ciphers, groups, signatures, host, alpn, rest, fragment, atEnd) =>
        {
            List<(ushort, byte[])> extensions =
            [
                (0, HelloBuilder.ServerName(host)),
                (10, HelloBuilder.Vector16(HelloBuilder.Octets(groups))),
                (13, HelloBuilder.Vector16(HelloBuilder.Octets(signatures))),
                (16, HelloBuilder.Vector16([.. alpn.SelectMany(HelloBuilder.Vector8)])),
                (43, HelloBuilder.Vector8(HelloBuilder.Octets(groups))),
                (11, HelloBuilder.Vector8(alpn[0])),
            ];
            extensions.InsertRange(atEnd ? extensions.Count : 0, rest.DistinctBy(r => r.Item1).Select(r => (r.Item1, r.Item2)));
            var hello = Read(new HelloBuilder { Ciphers = HelloBuilder.Octets(ciphers), Extensions = extensions }.Wire(fragment));
            Assert.Equal(ciphers, hello.CipherSuites);
            Assert.Equal(groups, hello.SupportedGroups);
            Assert.Equal(groups, hello.SupportedVersions);
            Assert.Equal(signatures, hello.SignatureAlgorithms);
            Assert.Equal(alpn[0], hello.EcPointFormats);
            Assert.Equal(host, hello.ServerName);
            Assert.Equal(alpn.Select(System.Text.Encoding.Latin1.GetString), hello.ApplicationProtocols);
            Assert.Equal(extensions.Select(e => e.Item1), hello.Extensions);
        });
    }

    [Fact]
    public void TryRead_RealHelloWithOctetsChanged_NeverThrows()
    {
        var wire = Hello("chromium");
        Gen.Select(Gen.Int[0, wire.Length - 1], Gen.Byte).Array[1, 8].Sample(changes =>
        {
            var broken = (byte[])wire.Clone();
            foreach (var (offset, value) in changes)
            {
                broken[offset] = value;
            }

            var status = ClientHelloReader.TryRead(broken, out var hello, out var fault);
            Assert.Equal(status == OperationStatus.Done, hello is not null);
            Assert.Equal(status == OperationStatus.InvalidData, fault != ClientHelloFault.None);
            if (hello is not null)
            {
                Assert.Equal(36, Ja4.Compute(hello).Length);
                Assert.Equal(32, Ja3.Hash(hello).Length);
            }
        });
    }

    internal static byte[] Hello(string client)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(client + ".hex")!;
        using var reader = new StreamReader(stream);
        return Convert.FromHexString(reader.ReadToEnd().Trim());
    }

    internal static ClientHello Read(byte[] wire)
    {
        var status = ClientHelloReader.TryRead(wire, out var hello, out var fault);
        Assert.True(status == OperationStatus.Done, $"{status} {fault}");
        return hello!;
    }

    private static byte[] With(params (ushort, byte[])[] extensions) => new HelloBuilder { Extensions = [.. extensions] }.Wire();

    private static void AssertSame(ClientHello expected, ClientHello actual)
    {
        Assert.Equal(Ja4.Raw(expected), Ja4.Raw(actual));
        Assert.Equal(Ja3.Text(expected), Ja3.Text(actual));
        Assert.Equal(expected.Extensions, actual.Extensions);
        Assert.Equal(expected.CipherSuites, actual.CipherSuites);
        Assert.Equal(expected.ServerName, actual.ServerName);
        Assert.Equal(expected.ApplicationProtocols, actual.ApplicationProtocols);
        Assert.Equal(expected.SupportedVersions, actual.SupportedVersions);
    }
}

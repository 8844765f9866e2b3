using System.Buffers;
using RelayCore.Fuzz.Oracles;
using RelayCore.Protocols.Tls;

namespace RelayCore.Fuzz;

/// <summary>The first flight of TLS clients: read whole, as every kind of prefix, and cut into other records. The first octet chooses the cuts.</summary>
internal sealed class ClientHelloTarget : IFuzzTarget
{
    public string Name => "client-hello";

    public void Run(ReadOnlySpan<byte> input)
    {
        if (input.IsEmpty)
        {
            return;
        }

        var random = new Random(input[0]);
        var wire = input[1..].ToArray();
        var status = ClientHelloReader.TryRead(wire, out var hello, out var fault);
        var expected = HelloOracle.Read(wire);
        FindingException.ThrowIfDifferent(expected, Describe(status, hello), $"ClientHello ({fault})");
        ComparePrefix(wire, random.Next(wire.Length + 1), status, hello, fault);
        if (hello is null)
        {
            return;
        }

        // What is shown and fingerprinted is computed from the peer's octets too.
        FindingException.ThrowIfDifferent((32, 36), (Ja3.Hash(hello).Length, Ja4.Compute(hello).Length), "lengths of the fingerprints");
        _ = (hello.IsServerNameValid, hello.HasGrease, hello.HighestVersion);
        FindingException.ThrowIfDifferent(true, ClientHelloReader.LooksLikeTls(wire), "looks like TLS");

        var cut = Cut(wire, random);
        if (cut.Length < ClientHelloReader.MaxOctets)
        {
            var again = ClientHelloReader.TryRead(cut, out var same, out _);
            FindingException.ThrowIfDifferent(WithoutExtent(expected), WithoutExtent(Describe(again, same)), "ClientHello in other records");
        }
    }

    private static void ComparePrefix(byte[] wire, int length, OperationStatus status, ClientHello? hello, ClientHelloFault fault)
    {
        var prefix = ClientHelloReader.TryRead(wire.AsSpan(0, length), out _, out var prefixFault);
        var enough = hello is not null && length >= hello.WireOctets;
        var agrees = prefix == OperationStatus.InvalidData ? status == prefix && fault == prefixFault
            : prefix == OperationStatus.NeedMoreData ? !enough
            : enough;
        FindingException.ThrowIfDifferent(true, agrees, $"prefix of {length} octets ({prefix} {prefixFault}, whole {status} {fault})");
    }

    private static byte[] Cut(byte[] wire, Random random)
    {
        var message = new List<byte>();
        for (var at = 0; at + 5 <= wire.Length;)
        {
            var length = (wire[at + 3] << 8) | wire[at + 4];
            message.AddRange(wire.AsSpan(at + 5, Math.Min(length, wire.Length - at - 5)));
            at += 5 + length;
            if (message.Count >= 4 && message.Count >= 4 + ((message[1] << 16) | (message[2] << 8) | message[3]))
            {
                break;
            }
        }

        var cut = new List<byte>();
        for (var at = 0; at < message.Count;)
        {
            var length = Math.Min(message.Count - at, random.Next(1, random.Next(2, 200)));
            cut.AddRange([22, 3, 1, (byte)(length >> 8), (byte)length, .. message.GetRange(at, length)]);
            at += length;
        }

        return [.. cut];
    }

    private static string WithoutExtent(string description) => description[(description.IndexOf(';', StringComparison.Ordinal) + 1)..];

    private static string Describe(OperationStatus status, ClientHello? hello) => hello is null
        ? status == OperationStatus.NeedMoreData ? "more" : "refuse"
        : FormattableString.Invariant($"wire {hello.WireOctets}, record {hello.RecordVersion}; ") + HelloOracle.Describe(
            hello.LegacyVersion, hello.CipherSuites, hello.Extensions, hello.SupportedVersions, hello.SupportedGroups, hello.EcPointFormats,
            hello.SignatureAlgorithms, hello.ApplicationProtocols, hello.ServerName);
}

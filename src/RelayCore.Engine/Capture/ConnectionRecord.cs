using System.Net;
using RelayCore.Core.Connections;

namespace RelayCore.Engine.Capture;

/// <summary>Writes and reads the facts of a connection. They stand once in each slab that has a flow of the connection.</summary>
internal static class ConnectionRecord
{
    // A peer chooses these; the rest is ours.
    private const int MaxItems = 128;
    private const int MaxText = 1024;

    public static void Write(ref RecordWriter writer, ConnectionFacts connection)
    {
        writer.Number((ulong)connection.Id);
        writer.Text(Format(connection.LocalEndPoint));
        writer.Text(Format(connection.RemoteEndPoint));
        WriteTls(ref writer, connection.Tls);
        WriteHttp2(ref writer, connection.Http2);
        switch (connection)
        {
            case ClientConnection client:
                writer.Text(Format(client.Listener));
                writer.Text(client.TunnelAuthority);
                break;
            case ServerConnection server:
                writer.Text(server.Host);
                writer.Number((ulong)server.Port);
                writer.Text(server.Via);
                writer.OptionalNumber(server.ResolveMicroseconds);
                writer.OptionalNumber(server.ConnectMicroseconds);
                writer.OptionalNumber(server.TlsMicroseconds);
                writer.Octet(server.IsUnverified ? (byte)1 : (byte)0);
                break;
        }
    }

    public static ClientRecord ReadClient(ReadOnlySpan<byte> facts)
    {
        var reader = new RecordReader(facts);
        var (id, local, remote, tls, http2) = ReadCommon(ref reader);
        return new(id, local, remote, tls, http2, reader.Text(), reader.Text());
    }

    public static ServerRecord ReadServer(ReadOnlySpan<byte> facts)
    {
        var reader = new RecordReader(facts);
        var (id, local, remote, tls, http2) = ReadCommon(ref reader);
        return new(
            id, local, remote, tls, http2, reader.Text() ?? "", (int)reader.Number(), reader.Text(),
            reader.OptionalNumber(), reader.OptionalNumber(), reader.OptionalNumber(), reader.Octet() != 0);
    }

    private static (long Id, string? Local, string? Remote, TlsFacts? Tls, Http2Facts? Http2) ReadCommon(ref RecordReader reader) =>
        ((long)reader.Number(), reader.Text(), reader.Text(), ReadTls(ref reader), ReadHttp2(ref reader));

    private static void WriteHttp2(ref RecordWriter writer, Http2Facts? facts)
    {
        writer.Octet(facts is null ? (byte)0 : (byte)1);
        if (facts is not null)
        {
            writer.Text(Cut(facts.Settings));
            writer.Number((ulong)facts.WindowUpdate);
            writer.Text(Cut(facts.Priority));
            writer.Text(Cut(facts.PseudoFields));
        }
    }

    private static Http2Facts? ReadHttp2(ref RecordReader reader) => reader.Octet() == 0 ? null : new()
    {
        Settings = reader.Text() ?? "",
        WindowUpdate = (long)reader.Number(),
        Priority = reader.Text() ?? "",
        PseudoFields = reader.Text() ?? "",
    };

    private static void WriteTls(ref RecordWriter writer, TlsFacts? tls)
    {
        writer.Octet(tls is null ? (byte)0 : (byte)1);
        if (tls is null)
        {
            return;
        }

        writer.Text(tls.Version);
        writer.Text(tls.CipherSuite);
        writer.Text(Cut(tls.ApplicationProtocol));
        writer.Text(Cut(tls.ServerName));
        WriteTexts(ref writer, tls.OfferedProtocols);
        WriteTexts(ref writer, tls.OfferedVersions);
        var suites = Math.Min(tls.OfferedCipherSuites.Count, 2 * MaxItems);
        writer.Number((ulong)suites);
        for (var i = 0; i < suites; i++)
        {
            writer.Octet((byte)(tls.OfferedCipherSuites[i] >> 8));
            writer.Octet((byte)tls.OfferedCipherSuites[i]);
        }

        writer.Text(tls.Ja3);
        writer.Text(tls.Ja4);
        writer.Octet(tls.HasEncryptedClientHello ? (byte)1 : (byte)0);
        writer.Octet(tls.IsResumed switch { null => 0, false => 1, true => 2 });
        WriteTexts(ref writer, tls.PeerCertificates);
        writer.Text(tls.PeerFingerprint);
    }

    private static TlsFacts? ReadTls(ref RecordReader reader)
    {
        if (reader.Octet() == 0)
        {
            return null;
        }

        var (version, cipher, protocol, name) = (reader.Text(), reader.Text(), reader.Text(), reader.Text());
        var (protocols, versions) = (reader.Texts(), reader.Texts());
        var suites = new ushort[(int)reader.Number()];
        for (var i = 0; i < suites.Length; i++)
        {
            suites[i] = (ushort)((reader.Octet() << 8) | reader.Octet());
        }

        return new()
        {
            Version = version,
            CipherSuite = cipher,
            ApplicationProtocol = protocol,
            ServerName = name,
            OfferedProtocols = protocols,
            OfferedVersions = versions,
            OfferedCipherSuites = suites,
            Ja3 = reader.Text(),
            Ja4 = reader.Text(),
            HasEncryptedClientHello = reader.Octet() != 0,
            IsResumed = reader.Octet() switch { 1 => false, 2 => true, _ => null },
            PeerCertificates = reader.Texts(),
            PeerFingerprint = reader.Text(),
        };
    }

    private static void WriteTexts(ref RecordWriter writer, IReadOnlyList<string> values)
    {
        var count = Math.Min(values.Count, MaxItems);
        writer.Number((ulong)count);
        for (var i = 0; i < count; i++)
        {
            writer.Text(Cut(values[i]));
        }
    }

    private static string? Cut(string? value) => value is { Length: > MaxText } ? value[..MaxText] : value;

    // A dual-mode socket shows IPv4 peers as ::ffff:a.b.c.d, which nobody searches for.
    private static string? Format(EndPoint? endPoint) => endPoint switch
    {
        null => null,
        IPEndPoint { Address.IsIPv4MappedToIPv6: true } ip => new IPEndPoint(ip.Address.MapToIPv4(), ip.Port).ToString(),
        _ => endPoint.ToString(),
    };
}

/// <summary>Stored facts of a client's connection.</summary>
internal sealed record ClientRecord(
    long Id, string? Local, string? Remote, TlsFacts? Tls, Http2Facts? Http2, string? Listener, string? TunnelAuthority);

/// <summary>Stored facts of a server's connection; times in microseconds, -1 unknown.</summary>
internal sealed record ServerRecord(
    long Id, string? Local, string? Remote, TlsFacts? Tls, Http2Facts? Http2, string Host, int Port, string? Via,
    long Resolve, long Connect, long Handshake, bool IsUnverified);

using System.Buffers;
using System.Text.Json;

namespace RelayCore.Cli.Run;

/// <summary>What a program that started us waits for: one JSON object on one line, once every listener is bound.</summary>
/// <param name="Proxy">Addresses of the proxy, <c>host:port</c>.</param>
/// <param name="Api">URL of the control API; <see langword="null"/> without one.</param>
/// <param name="ApiToken">Its bearer token.</param>
/// <param name="CaCertificate">Path of the CA certificate.</param>
/// <param name="ProcessId">Our process.</param>
/// <param name="DataDirectory">The data directory.</param>
internal sealed record ReadyLine(IReadOnlyList<string> Proxy, string? Api, string? ApiToken, string CaCertificate, int ProcessId, string DataDirectory)
{
    /// <summary>The object and a line feed, UTF-8.</summary>
    public byte[] ToUtf8()
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("event"u8, "ready"u8);
            json.WriteStartArray("proxy"u8);
            foreach (var address in Proxy)
            {
                json.WriteStringValue(address);
            }

            json.WriteEndArray();
            json.WriteString("api"u8, Api);
            json.WriteString("api_token"u8, ApiToken);
            json.WriteString("ca_cert"u8, CaCertificate);
            json.WriteNumber("pid"u8, ProcessId);
            json.WriteString("data_dir"u8, DataDirectory);
            json.WriteEndObject();
        }

        buffer.Write("\n"u8);
        return buffer.WrittenSpan.ToArray();
    }
}

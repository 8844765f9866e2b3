using System.Text;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.WebSockets;
using Xunit;

namespace RelayCore.Protocols.Tests.WebSockets;

public sealed class WebSocketHandshakeTests
{
    private const string Request = "Connection: keep-alive, Upgrade|Upgrade: WebSocket|Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==|Sec-WebSocket-Version: 13";
    private const string Response = "Upgrade: websocket|Connection: upgrade|Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    [Fact]
    public void WriteAccept_ExampleOfTheRfc_IsItsAnswer()
    {
        var accept = new byte[WebSocketHandshake.AcceptOctets];
        WebSocketHandshake.WriteAccept("dGhlIHNhbXBsZSBub25jZQ=="u8, accept);
        Assert.Equal("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", Encoding.ASCII.GetString(accept));
    }

    [Theory]
    [InlineData("GET", 1, Request, WebSocketHandshakeFault.None)]
    [InlineData("GET", 1, Request + "|Sec-WebSocket-Protocol: a, b|Sec-WebSocket-Protocol: c", WebSocketHandshakeFault.None)]
    [InlineData("POST", 1, Request, WebSocketHandshakeFault.MethodOrVersion)]
    [InlineData("GET", 0, Request, WebSocketHandshakeFault.MethodOrVersion)]
    [InlineData("GET", 1, "Upgrade: websocket|Sec-WebSocket-Version: 13", WebSocketHandshakeFault.Key)]
    [InlineData("GET", 1, Request + "|Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", WebSocketHandshakeFault.Key)]
    [InlineData("GET", 1, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ|Sec-WebSocket-Version: 13", WebSocketHandshakeFault.Key)]
    [InlineData("GET", 1, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j!Q==|Sec-WebSocket-Version: 13", WebSocketHandshakeFault.Key)]
    [InlineData("GET", 1, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZWVl|Sec-WebSocket-Version: 13", WebSocketHandshakeFault.Key)]
    [InlineData("GET", 1, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==|Sec-WebSocket-Version: 8", WebSocketHandshakeFault.Version)]
    [InlineData("GET", 1, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", WebSocketHandshakeFault.Version)]
    [InlineData("GET", 1, Request + "|Sec-WebSocket-Protocol: a, a", WebSocketHandshakeFault.RequestProtocol)]
    [InlineData("GET", 1, Request + "|Sec-WebSocket-Protocol: a b", WebSocketHandshakeFault.RequestProtocol)]
    [InlineData("GET", 1, Request + "|Sec-WebSocket-Protocol: ", WebSocketHandshakeFault.RequestProtocol)]
    [InlineData("GET", 1, Request + "|Sec-WebSocket-Extensions: ; x", WebSocketHandshakeFault.RequestExtensions)]
    public void CheckRequest_Fields_NamesTheFault(string method, int minor, string fields, WebSocketHandshakeFault expected) =>
        Assert.Equal(expected, WebSocketHandshake.CheckRequest(Encoding.ASCII.GetBytes(method), minor, Fields(fields)));

    [Theory]
    [InlineData("", "", WebSocketHandshakeFault.None)]
    [InlineData("|Sec-WebSocket-Protocol: a, b", "|Sec-WebSocket-Protocol: b", WebSocketHandshakeFault.None)]
    [InlineData("|Sec-WebSocket-Protocol: a, b", "|Sec-WebSocket-Protocol: B", WebSocketHandshakeFault.ResponseProtocol)]
    [InlineData("|Sec-WebSocket-Protocol: a, b", "|Sec-WebSocket-Protocol: a|Sec-WebSocket-Protocol: b", WebSocketHandshakeFault.ResponseProtocol)]
    [InlineData("", "|Sec-WebSocket-Protocol: a", WebSocketHandshakeFault.ResponseProtocol)]
    [InlineData("", "|Sec-WebSocket-Extensions: permessage-deflate", WebSocketHandshakeFault.ResponseExtensions)]
    [InlineData("|Sec-WebSocket-Extensions: permessage-deflate", "|Sec-WebSocket-Extensions: permessage-deflate", WebSocketHandshakeFault.None)]
    [InlineData("|Sec-WebSocket-Extensions: permessage-deflate", "|Sec-WebSocket-Extensions: permessage-deflate, permessage-deflate", WebSocketHandshakeFault.ResponseExtensions)]
    [InlineData("|Sec-WebSocket-Extensions: permessage-deflate", "|Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=10", WebSocketHandshakeFault.ResponseExtensions)]
    [InlineData("|Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits", "|Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=10", WebSocketHandshakeFault.None)]
    [InlineData("|Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits", "|Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits", WebSocketHandshakeFault.ResponseExtensions)]
    [InlineData("|Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10", "|Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=11", WebSocketHandshakeFault.ResponseExtensions)]
    [InlineData("|Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover", "|Sec-WebSocket-Extensions: permessage-deflate", WebSocketHandshakeFault.ResponseExtensions)]
    [InlineData("|Sec-WebSocket-Extensions: x-own", "|Sec-WebSocket-Extensions: x-own; a=1", WebSocketHandshakeFault.None)]
    [InlineData("|Sec-WebSocket-Extensions: x-own", "|Sec-WebSocket-Extensions: x-other", WebSocketHandshakeFault.ResponseExtensions)]
    public void CheckResponse_Agreement_NamesTheFault(string offered, string agreed, WebSocketHandshakeFault expected) =>
        Assert.Equal(expected, WebSocketHandshake.CheckResponse(Fields(Request + offered), Fields(Response + agreed)));

    [Theory]
    [InlineData("Upgrade: websocket|Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", WebSocketHandshakeFault.ResponseUpgrade)]
    [InlineData("Upgrade: foo|Connection: Upgrade|Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", WebSocketHandshakeFault.ResponseUpgrade)]
    [InlineData("Upgrade: websocket|Connection: Upgrade", WebSocketHandshakeFault.Accept)]
    [InlineData("Upgrade: websocket|Connection: Upgrade|Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo=", WebSocketHandshakeFault.Accept)]
    public void CheckResponse_BrokenHandshake_NamesTheFault(string response, WebSocketHandshakeFault expected) =>
        Assert.Equal(expected, WebSocketHandshake.CheckResponse(Fields(Request), Fields(response)));

    internal static FieldSection Fields(string lines)
    {
        var fields = new FieldSection();
        foreach (var line in lines.Split('|'))
        {
            var colon = line.IndexOf(':', StringComparison.Ordinal);
            fields.Add(line[..colon], line[(colon + 1)..].Trim());
        }

        return fields;
    }
}

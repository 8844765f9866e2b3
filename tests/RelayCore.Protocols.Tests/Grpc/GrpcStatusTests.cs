using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Grpc;
using RelayCore.Protocols.Tests.Http1;
using Xunit;

namespace RelayCore.Protocols.Tests.Grpc;

public sealed class GrpcStatusTests
{
    [Theory]
    [InlineData("grpc-status: 0\r\n", 0, null)]
    [InlineData("grpc-status:5\r\ngrpc-message:not%20found %E2%82%AC\r\n", 5, "not found €")]
    [InlineData("Grpc-Message: 100%\nGRPC-STATUS: 13\n", 13, "100%")]
    [InlineData("grpc-message: %zz%4\r\ngrpc-status: 99", 99, "%zz%4")]
    public void TryParse_TrailerFrame_HasStatusAndMessage(string trailers, int code, string? message)
    {
        Assert.True(GrpcStatus.TryParse(Heads.Octets(trailers), out var status));
        Assert.Equal(new(code, message), status);
    }

    [Theory]
    [InlineData("")]
    [InlineData("grpc-status: x\r\n")]
    [InlineData("grpc-status: -1\r\n")]
    [InlineData("grpc-message: a\r\n")]
    public void TryParse_NoStatus_IsNone(string trailers) => Assert.False(GrpcStatus.TryParse(Heads.Octets(trailers), out _));

    [Fact]
    public void TryFind_Fields_AreRead()
    {
        var fields = new FieldSection();
        Assert.False(GrpcStatus.TryFind(fields, out _));
        fields.Add("grpc-status", "14");
        fields.Add("grpc-message", "try%20later");
        Assert.True(GrpcStatus.TryFind(fields, out var status));
        Assert.Equal((new GrpcStatus(14, "try later"), "UNAVAILABLE", ""), (status, GrpcStatus.NameOf(status.Code), GrpcStatus.NameOf(17)));
    }
}

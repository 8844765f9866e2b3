using RelayCore.Protocols.Http1;
using Xunit;

namespace RelayCore.Protocols.Tests.Http1;

public sealed class HostFieldTests
{
    [Theory]
    [InlineData("Host: a:8\r\n", 1, RequestTargetForm.Origin, 1, Http1Fault.None)]
    [InlineData("", 0, RequestTargetForm.Origin, -1, Http1Fault.None)]
    [InlineData("", 1, RequestTargetForm.Absolute, -1, Http1Fault.MissingHost)]
    [InlineData("Host:\r\n", 1, RequestTargetForm.Absolute, 1, Http1Fault.None)]
    [InlineData("Host:\r\n", 1, RequestTargetForm.Authority, 1, Http1Fault.None)]
    [InlineData("Host:\r\n", 0, RequestTargetForm.Origin, 1, Http1Fault.InvalidHost)]
    [InlineData("Host: a\r\nhost: b\r\n", 0, RequestTargetForm.Absolute, 1, Http1Fault.DuplicateHost)]
    [InlineData("Host: a b\r\n", 1, RequestTargetForm.Absolute, 1, Http1Fault.InvalidHost)]
    public void Check_Host_FollowsRfc9112(string lines, int minorVersion, RequestTargetForm form, int line, Http1Fault expected)
    {
        var fields = Heads.Request("GET / HTTP/1.1\r\nX: 1\r\n" + lines + "\r\n").Fields;
        var fault = HostField.Check(fields, minorVersion, form, out var index, out var authority);
        Assert.Equal((expected, line), (fault, index));
        Assert.True(!lines.StartsWith("Host: a:8", StringComparison.Ordinal) || authority == new Authority(0, 1, 8, false));
    }
}

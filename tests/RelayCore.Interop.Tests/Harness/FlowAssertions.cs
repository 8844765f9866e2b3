using RelayCore.Core.Flows;

namespace RelayCore.Interop.Tests.Harness;

/// <summary>Short ways to what a captured flow says.</summary>
internal static class FlowAssertions
{
    public static HttpLayer Http(this Flow flow) => Assert.IsType<FlowLayer.Http>(flow.Layer).Data;

    public static TcpLayer Tcp(this Flow flow) => Assert.IsType<FlowLayer.Tcp>(flow.Layer).Data;

    /// <summary>A completed exchange with this outcome and nothing wrong.</summary>
    public static HttpLayer Completed(this Flow flow, string method, string url, int status)
    {
        var http = flow.Http();
        Assert.Null(http.Error);
        Assert.Equal((method, url, status), (http.Request!.Method, http.Request.Url, http.Response?.Status ?? 0));
        Assert.Equal("completed", flow.CloseReason!.Reason);
        Assert.False(flow.Truncated);
        return http;
    }

    /// <summary>Both sides spoke these versions of HTTP, on a stream of their own where there are streams.</summary>
    /// <param name="flow">An exchange with a response of its server.</param>
    /// <param name="client">Major version of the client.</param>
    /// <param name="server">Major version of the server.</param>
    public static void Spoke(this Flow flow, int client, int server)
    {
        var http = flow.Http();
        Assert.Equal((client == 2 ? "HTTP/2" : "HTTP/1.1", server == 2 ? "HTTP/2" : "HTTP/1.1"), (http.Request!.Version, http.Response!.Version));
        Assert.Equal((client == 2, server == 2), (flow.StreamId is > 0, flow.ServerStreamId is > 0));
        Assert.Equal((client == 2, server == 2), (flow.Connection.Client.Http2 is not null, flow.Connection.Server!.Http2 is not null));
    }

    public static FlowError Failed(this Flow flow, string code)
    {
        var error = flow.Layer switch
        {
            FlowLayer.Http http => http.Data.Error,
            FlowLayer.Tcp tcp => tcp.Data.Error,
            _ => null,
        };
        Assert.True(error?.Code == code, $"expected {code}; the flow says {error?.Code ?? "nothing"}: {error?.Detail}");
        return error!;
    }

    public static string? Header(this FlowResponse response, string name) => Value(response.Headers, name);

    public static string? Header(this FlowRequest request, string name) => Value(request.Headers, name);

    private static string? Value(IReadOnlyList<string[]> fields, string name) =>
        fields.FirstOrDefault(x => x[0].Equals(name, StringComparison.OrdinalIgnoreCase))?[1];
}

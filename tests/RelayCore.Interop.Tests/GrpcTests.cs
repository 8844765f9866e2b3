using System.Text;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Interop.Tests.Harness;
using RelayCore.Protocols;

namespace RelayCore.Interop.Tests;

/// <summary>gRPC over intercepted HTTP/2: grpc-dotnet and @grpc/grpc-js as clients and servers, unary and all streaming kinds.</summary>
public sealed class GrpcTests
{
    private const string Said = "echo hello\ncount 1 2 3\njoin a+b+c\nchat one two three\nfail 5 no such thing: x\n";
    private const string Shouted = "echo hello!\ncount 1! 2! 3!\njoin a+b+c!\nchat one! two! three!\nfail 5 no such thing: x\n";

    [Theory]
    [InlineData("dotnet", "dotnet", false, false)]
    [InlineData("dotnet", "node", false, false)]
    [InlineData("node", "dotnet", false, false)]
    [InlineData("node", "node", false, false)]
    [InlineData("dotnet", "dotnet", true, true)]
    [InlineData("dotnet", "node", true, false)]
    [InlineData("node", "dotnet", true, true)]
    [InlineData("node", "node", true, false)]
    public async Task Calls_AllKinds_WorkAndAreMessagesOfTheirFlows(string client, string server, bool isEdited, bool isCompressed)
    {
        using var pki = new TestPki();
        using var directory = new TemporaryDirectory();
        using var certificate = pki.Issue(["shop.test"]);
        await using var node = server == "node" ? await GrpcTalk.ServeByNodeAsync(directory, certificate, isCompressed) : null;
        await using var kestrel = server == "dotnet" ? await GrpcTalk.KestrelServer.StartAsync(certificate, isCompressed) : null;
        await using var proxy = await RunningProxy.StartAsync(pki, x => isEdited ? x with { Interceptors = [new Shouter()] } : x);
        var port = node?.Port ?? kestrel!.Port;

        var said = client == "node" ? await GrpcTalk.CallByNodeAsync(proxy, port, isCompressed) : await GrpcTalk.CallAsync(proxy, port, isCompressed);

        Assert.Equal(isEdited ? Shouted : Said, said);
        var flows = await proxy.FinishedAsync(5);
        var mark = isEdited ? "!" : "";
        Assert.Equal($"> hello, < hello{mark}", Messages(flows, "Echo", new(0, "OK", null)));
        Assert.Equal($"> 3, < 1{mark}, < 2{mark}, < 3{mark}", Messages(flows, "Count", new(0, "OK", null)));
        Assert.Equal($"> a, > b, > c, < a+b+c{mark}", Messages(flows, "Join", new(0, "OK", null)));
        Assert.Equal($"> ONE, < one{mark}, > TWO, < two{mark}, > THREE, < three{mark}", Messages(flows, "Chat", new(0, "OK", null)));
        Assert.Equal("> x", Messages(flows, "Fail", new(5, "NOT_FOUND", "no such thing: x")));
        var all = flows.SelectMany(x => x.Http().Messages!).ToList();
        Assert.Equal(isCompressed, all.Any(x => x.Compressed));
        Assert.Equal(isEdited ? 8 : 0, all.Count(x => x.Changed));
        Assert.All(flows, x => Assert.Equal(("HTTP/2", "HTTP/2"), (x.Http().Request!.Version, x.Http().Response!.Version)));
    }

    private static string Messages(IEnumerable<Flow> flows, string method, FlowGrpc status)
    {
        var http = flows.Single(x => x.Http().Request!.Url.EndsWith("/interop.Talk/" + method, StringComparison.Ordinal)).Http();
        Assert.Equal(status, http.Grpc! with { Message = http.Grpc.Status == 0 ? null : http.Grpc.Message }); // Node says "OK" to success
        return string.Join(", ", http.Messages!.Select(x => $"{(x.Direction == "ClientToServer" ? '>' : '<')} {x.Content.Content}"));
    }

    private sealed class Shouter : IInterceptor
    {
        public string Name => "shouter";

        public InterceptorNeeds Needs => new() { Stages = Stage.Message };

        public ValueTask OnMessageAsync(MessageContext context, Message message, CancellationToken cancellationToken)
        {
            if (message.Sender == PeerRole.Server)
            {
                message.Replace(Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(message.Content.Span) + "!"));
            }

            return default;
        }
    }
}

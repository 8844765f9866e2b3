using System.Diagnostics;
using System.Text;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Core.Limits;
using RelayCore.Core.Messages;
using RelayCore.Testing;
using Xunit;

namespace RelayCore.InMemory.Tests;

/// <summary>Impairs messages as it is told, but those of /still.</summary>
internal sealed class Impairer(Func<TimeProvider, Impairment>? request, Func<TimeProvider, Impairment>? response) : IInterceptor
{
    /// <summary>The clock of the proxy; it is not known before that starts.</summary>
    public TimeProvider Time { get; set; } = TimeProvider.System;

    public Verdict? Verdict { get; init; }

    public bool IsAtRequest { get; init; }

    public string? Replacement { get; init; }

    public bool ReplacesChunks { get; init; }

    public string Name => "impairer";

    public InterceptorNeeds Needs => new() { Stages = Stage.RequestHead | Stage.ResponseHead | (Replacement is null ? 0 : Stage.ResponseBody) | (ReplacesChunks ? Stage.ResponseChunk : 0), MayWait = false };

    public ValueTask<Verdict> OnRequestHeadAsync(Exchange exchange, CancellationToken cancellationToken)
    {
        if (exchange.Request.Path == "/still")
        {
            return new(Core.Interception.Verdict.Continue);
        }

        exchange.RequestImpairment = request?.Invoke(Time);
        exchange.ResponseImpairment = IsAtRequest ? response?.Invoke(Time) : null;
        return new(Verdict ?? Core.Interception.Verdict.Continue);
    }

    public ValueTask<Verdict> OnResponseHeadAsync(Exchange exchange, CancellationToken cancellationToken)
    {
        if (exchange.Request.Path != "/still")
        {
            exchange.ResponseImpairment = response?.Invoke(Time);
        }

        return new(Core.Interception.Verdict.Continue);
    }

    public ValueTask<Verdict> OnResponseBodyAsync(Exchange exchange, MessageBody body, CancellationToken cancellationToken)
    {
        body.ReplaceContent(Encoding.Latin1.GetBytes(Replacement!));
        return new(Core.Interception.Verdict.Continue);
    }

    public ValueTask OnResponseChunkAsync(Exchange exchange, BodyChunk chunk, CancellationToken cancellationToken)
    {
        if (!chunk.Data.IsEmpty)
        {
            chunk.Replace(Encoding.Latin1.GetBytes(new string('y', chunk.Data.Length)));
        }

        return default;
    }
}

/// <summary>A client, a proxy that impairs, an origin.</summary>
internal sealed class Scene : IAsyncDisposable
{
    private TestPeer? _server;

    private Scene(TestProxy proxy) => (Proxy, Origin, Client) = (proxy, proxy.Origin(), proxy.Connect());

    public TestProxy Proxy { get; }

    public TestOrigin Origin { get; }

    public TestPeer Client { get; }

    public static async Task<Scene> StartAsync(
        Func<TimeProvider, Impairment>? request = null, Func<TimeProvider, Impairment>? response = null, Func<EngineLimits, EngineLimits>? limits = null,
        Verdict? verdict = null, bool isAtRequest = false, string? replacement = null, bool chunkReplacement = false)
    {
        var impairer = new Impairer(request, response) { Verdict = verdict, IsAtRequest = isAtRequest, Replacement = replacement, ReplacesChunks = chunkReplacement };
        var proxy = await TestProxy.StartAsync(x => x with { Interceptors = [impairer], Limits = limits?.Invoke(x.Limits) ?? x.Limits });
        impairer.Time = proxy.Time;
        return new(proxy);
    }

    /// <summary>A GET of the client, and the server's answer to it.</summary>
    public async Task AnswerAsync(string answer, bool slowly = false)
    {
        await Client.SendAsync("GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\n\r\n");
        _server = await Origin.AcceptAsync();
        await _server.ReadHeadAsync();
        if (slowly)
        {
            await _server.SendSlowlyAsync(answer[..^1]);
            await _server.SendAsync(answer[^1..]);
        }
        else
        {
            await _server.SendAsync(answer);
        }
    }

    /// <summary>Reads octets at the client while time passes.</summary>
    public async Task<(string Octets, TimeSpan Took)> ReadOverTimeAsync(int octets)
    {
        var before = Proxy.Time.GetUtcNow();
        var reading = Client.ReadAsync(octets);
        await PassTimeAsync(Proxy, reading);
        return (await reading, Proxy.Time.GetUtcNow() - before);
    }

    /// <summary>
    /// Lets time pass slowly enough to measure it: whoever is to begin to wait gets a moment to do so, since the clock that runs ahead of them would
    /// be counted as theirs.
    /// </summary>
    public static async Task PassTimeAsync(TestProxy proxy, Task task)
    {
        await MomentAsync(30);
        for (var i = 0; i < 6000 && !task.IsCompleted; i++)
        {
            proxy.Time.Advance(TimeSpan.FromMilliseconds(10));
            await MomentAsync(1);
        }

        await task;

        async Task MomentAsync(int milliseconds)
        {
            for (var watch = Stopwatch.StartNew(); watch.ElapsedMilliseconds < milliseconds && !task.IsCompleted;)
            {
                await Task.Yield();
            }
        }
    }

    /// <summary>The flow ended like that, and says that it was impaired.</summary>
    public async Task<Flow> AssertFlowAsync(string reason, string? code = null)
    {
        var flow = (await Proxy.FlowsAsync(1))[0];
        Assert.Equal((reason, code), (flow.CloseReason?.Reason, flow.Error()?.Code));
        Assert.Contains("impaired", flow.Marks);
        Assert.Contains(flow.Mutations!, static x => x is { Actor: "impairment", Target: "request.wire" or "response.wire" });
        return flow;
    }

    /// <summary>The connection serves another exchange.</summary>
    public async Task AssertServesAsync()
    {
        await Client.SendAsync("GET http://origin.test/still HTTP/1.1\r\nHost: origin.test\r\n\r\n");
        await _server!.ReadHeadAsync();
        await _server.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        Assert.EndsWith("ok", await Client.ReadMessageAsync(), StringComparison.Ordinal);
        Assert.DoesNotContain("impaired", (await Proxy.FlowsAsync(2)).Single(static x => x.Http().Request!.Url.EndsWith("/still", StringComparison.Ordinal)).Marks);
    }

    public ValueTask DisposeAsync() => Proxy.DisposeAsync();
}

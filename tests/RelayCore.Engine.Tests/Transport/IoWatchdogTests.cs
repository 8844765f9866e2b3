using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using RelayCore.Engine.Transport;
using Xunit;

namespace RelayCore.Engine.Tests.Transport;

public sealed class IoWatchdogTests
{
    // The runtime reads the variable with the first socket of the process, so it is set before any test runs.
#pragma warning disable CA2255 // A test assembly is an application here.
    [ModuleInitializer]
    internal static void UseInlineCompletions() => Environment.SetEnvironmentVariable("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS", "1");
#pragma warning restore CA2255

    [Fact]
    public async Task Run_BlockedIoThread_IsReportedOnce()
    {
        var reported = new TaskCompletionSource<TimeSpan>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var watchdog = new IoWatchdog(TimeProvider.System, x => reported.TrySetResult(x));
        await watchdog.StartAsync(Environment.ProcessorCount * 2);

        // One socket per thread, so that some block is on a probed thread whichever way the runtime deals them.
        using var release = new ManualResetEventSlim();
        var blocked = Enumerable.Range(0, Environment.ProcessorCount).Select(_ => BlockAsync(release)).ToArray();
        try
        {
            var stuck = await reported.Task.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
            Assert.True(stuck > IoWatchdog.Limit, $"reported {stuck}");
        }
        finally
        {
            release.Set();
        }

        Assert.All(await Task.WhenAll(blocked), isPoolThread => Assert.False(isPoolThread, "the continuation ran on the thread pool: completions are not inline"));
    }

    private static async Task<bool> BlockAsync(ManualResetEventSlim release)
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        using var sender = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await sender.ConnectAsync(listener.LocalEndPoint!);
        using var receiver = await listener.AcceptAsync();
        var receiving = ReceiveAsync();
        await Task.Run(() => sender.Send(new byte[1]));
        return await receiving;

        async Task<bool> ReceiveAsync()
        {
            await receiver.ReceiveAsync(new byte[1]);
            var isPoolThread = Thread.CurrentThread.IsThreadPoolThread;
            release.Wait();
            return isPoolThread;
        }
    }
}

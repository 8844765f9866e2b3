using System.Runtime.InteropServices;
using RelayCore.Load.Compare;
using RelayCore.Load.Load;
using RelayCore.Load.Origin;

namespace RelayCore.Load;

/// <summary>
/// <c>load</c> generates load and measures a proxy, <c>idle</c> holds idle connections, <c>origin</c> answers it,
/// <c>certs</c> writes test certificates, <c>compare</c> runs the workloads against RelayCore and its peers.
/// </summary>
internal static class Program
{
    private const string Usage = """
        usage: RelayCore.Load COMMAND [options]   (benchmarks/README.md describes every option)

          load     generate load through a proxy, print one JSON line
          idle     open and hold idle keep-alive connections through a proxy, print one JSON line
          origin   serve HTTP/1.1, HTTP/2 and WebSocket echo: discards bodies, answers as many octets as asked for
          certs    write a test CA and an origin certificate into a folder
          compare  run the workloads against relay and its peers (see compare.sh)
        """;

    private static async Task<int> Main(string[] args)
    {
        var command = args.Length > 0 ? args[0] : "";
        if (command is "load" or "idle" or "origin")
        {
            // Read by the runtime when the first socket is used. Not set for `compare`, whose children would inherit it.
            Environment.SetEnvironmentVariable("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS", "1");
        }

        using var stop = new CancellationTokenSource();
        void OnSignal(PosixSignalContext context)
        {
            context.Cancel = true;
            stop.Cancel();
        }

        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);
        try
        {
            var arguments = new Arguments(args.Length > 0 ? args[1..] : []);
            switch (command)
            {
                case "load":
                    return await LoadCommand.RunAsync(arguments, stop.Token);
                case "idle":
                    return await IdleCommand.RunAsync(arguments, stop.Token);
                case "origin":
                    return await OriginCommand.RunAsync(arguments, stop.Token);
                case "certs":
                    return CertificatesCommand.Run(arguments);
                case "compare":
                    return await CompareCommand.RunAsync(arguments, stop.Token);
                default:
                    await Console.Error.WriteLineAsync(Usage);
                    return command is "" or "help" or "--help" or "-h" ? 0 : 2;
            }
        }
        catch (UsageException error)
        {
            await Console.Error.WriteLineAsync(error.Message);
            return 2;
        }
        catch (BenchmarkException error)
        {
            await Console.Error.WriteLineAsync(error.Message);
            return 1;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            await Console.Error.WriteLineAsync("interrupted");
            return 130;
        }
    }
}

using System.Text.Json;
using RelayCore.Cli.Flows;
using RelayCore.Cli.Text;
using RelayCore.Core.Flows;
using RelayCore.Runtime;

namespace RelayCore.Cli.Run;

/// <summary>One line on the terminal for each flow that ends. A terminal is slower than a proxy: what it cannot keep up with is counted, not queued.</summary>
internal sealed class FlowLines : IAsyncDisposable
{
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _writing;

    private FlowLines(RelayCoreHost host, CliEnvironment environment) => _writing = Task.Run(() => WriteAsync(host, environment, _stopping.Token));

    /// <summary>Begins to write.</summary>
    public static FlowLines Start(RelayCoreHost host, CliEnvironment environment) => new(host, environment);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _writing;
        _stopping.Dispose();
    }

    private static async Task WriteAsync(RelayCoreHost host, CliEnvironment environment, CancellationToken cancellationToken)
    {
        var (style, ended) = (new Style(environment.HasColor), new EndedFlows());
        try
        {
            await foreach (var item in host.Events.ReadAsync(host.Events.LastNumber, summaries: true, cancellationToken: cancellationToken))
            {
                if (item.Name == "lagged")
                {
                    environment.Output.WriteLine(style.Yellow(environment.Advice("  … more passes than can be shown; `relay-core-cli flows` lists what is kept")));
                }
                else if (item.Name == "flow-summary" && JsonSerializer.Deserialize(item.Data.Span, FlowJson.Default.FlowSummary) is { } flow && ended.IsNew(flow))
                {
                    environment.Output.WriteLine(FlowLine.Format(flow, environment.Width, style, environment.Time.LocalTimeZone));
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The proxy stops.
        }
    }
}

using System.Text.Json;

namespace RelayCore.Load.Load;

/// <summary><c>load</c>: one run, one JSON line. The exit code says whether it ran, not whether the proxy did well: errors are in the line.</summary>
internal static class LoadCommand
{
    public static async Task<int> RunAsync(Arguments arguments, CancellationToken cancellationToken)
    {
        var options = LoadOptions.From(arguments);
        arguments.RejectRest();
        var report = await LoadRun.RunAsync(options, cancellationToken);
        Console.WriteLine(JsonSerializer.Serialize(report, ReportJson.Default.LoadReport));
        return 0;
    }
}

using System.ComponentModel;
using System.Diagnostics;

namespace RelayCore.Runtime.Certificates;

/// <summary>How a tool ended.</summary>
/// <param name="ExitCode">0 for success.</param>
/// <param name="Output">Standard output.</param>
/// <param name="Error">Standard error.</param>
internal readonly record struct ToolResult(int ExitCode, string Output, string Error)
{
    /// <summary>The last line it said, for a message.</summary>
    public string LastWords => (Error.Length == 0 ? Output : Error).TrimEnd() is var said && said.Length == 0
        ? $"exit code {ExitCode}"
        : said[(said.LastIndexOf('\n') + 1)..].Trim();
}

/// <summary>Runs the tools of trust stores: no shell, no terminal, a bound on time.</summary>
internal static class ExternalTool
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2); // update-ca-certificates takes seconds, with Java's hook longer

    /// <summary>Runs a tool to its end.</summary>
    /// <param name="path">The program.</param>
    /// <param name="arguments">Passed as they are.</param>
    /// <param name="input">Standard input; it ends after this, so that no tool waits for a person.</param>
    /// <param name="time">Measures patience.</param>
    /// <param name="cancellationToken">Kills it.</param>
    /// <returns>How it ended; a tool that cannot be started, or does not end, is a result too.</returns>
    public static async Task<ToolResult> RunAsync(
        string path, IEnumerable<string> arguments, string? input, TimeProvider time, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(path, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        start.Environment["LC_ALL"] = "C"; // its lists are read by us
        using var patience = new CancellationTokenSource(s_patience, time);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
        Process? process;
        try
        {
            process = Process.Start(start);
        }
        catch (Win32Exception error)
        {
            return new(-1, "", error.Message);
        }

        using (process!)
        {
            try
            {
                var output = process!.StandardOutput.ReadToEndAsync(stop.Token);
                var errors = process.StandardError.ReadToEndAsync(stop.Token);
                await WriteAsync(process, input, stop.Token).ConfigureAwait(false);
                var (said, complained) = (await output.ConfigureAwait(false), await errors.ConfigureAwait(false));
                await process.WaitForExitAsync(stop.Token).ConfigureAwait(false);
                return new(process.ExitCode, said, complained);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                process!.Kill(entireProcessTree: true);
                return new(-1, "", FormattableString.Invariant($"did not end within {s_patience.TotalSeconds} s"));
            }
            catch (OperationCanceledException)
            {
                process!.Kill(entireProcessTree: true);
                throw;
            }
        }
    }

    private static async Task WriteAsync(Process process, string? input, CancellationToken cancellationToken)
    {
        try
        {
            await process.StandardInput.WriteAsync(input.AsMemory(), cancellationToken).ConfigureAwait(false);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It ended without reading; its exit code says the rest.
        }
    }
}

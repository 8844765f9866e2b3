using System.CommandLine;

namespace RelayCore.Cli.Run;

/// <summary><c>run</c>: the proxy in the foreground, until a signal.</summary>
internal static class RunCommand
{
    /// <summary>The command with its options.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var command = new Command("run", "Run the proxy in the foreground.");
        var options = new RunOptions();
        foreach (var option in options.All)
        {
            command.Add(option);
        }

        command.SetAction(async (line, _) =>
        {
            var reader = new RunSettingsReader(options, line, environment);
            var settings = reader.Read();
            return reader.Problems.Count > 0
                ? CommandLine.ReportUsage(reader.Problems, "relay-core-cli run", environment)
                : await new ProxyProcess(settings, environment).RunAsync();
        });
        return command;
    }
}

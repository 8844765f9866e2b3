using System.CommandLine;
using RelayCore.Runtime.Rules;

namespace RelayCore.Cli.Rules;

/// <summary>What rules may use, as options of every command that compiles rules.</summary>
internal static class RuleSettings
{
    /// <summary>Environment variables templates may read.</summary>
    public static Option<string[]> EnvironmentOption() => new("--rules-env-allow")
    {
        Description = "Environment variable that rules may read as {{env.NAME}}; repeatable",
        HelpName = "NAME",
    };

    /// <summary>The sandbox.</summary>
    public static Option<string?> RootOption() => new("--rules-root")
    {
        Description = "Folder outside of which rules serve no file [default: the folder of the rule file]",
        HelpName = "DIR",
    };

    /// <summary>Options from a line.</summary>
    /// <exception cref="CliException">The folder does not exist.</exception>
    public static RuleOptions Read(ParseResult line, Option<string[]> environment, Option<string?> root)
    {
        var folder = line.GetValue(root);
        return folder is null || Directory.Exists(folder)
            ? new()
            {
                EnvironmentAllowed = (line.GetValue(environment) ?? []).ToHashSet(StringComparer.Ordinal),
                SandboxRoot = folder is null ? null : Path.GetFullPath(folder),
            }
            : throw new CliException($"--rules-root: there is no folder {Text.Printable.Line(folder)}.", ExitCode.Usage);
    }
}

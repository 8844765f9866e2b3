namespace RelayCore.Cli;

/// <summary>What ends a command: one sentence for a person, and the exit code. Never a stack trace.</summary>
internal sealed class CliException : Exception
{
    /// <summary>Ends the command with <paramref name="exitCode"/>.</summary>
    public CliException(string message, int exitCode = ExitCode.Failure, Exception? inner = null)
        : base(message, inner) => Code = exitCode;

    /// <summary>The exit code.</summary>
    public int Code { get; }
}

/// <summary>Exit codes of every command.</summary>
internal static class ExitCode
{
    /// <summary>Done.</summary>
    public const int Success = 0;

    /// <summary>It did not work; standard error says why.</summary>
    public const int Failure = 1;

    /// <summary>The command line is wrong; nothing was done.</summary>
    public const int Usage = 2;

    /// <summary>Interrupted by a second signal (128 + SIGINT).</summary>
    public const int Interrupted = 130;
}

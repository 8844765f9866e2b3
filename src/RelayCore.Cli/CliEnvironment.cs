namespace RelayCore.Cli;

/// <summary>What a command reads of the process around it, so that tests own it.</summary>
internal sealed class CliEnvironment
{
    private readonly Func<string, string?> _variable;

    /// <summary>An environment over a look-up.</summary>
    /// <param name="variable">The value of a variable; <see langword="null"/> when it is not set.</param>
    /// <param name="output">Standard output.</param>
    /// <param name="error">Standard error.</param>
    public CliEnvironment(Func<string, string?> variable, TextWriter output, TextWriter error) =>
        (_variable, Output, Error) = (variable, output, error);

    /// <summary>Standard output.</summary>
    public TextWriter Output { get; }

    /// <summary>Standard error.</summary>
    public TextWriter Error { get; }

    /// <summary>Whether a person reads standard output: readable text, colour, live lines.</summary>
    public bool IsTerminal { get; init; }

    /// <summary>Width of the terminal in columns; unlimited when nobody looks.</summary>
    public int Width { get; init; } = int.MaxValue;

    /// <summary>Whether to use colour: only on a terminal, and not against NO_COLOR or TERM=dumb.</summary>
    public bool HasColor => IsTerminal && this["NO_COLOR"] is null && this["TERM"] != "dumb";

    /// <summary>Octets to standard output, for bodies.</summary>
    public Func<Stream> OpenOutput { get; init; } = () => Stream.Null;

    /// <summary>Octets from standard input.</summary>
    public Func<Stream> OpenInput { get; init; } = () => Stream.Null;

    /// <summary>Clock.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Puts the name under which the program was started into advice, so that it can be copied: <c>./relay</c> instead of <c>relay-core-cli</c>.</summary>
    public string Advice(string text) =>
        this["RELAY_PROGRAM"] is { } program ? text.Replace("relay-core-cli ", Text.Printable.Line(program) + " ", StringComparison.Ordinal) : text;

    /// <summary>A variable; empty counts as not set.</summary>
    public string? this[string name] => _variable(name) is { Length: > 0 } value ? value : null;

    /// <summary>The environment of this process.</summary>
    public static CliEnvironment System()
    {
        var isTerminal = !Console.IsOutputRedirected;
        return new(Environment.GetEnvironmentVariable, new LazyWriter(() => Console.Out), new LazyWriter(() => Console.Error))
        {
            IsTerminal = isTerminal,
            Width = isTerminal ? TerminalWidth() : int.MaxValue,
            OpenOutput = Console.OpenStandardOutput,
            OpenInput = Console.OpenStandardInput,
        };
    }

    private static int TerminalWidth()
    {
        try
        {
            return Console.WindowWidth is > 20 and var width ? width : 80;
        }
        catch (IOException)
        {
            return 80;
        }
    }

    // Console.Out costs some milliseconds to set up, and a proxy under a supervisor never uses it.
    private sealed class LazyWriter(Func<TextWriter> open) : TextWriter
    {
        private TextWriter? _inner;

        public override global::System.Text.Encoding Encoding => Inner.Encoding;

        private TextWriter Inner => _inner ??= open();

        public override void Write(char value) => Inner.Write(value);

        public override void Write(char[] buffer, int index, int count) => Inner.Write(buffer, index, count);

        public override void Write(string? value) => Inner.Write(value);

        public override void Flush() => _inner?.Flush();
    }
}

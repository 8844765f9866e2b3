namespace RelayCore.Fuzz;

/// <summary>One thing to fuzz. An input is a finding when <see cref="Run"/> throws.</summary>
internal interface IFuzzTarget
{
    /// <summary>Name on the command line; also the folder under <c>corpora/</c> and the file under <c>dictionaries/</c>.</summary>
    string Name { get; }

    /// <summary>Feeds one input to the codec and to the oracle and compares.</summary>
    /// <exception cref="FindingException">They disagree.</exception>
    void Run(ReadOnlySpan<byte> input);
}

/// <summary>Codec and oracle disagree about an input.</summary>
internal sealed class FindingException(string message) : Exception(message)
{
    /// <summary>Throws when two answers differ.</summary>
    public static void ThrowIfDifferent<T>(T expected, T actual, string what)
    {
        if (!EqualityComparer<T>.Default.Equals(expected, actual))
        {
            throw new FindingException($"{what}: the oracle says '{expected}', the codec '{actual}'.");
        }
    }
}

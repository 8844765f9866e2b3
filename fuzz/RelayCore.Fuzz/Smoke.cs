using System.Diagnostics;

namespace RelayCore.Fuzz;

/// <summary>Fuzzing in this process, without coverage: mutates the corpus by chance until time is up or a target throws.</summary>
internal sealed class Smoke(IFuzzTarget target, IReadOnlyList<byte[]> corpus, IReadOnlyList<byte[]> dictionary, int seed)
{
    private const int MaxInput = 4096;

    private readonly Random _random = new(seed);

    /// <summary>Runs.</summary>
    /// <param name="duration">At least this long; the seeds themselves always run.</param>
    /// <param name="output">Receives the closing line, and a finding.</param>
    /// <returns>0, or 1 with a finding.</returns>
    public int Run(TimeSpan duration, TextWriter output)
    {
        var started = Stopwatch.GetTimestamp();
        long executions = 0;
        output.WriteLine($"{target.Name}: in-process, {corpus.Count} seeds, {dictionary.Count} dictionary entries, random seed {seed}");
        foreach (var input in corpus)
        {
            executions++;
            if (!Try(input, output))
            {
                return 1;
            }
        }

        while (Stopwatch.GetElapsedTime(started) < duration)
        {
            executions++;
            if (!Try(Mutate(), output))
            {
                return 1;
            }
        }

        var elapsed = Stopwatch.GetElapsedTime(started);
        output.WriteLine(FormattableString.Invariant(
            $"{target.Name}: {executions} execs in {elapsed.TotalSeconds:F1} s, {executions / elapsed.TotalSeconds:F0}/s, 0 findings"));
        return 0;
    }

    private bool Try(byte[] input, TextWriter output)
    {
        try
        {
            target.Run(input);
            return true;
        }
        catch (Exception finding)
        {
            output.WriteLine($"{target.Name}: FINDING, random seed {seed}");
            output.WriteLine($"input: {Convert.ToHexString(input)}");
            output.WriteLine(finding);
            return false;
        }
    }

    private byte[] Mutate()
    {
        var input = new List<byte>(Pick(corpus));
        for (var edits = _random.Next(1, 8); edits > 0; edits--)
        {
            var at = _random.Next(input.Count + 1);
            var length = Math.Min(_random.Next(1, 20), input.Count - at);
            switch (_random.Next(8))
            {
                case 0 when at < input.Count:
                    input[at] ^= (byte)(1 << _random.Next(8));
                    break;
                case 1 when at < input.Count:
                    input[at] = (byte)_random.Next(256);
                    break;
                case 2:
                    input.RemoveRange(at, length);
                    break;
                case 3:
                    input.InsertRange(_random.Next(input.Count + 1), input.GetRange(at, length));
                    break;
                case 4:
                    var other = Pick(corpus);
                    var from = _random.Next(other.Length + 1);
                    input.InsertRange(at, other.AsSpan(from, _random.Next(other.Length - from + 1)).ToArray());
                    break;
                case 5:
                    input.Insert(at, (byte)_random.Next(256));
                    break;
                case 6:
                    input.Insert(at, Pick(["\r"u8.ToArray(), "\n"u8.ToArray(), " "u8.ToArray(), "\t"u8.ToArray(), ":"u8.ToArray(), ","u8.ToArray(), [0]])[0]);
                    break;
                default:
                    input.InsertRange(at, dictionary.Count == 0 ? [(byte)'0'] : Pick(dictionary));
                    break;
            }
        }

        return [.. input.Take(MaxInput)];
    }

    private T Pick<T>(IReadOnlyList<T> list) => list[_random.Next(list.Count)];
}

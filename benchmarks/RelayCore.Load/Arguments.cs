using System.Globalization;

namespace RelayCore.Load;

/// <summary>A command line that cannot be understood; the message is one sentence for the user.</summary>
internal sealed class UsageException(string message) : Exception(message);

/// <summary>A measurement that could not be made; the message is one sentence for the user.</summary>
internal sealed class BenchmarkException(string message) : Exception(message);

/// <summary><c>--name value</c> and <c>--flag</c> options. Whatever no caller asked for is refused by <see cref="RejectRest"/>.</summary>
internal sealed class Arguments
{
    private readonly Dictionary<string, string?> _values = new(StringComparer.Ordinal);

    public Arguments(string[] args)
    {
        for (var i = 0; i < args.Length; i++)
        {
            if (!args[i].StartsWith("--", StringComparison.Ordinal))
            {
                throw new UsageException($"'{args[i]}' is not an option; options start with --.");
            }

            var hasValue = i + 1 < args.Length && !args[i + 1].StartsWith("--", StringComparison.Ordinal);
            if (!_values.TryAdd(args[i], hasValue ? args[i + 1] : null))
            {
                throw new UsageException($"{args[i]} is given twice.");
            }

            i += hasValue ? 1 : 0;
        }
    }

    public string? Text(string name)
    {
        if (!_values.Remove(name, out var value))
        {
            return null;
        }

        return value ?? throw new UsageException($"{name} needs a value.");
    }

    public string RequiredText(string name) => Text(name) ?? throw new UsageException($"{name} is missing.");

    public bool Flag(string name)
    {
        if (!_values.Remove(name, out var value))
        {
            return false;
        }

        return value is null ? true : throw new UsageException($"{name} takes no value.");
    }

    public long Integer(string name, long byDefault, long smallest = 0)
    {
        var text = Text(name);
        if (text is null)
        {
            return byDefault;
        }

        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value >= smallest
            ? value
            : throw new UsageException($"{name} must be a whole number of at least {smallest}, not '{text}'.");
    }

    public double Number(string name, double byDefault)
    {
        var text = Text(name);
        if (text is null)
        {
            return byDefault;
        }

        return double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value)
            ? value
            : throw new UsageException($"{name} must be a number, not '{text}'.");
    }

    public void RejectRest()
    {
        if (_values.Count > 0)
        {
            throw new UsageException($"unknown option: {string.Join(' ', _values.Keys)}");
        }
    }
}

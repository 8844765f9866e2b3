using System.Globalization;
using Microsoft.AspNetCore.Http;
using RelayCore.Core.Flows;

namespace RelayCore.Api;

/// <summary>Reads the query of a request. What cannot be read is refused by name, never ignored.</summary>
internal readonly struct Parameters(IQueryCollection query)
{
    /// <summary>Text; <see langword="null"/> when absent or empty.</summary>
    public string? Text(string name)
    {
        var values = query[name];
        return values.Count switch
        {
            0 => null,
            1 => values[0] is { Length: > 0 } text ? text : null,
            _ => throw ApiException.BadParameter(name, "is given more than once"),
        };
    }

    /// <summary>A whole number of 0 and more.</summary>
    public int? Number(string name) => (int?)LongNumber(name, int.MaxValue);

    /// <summary>A whole number of 0 and more.</summary>
    public long? LongNumber(string name, long largest = long.MaxValue) =>
        Text(name) is not { } text ? null
        : long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number <= largest ? number
        : throw ApiException.BadParameter(name, "is not a whole number in range");

    /// <summary><c>true</c> or <c>false</c>, also <c>1</c> and <c>0</c>.</summary>
    public bool? Flag(string name) => Text(name)?.ToLowerInvariant() switch
    {
        null => null,
        "true" or "1" => true,
        "false" or "0" => false,
        _ => throw ApiException.BadParameter(name, "is neither true nor false"),
    };

    /// <summary>One of some words; the first when absent.</summary>
    /// <returns>Its index.</returns>
    public int Choice(string name, params ReadOnlySpan<string> words)
    {
        if (Text(name) is not { } text)
        {
            return 0;
        }

        var index = words.IndexOf(text);
        return index >= 0 ? index : throw ApiException.BadParameter(name, $"is none of {string.Join(", ", words!)}");
    }

    /// <summary>Id of a flow.</summary>
    public FlowId? FlowId(string name) =>
        Text(name) is not { } text ? null
        : Core.Flows.FlowId.TryParse(text, out var id) ? id
        : throw ApiException.BadParameter(name, "is not the id of a flow");
}

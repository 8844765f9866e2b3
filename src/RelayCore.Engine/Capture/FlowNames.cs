using System.Text.Json;

namespace RelayCore.Engine.Capture;

/// <summary>Names of enumeration values as the contract spells them.</summary>
internal static class FlowNames
{
    /// <summary>The name of a value, snake_case.</summary>
    public static string Of<T>(T value)
        where T : struct, Enum => Names<T>.All.TryGetValue(value, out var name) ? name : JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString());

    /// <summary>The names of the flags set, in the order of their bits.</summary>
    /// <param name="bits">The flags.</param>
    public static List<string> OfFlags<T>(uint bits)
        where T : struct, Enum
    {
        var names = new List<string>();
        foreach (var (bit, name) in Names<T>.Flags)
        {
            if ((bits & bit) != 0)
            {
                names.Add(name);
            }
        }

        return names;
    }

    private static class Names<T>
        where T : struct, Enum
    {
        public static readonly Dictionary<T, string> All =
            Enum.GetValues<T>().Distinct().ToDictionary(x => x, x => JsonNamingPolicy.SnakeCaseLower.ConvertName(x.ToString()));

        public static readonly (uint Bit, string Name)[] Flags =
        [
            .. All.Select(x => (Bit: Convert.ToUInt32(x.Key, System.Globalization.CultureInfo.InvariantCulture), x.Value))
                .Where(x => uint.IsPow2(x.Bit)).OrderBy(x => x.Bit),
        ];
    }
}

using System.Text.RegularExpressions;
using RelayCore.Rules.Catalog;

namespace RelayCore.Rules.Actions;

/// <summary>Regexes of actions: they run in time linear to their input, whatever the input is.</summary>
internal static class LinearRegex
{
    /// <summary>Compiles the regex of a member; what is wrong with it is reported.</summary>
    /// <param name="config">The config.</param>
    /// <param name="member">Its member.</param>
    /// <param name="ignoreCase">Whether letters match without case.</param>
    public static Regex? Compile(ConfigReader config, string member, bool ignoreCase)
    {
        var options = RegexOptions.NonBacktracking | RegexOptions.CultureInvariant | (ignoreCase ? RegexOptions.IgnoreCase : RegexOptions.None);
        try
        {
            return new(config.Text(member), options);
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            config.Error("RULE-413", member, $"'{config.Text(member)}' is not a regex that runs in linear time: {e.Message}",
                "Look-around, back-references and atomic groups are not possible.");
            return null;
        }
    }
}

using System.Text;
using System.Text.Json;
using RelayCore.Core.Interception;
using RelayCore.Rules;
using RelayCore.Rules.Documents;
using RelayCore.Rules.Execution;

namespace RelayCore.Runtime.Rules;

/// <summary>What the runtime uses of the rule engine, in one place.</summary>
internal static class RuleLibrary
{
    /// <summary>Code of a rule that replaces another one of the same id.</summary>
    public const string DuplicateId = "RULE-031";

    /// <summary>The rules of one kind of source as a JSON array in the reference's shape, every field present.</summary>
    public static byte[] Print(IEnumerable<RuleDefinition> rules) => Encoding.UTF8.GetBytes(RulePrinter.Json(rules));

    /// <summary>Name of a stage in traces and answers, snake_case.</summary>
    public static string StageName(RuleStage stage) => JsonNamingPolicy.SnakeCaseLower.ConvertName(stage.ToString());

    /// <summary>The interceptor of a set.</summary>
    public static IInterceptor Interceptor(RuleSet set) => new RuleInterceptor(set);

    /// <summary>The nearest of some names; <see langword="null"/> when none is near.</summary>
    public static string? Nearest(string name, IEnumerable<string> names) => NearestName.Find(name, names);
}

#pragma warning disable
using RelayCore.Core.Interception;
namespace RelayCore.Rules.Documents
{
    public static class RuleLint { public static void Check(IReadOnlyList<RuleDefinition> rules, RuleProblems problems) {} }
}
namespace RelayCore.Rules.Importing
{
    using RelayCore.Rules.Documents;
    public sealed record MitmproxySpecs
    {
        public IReadOnlyList<string> ModifyHeaders { get; init; } = [];
        public IReadOnlyList<string> ModifyBody { get; init; } = [];
        public IReadOnlyList<string> MapLocal { get; init; } = [];
        public IReadOnlyList<string> MapRemote { get; init; } = [];
        public IReadOnlyList<string> BlockList { get; init; } = [];
        public bool AntiCache { get; init; }
        public bool AntiCompression { get; init; }
        public string? StickyCookie { get; init; }
        public string? StickyAuth { get; init; }
    }
    public static class MitmproxyRules
    {
        public static string FromOptions(MitmproxySpecs specs, RuleProblems problems) => "[]";
        public static string FromConfig(string path, RuleProblems problems) => "[]";
    }
}

namespace RelayCore.Rules.Documents;

/// <summary>Codes of what can be wrong with a rule file; docs/rules/problems.md explains each with an example.</summary>
internal static class RuleCodes
{
    public const string Unreadable = "RULE-001";
    public const string Syntax = "RULE-002";
    public const string Encoding = "RULE-003";
    public const string Bound = "RULE-004";
    public const string DuplicateMember = "RULE-005";
    public const string Include = "RULE-006";
    public const string Root = "RULE-007";

    public const string UnknownMember = "RULE-010";
    public const string MissingMember = "RULE-011";
    public const string WrongKind = "RULE-012";
    public const string OutOfRange = "RULE-013";
    public const string NotAChoice = "RULE-014";
    public const string BesideConfig = "RULE-015";

    public const string UnknownFilter = "RULE-020";
    public const string UnknownAction = "RULE-021";
    public const string FilterStage = "RULE-022";
    public const string ActionStage = "RULE-023";
    public const string NoStage = "RULE-024";

    public const string NoActions = "RULE-030";
    public const string DuplicateId = "RULE-031";
    public const string LegacyForm = "RULE-032";

    public const string Unreachable = "RULE-040";
    public const string NeverMatches = "RULE-041";
    public const string Contradiction = "RULE-042";
    public const string NoEffect = "RULE-043";
    public const string AlwaysMatches = "RULE-044";

    public const string ImportSyntax = "RULE-050";
    public const string ImportRegex = "RULE-051";
    public const string ImportFile = "RULE-052";
    public const string ImportValue = "RULE-053";
    public const string ImportSkipped = "RULE-054";
}

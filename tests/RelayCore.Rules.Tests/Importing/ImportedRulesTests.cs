using RelayCore.Rules.Documents;
using RelayCore.Rules.Importing;
using Xunit;

namespace RelayCore.Rules.Tests.Importing;

/// <summary>What the import writes loads with the types there are: a type or member that is missing fails this test.</summary>
public sealed class ImportedRulesTests
{
    [Fact]
    public void RulesOfAllOptions_Load()
    {
        var folder = Directory.CreateTempSubdirectory("relaycore-imported-");
        try
        {
            var problems = new RuleProblems();
            var text = MitmproxyRules.FromOptions(
                new()
                {
                    ModifyHeaders = ["/X-A/1", "/~q ~hq a/X-A/", "/~s/X-B/{{b}}", ";~bs x | ~q;X-C;c"],
                    ModifyBody = ["/~q/a/b", "/~s/a+\\\\d/$1"],
                    MapLocal = [$"|~m GET|/s/(.*)|{folder.FullName}"],
                    MapRemote = [";//(a|b)\\.example;//\\1.test"],
                    BlockList = ["/~d a.example/404", "/~u x/444", ":~bq secret:403"],
                    AntiCache = true,
                    AntiCompression = true,
                    StickyCookie = ".*",
                    StickyAuth = "~d a",
                },
                problems);
            var document = RuleDocument.Parse(text, "import.json", problems);
            Assert.Empty(problems.Items);
            Assert.Equal(21, document.Rules.Count);
            problems = new();
            var again = RuleDocument.Parse(MitmproxyRules.FromOptions(new() { ModifyBody = ["/a/b"] }, problems), "import.json", problems);
            Assert.Equal(["TransformStream", "TransformStream"], again.Rules.Select(x => x.Actions[0]["type"]!.Text));
            Assert.Empty(problems.Items);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}

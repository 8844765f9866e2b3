using RelayCore.Rules.Documents;
using Xunit;

namespace RelayCore.Rules.Tests.Documents;

/// <summary>Files that include files.</summary>
public sealed class IncludeTests : IDisposable
{
    private const string Rule = "filter: {type: All}\nactions: [{type: Drop}]\n";

    private readonly string _folder = Directory.CreateTempSubdirectory("relaycore-rules-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Include_IsRelativeToItsFile_AndKeepsItsPlace()
    {
        Write("main.yaml", "rules:\n- {id: first, filter: {type: All}, actions: [{type: Drop}]}\n- include: sub/a.yaml\n- {id: last, filter: {type: All}, actions: [{type: Drop}]}\n");
        Write("sub/a.yaml", "include: b.json\n");
        Write("sub/b.json", "[{\"id\":\"b\",\"filter\":{\"type\":\"All\"},\"actions\":[{\"type\":\"Drop\"}]}]");
        var (document, problems) = Load("main.yaml");
        Assert.Empty(problems.Items);
        Assert.Equal(["first", "b", "last"], document.Rules.Select(x => x.Id));
        Assert.Equal([At("main.yaml"), At("sub/a.yaml"), At("sub/b.json")], document.Files);
        Assert.Equal((At("sub"), At("sub/b.json")), (document.Rules[1].BaseDirectory, document.Rules[1].Node.Location.File));
    }

    [Fact]
    public void Pattern_TakesFilesInOrder_WithoutItself()
    {
        Write("all.yaml", "include: ['*.yaml', 'sub/**/*.yaml']\n");
        Write("b.yaml", "id: b\n" + Rule);
        Write("a.yaml", "id: a\n" + Rule);
        Write("a.txt", "id: no\n" + Rule);
        Write("sub/x/y/c.yaml", "id: c\n" + Rule);
        Write("sub/d.yaml", "id: d\n" + Rule);
        var (document, problems) = Load("all.yaml");
        Assert.Empty(problems.Items);
        Assert.Equal(["a", "b", "d", "c"], document.Rules.Select(x => x.Id));
        Assert.Contains(At("sub/x/y"), document.Folders);
    }

    [Fact]
    public void Pattern_WithoutFiles_IsAWarning()
    {
        Write("all.yaml", "include: none/*.yaml\n");
        var problem = Assert.Single(Load("all.yaml").Problems.Items);
        Assert.Equal((ProblemSeverity.Warning, RuleCodes.Include, "$.include"), (problem.Severity, problem.Code, problem.Path));
    }

    [Fact]
    public void Circle_IsAnErrorThatNamesTheChain()
    {
        Write("a.yaml", "include: b.yaml\n");
        Write("b.yaml", "rules:\n- include: c.yaml\n");
        Write("c.yaml", "include: [b.yaml]\n");
        var problem = Assert.Single(Load("a.yaml").Problems.Items);
        Assert.Equal((RuleCodes.Include, $"{At("c.yaml")}:1:11"), (problem.Code, problem.Location.ToString()));
        Assert.Contains("b.yaml -> c.yaml -> b.yaml", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void FileIncludedTwice_CountsOnce()
    {
        Write("a.yaml", "include: [b.yaml, c.yaml, d.yaml]\n");
        Write("b.yaml", "include: d.yaml\n");
        Write("c.yaml", "include: d.yaml\n");
        Write("d.yaml", "id: d\n" + Rule);
        var (document, problems) = Load("a.yaml");
        Assert.Empty(problems.Items);
        Assert.Single(document.Rules);
    }

    [Theory]
    [InlineData(8, false)]
    [InlineData(9, true)]
    public void Depth_IsBounded(int depth, bool isRefused)
    {
        for (var i = 0; i < depth; i++)
        {
            Write($"{i}.yaml", $"include: {i + 1}.yaml\n");
        }

        Write($"{depth}.yaml", Rule);
        Assert.Equal(isRefused ? [RuleCodes.Include] : [], Load("0.yaml").Problems.Items.Select(x => x.Code));
    }

    [Fact]
    public void MissingFile_NamesTheIncludeAndTheNearestFile()
    {
        Write("a.yaml", "rules:\n- include: mocks.yml\n");
        Write("mocks.yaml", Rule);
        var (document, problems) = Load("a.yaml");
        var problem = Assert.Single(problems.Items);
        Assert.Equal((RuleCodes.Unreadable, 2, 12), (problem.Code, problem.Location.Line, problem.Location.Column));
        Assert.Contains("`mocks.yaml`", problem.Suggestion, StringComparison.Ordinal);
        Assert.Contains(At("mocks.yml"), document.Files);
    }

    [Fact]
    public void Folder_IsNoFile()
    {
        Write("sub/a.yaml", Rule);
        var problem = Assert.Single(Load("sub").Problems.Items);
        Assert.Equal(RuleCodes.Unreadable, problem.Code);
        Assert.Contains("it is a folder", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ProblemsOfAllFiles_AreInOneReport()
    {
        Write("a.yaml", "include: [b.yaml, c.json]\nrules: [{filter: {type: Al}, actions: []}]\n");
        Write("b.yaml", "a: [\n");
        Write("c.json", "[{}]");
        Assert.Equal(
            [("b.yaml", RuleCodes.Syntax), ("c.json", RuleCodes.MissingMember), ("c.json", RuleCodes.MissingMember), ("a.yaml", RuleCodes.NoActions), ("a.yaml", RuleCodes.UnknownFilter)],
            Load("a.yaml").Problems.Items.Select(x => (Path.GetFileName(x.Location.File), x.Code)));
    }

    private void Write(string name, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(At(name))!);
        File.WriteAllText(At(name), text);
    }

    private string At(string name) => Path.Combine(_folder, name);

    private (RuleDocument Document, RuleProblems Problems) Load(string name)
    {
        var problems = new RuleProblems();
        return (RuleDocument.Load([At(name)], problems, ReferenceTypes.All), problems);
    }
}

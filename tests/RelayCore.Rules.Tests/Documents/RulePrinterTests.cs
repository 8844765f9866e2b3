using System.Text.Json;
using CsCheck;
using RelayCore.Rules.Documents;
using Xunit;

namespace RelayCore.Rules.Tests.Documents;

/// <summary>What is printed is the whole rule, and the same rule when it is read again.</summary>
public sealed class RulePrinterTests
{
    private const string Text =
        """
        [{"filter":{"type":"Host","config":"a.example"},"actions":[{"type":"Delay","config":{"ms":250}}]},
         {"id":"two","name":"é \"quoted\": # no","active":false,"priority":-3,"termination":"Stop","constraints":{"timeout_ms":20},
          "filter":{"type":"RequestHeader","config":{"name":"a","value":null}},
          "actions":[{"type":"MockResponse","config":{"status":200,"headers":{"x-y":"007","null":"true"},"body":"line\nline\u0000\ud83d\ude00 "}},{"type":"Drop"}]}]
        """;

    [Fact]
    public void Json_HasAllFieldsWithTheirDefaults()
    {
        using var json = JsonDocument.Parse(RulePrinter.Json(Reading.Parse(Text).Document.Rules));
        var rule = json.RootElement[0];
        Assert.Equal(
            ["id", "name", "active", "stage", "priority", "termination", "filter", "actions", "constraints"], rule.EnumerateObject().Select(x => x.Name));
        Assert.Equal(("RequestHeaders", 0, "Continue", true), (rule.GetProperty("stage").GetString(), rule.GetProperty("priority").GetInt32(), rule.GetProperty("termination").GetString(), rule.GetProperty("active").GetBoolean()));
        Assert.Equal(JsonValueKind.Null, rule.GetProperty("constraints").ValueKind);
        Assert.Equal("{\"type\":\"Delay\",\"config\":{\"ms\":250}}", JsonSerializer.Serialize(rule.GetProperty("actions")[0]));
        Assert.Equal(20, json.RootElement[1].GetProperty("constraints").GetProperty("timeout_ms").GetInt32());
    }

    [Theory]
    [InlineData("r.json")]
    [InlineData("r.yaml")]
    public void Printed_IsTheSameWhenReadAgain(string name)
    {
        var rules = Reading.Parse(Text).Document.Rules;
        var printed = name == "r.json" ? RulePrinter.Json(rules) : RulePrinter.Yaml(rules);
        var (again, problems) = Reading.Parse(printed, name);
        Assert.Empty(problems.Items);
        Assert.Equal(RulePrinter.Json(rules), RulePrinter.Json(again.Rules));
    }

    [Fact]
    public void Yaml_IsPlainWhereItMayBe()
    {
        var yaml = RulePrinter.Yaml([Reading.One("{\"id\":\"a\",\"name\":\"12\",\"filter\":{\"type\":\"All\"},\"actions\":[{\"type\":\"Drop\"}]}")]);
        Assert.Equal(
            """
            - id: a
              name: "12"
              active: true
              stage: RequestHeaders
              priority: 0
              termination: Continue
              filter:
                type: All
              actions:
              - type: Drop
              constraints: null

            """, yaml);
    }

    [Fact]
    public void AnyText_SurvivesYaml() =>
        Gen.String[0, 20].Where(x => !x.Any(char.IsSurrogate)).List[1, 4].Sample(
            texts =>
            {
                var make = new NodeFactory(default);
                var node = make.List([.. texts.Select(make.Text), make.Map(texts.Distinct().Select(x => (x, make.Text(x))))]);
                var problems = new RuleProblems();
                var again = RuleFile.Parse(YamlNodeWriter.Write(node), "r.yaml", problems);
                return problems.Items.Count == 0 && NodeText.Json(again[0]) == NodeText.Json(node);
            },
            iter: 5_000);
}

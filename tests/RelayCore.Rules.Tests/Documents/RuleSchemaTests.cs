using System.Text.Json;
using System.Text.RegularExpressions;
using RelayCore.Rules.Catalog;
using RelayCore.Rules.Documents;
using Xunit;

namespace RelayCore.Rules.Tests.Documents;

/// <summary>The JSON Schema, tried with a small validator of the keywords it uses: an unknown keyword fails the tests.</summary>
public sealed class RuleSchemaTests
{
    private static readonly JsonElement s_schema = JsonDocument.Parse(RuleSchema.Write(ReferenceTypes.All)).RootElement;

    [Theory]
    [InlineData("""{"filter":{"type":"Url","config":{"mode":"Contains","value":"/missing"}},"actions":[{"type":"MockResponse","config":{"status":200,"body":"OK"}}]}""")]
    [InlineData("""[{"id":"a","stage":"RequestHeaders","filter":{"type":"And","config":[{"type":"Host","config":"x"},{"type":"Not","config":{"type":"All"}}]},"actions":[{"type":"Drop"}],"constraints":null}]""")]
    [InlineData("""{"rules":[{"filter":{"type":"Protocol","config":"tcp"},"actions":[]}],"include":["a.yaml"],"x-a":5}""")]
    [InlineData("""{"groups":[{"id":"g","rules":[{"include":"x.yaml"}]}],"tests":[{"given":{},"expect":{}}]}""")]
    [InlineData("""[{"id":"b","active":true,"url_pattern":"x","method":null,"phase":"both"}]""")]
    [InlineData("""{"filter":{"type":"RequestHeader","config":{"name":"a","value":null}},"actions":[{"type":"MockResponse","config":{"status":200,"headers":[["a","b"],["a","c"]],"body":{"type":"File","value":"a"}}}]}""")]
    public void Right_IsValid(string text)
    {
        Assert.DoesNotContain(Reading.Parse(text, "r.json").Problems.Items, x => x is { Severity: ProblemSeverity.Error, Code: not RuleCodes.Include });
        Assert.Null(Validate(text));
    }

    [Theory]
    [InlineData("""{"filter":{"type":"All"}}""")]
    [InlineData("""{"filter":{"type":"Al"},"actions":[]}""")]
    [InlineData("""{"filter":{"type":"All"},"actions":[{"type":"Delay","ms":5}]}""")]
    [InlineData("""{"filter":{"type":"All"},"actions":[{"type":"Delay"}]}""")]
    [InlineData("""{"filter":{"type":"All"},"actions":[{"type":"Delay","config":{"ms":-1}}]}""")]
    [InlineData("""{"filter":{"type":"All"},"actions":[{"type":"Delay","config":{"ms":1.5}}]}""")]
    [InlineData("""{"filter":{"type":"All"},"actions":[{"type":"Delay","config":{"ms":1,"x":1}}]}""")]
    [InlineData("""{"filter":{"type":"Or","config":[{"type":"Protocol","config":"ip"}]},"actions":[]}""")]
    [InlineData("""{"filter":{"type":"Host","config":{"mode":"Like","value":"a"}},"actions":[]}""")]
    [InlineData("""{"stage":"RequestHeaders","filter":{"type":"StatusCode","config":404},"actions":[]}""")]
    [InlineData("""{"stage":"ResponseBody","filter":{"type":"All"},"actions":[{"type":"Redirect","config":{"location":"/"}}]}""")]
    [InlineData("""{"rules":[],"rule":[]}""")]
    [InlineData("""[{"url_pattern":"x","phase":"requests"}]""")]
    [InlineData("5")]
    public void Wrong_IsInvalid(string text)
    {
        Assert.NotEmpty(Reading.Parse(text, "r.json").Problems.Items);
        Assert.NotNull(Validate(text));
    }

    [Fact]
    public void Catalog_MakesASchema_WhoseExamplesAndDefaultsAreValid()
    {
        var schema = JsonDocument.Parse(RuleSchema.Write()).RootElement;
        foreach (var definition in schema.GetProperty("$defs").EnumerateObject())
        {
            if (definition.Value.TryGetProperty("examples", out var examples))
            {
                var what = definition.Name[..definition.Name.IndexOf('_', StringComparison.Ordinal)];
                Assert.All(examples.EnumerateArray(), x => Assert.Null(Check(schema, schema.GetProperty("$defs").GetProperty(what), x, "$")));
            }

            Defaults(schema, definition.Value, definition.Name);
        }

        Assert.Equal(
            RuleCatalog.Filters.Count + RuleCatalog.Actions.Count,
            schema.GetProperty("$defs").EnumerateObject().Count(x => x.Name.StartsWith("filter_", StringComparison.Ordinal) || x.Name.StartsWith("action_", StringComparison.Ordinal)));
    }

    private static void Defaults(JsonElement schema, JsonElement at, string path)
    {
        if (at.ValueKind == JsonValueKind.Object)
        {
            if (at.TryGetProperty("default", out var value) && at.TryGetProperty("description", out _))
            {
                Assert.True(Check(schema, at, value, path) is null, $"the default of {path} is not valid");
            }

            foreach (var member in at.EnumerateObject())
            {
                Defaults(schema, member.Value, $"{path}/{member.Name}");
            }
        }
    }

    private static string? Validate(string text)
    {
        using var instance = JsonDocument.Parse(text);
        return Check(s_schema, s_schema, instance.RootElement, "$");
    }

    /// <returns>What is wrong, or null.</returns>
    private static string? Check(JsonElement root, JsonElement schema, JsonElement value, string path)
    {
        if (schema.ValueKind is JsonValueKind.True or JsonValueKind.False)
        {
            return schema.ValueKind == JsonValueKind.True ? null : $"{path}: false";
        }

        foreach (var keyword in schema.EnumerateObject())
        {
            if (Keyword(root, schema, keyword.Name, keyword.Value, value, path) is { } wrong)
            {
                return wrong;
            }
        }

        return null;
    }

    private static string? Keyword(JsonElement root, JsonElement schema, string keyword, JsonElement says, JsonElement value, string path)
    {
        var isObject = value.ValueKind == JsonValueKind.Object;
        var isList = value.ValueKind == JsonValueKind.Array;
        switch (keyword)
        {
            case "$schema" or "$defs" or "title" or "description" or "default" or "examples" or "deprecated" or "then" or "else":
                return null;
            case "$ref":
                return Check(root, root.GetProperty("$defs").GetProperty(says.GetString()!["#/$defs/".Length..]), value, path);
            case "type":
                return (says.ValueKind == JsonValueKind.Array ? says.EnumerateArray() : Enumerable.Repeat(says, 1)).Any(x => Is(x.GetString()!, value)) ? null : $"{path}: type";
            case "enum":
                return says.EnumerateArray().Any(x => JsonElement.DeepEquals(x, value)) ? null : $"{path}: enum";
            case "const":
                return JsonElement.DeepEquals(says, value) ? null : $"{path}: const";
            case "pattern":
                return value.ValueKind != JsonValueKind.String || Regex.IsMatch(value.GetString()!, says.GetString()!, RegexOptions.ECMAScript) ? null : $"{path}: pattern";
            case "minimum":
                return value.ValueKind != JsonValueKind.Number || value.GetDouble() >= says.GetDouble() ? null : $"{path}: minimum";
            case "maximum":
                return value.ValueKind != JsonValueKind.Number || value.GetDouble() <= says.GetDouble() ? null : $"{path}: maximum";
            case "maxProperties":
                return !isObject || value.EnumerateObject().Count() <= says.GetInt32() ? null : $"{path}: maxProperties";
            case "minItems":
                return !isList || value.GetArrayLength() >= says.GetInt32() ? null : $"{path}: minItems";
            case "maxItems":
                return !isList || value.GetArrayLength() <= says.GetInt32() ? null : $"{path}: maxItems";
            case "required":
                return !isObject || says.EnumerateArray().All(x => value.TryGetProperty(x.GetString()!, out _)) ? null : $"{path}: required";
            case "properties":
                return !isObject ? null : says.EnumerateObject().Select(x => value.TryGetProperty(x.Name, out var found) ? Check(root, x.Value, found, $"{path}.{x.Name}") : null).FirstOrDefault(x => x is not null);
            case "patternProperties":
                return null;
            case "additionalProperties":
                return !isObject ? null : value.EnumerateObject().Where(x => !IsKnown(schema, x.Name)).Select(x => Check(root, says, x.Value, $"{path}.{x.Name}")).FirstOrDefault(x => x is not null);
            case "items":
                return !isList ? null : value.EnumerateArray().Select(x => Check(root, says, x, path + "[]")).FirstOrDefault(x => x is not null);
            case "prefixItems":
                return !isList ? null : value.EnumerateArray().Zip(says.EnumerateArray(), (x, y) => Check(root, y, x, path + "[]")).FirstOrDefault(x => x is not null);
            case "allOf":
                return says.EnumerateArray().Select(x => Check(root, x, value, path)).FirstOrDefault(x => x is not null);
            case "anyOf":
                return says.EnumerateArray().Any(x => Check(root, x, value, path) is null) ? null : $"{path}: anyOf";
            case "if":
                return schema.TryGetProperty(Check(root, says, value, path) is null ? "then" : "else", out var branch) ? Check(root, branch, value, path) : null;
            default:
                throw new InvalidOperationException($"the schema uses `{keyword}`, which this validator does not know");
        }
    }

    private static bool IsKnown(JsonElement schema, string name) =>
        (schema.TryGetProperty("properties", out var properties) && properties.TryGetProperty(name, out _))
        || (schema.TryGetProperty("patternProperties", out var patterns) && patterns.EnumerateObject().Any(x => Regex.IsMatch(name, x.Name)));

    private static bool Is(string type, JsonElement value) => type switch
    {
        "object" => value.ValueKind == JsonValueKind.Object,
        "array" => value.ValueKind == JsonValueKind.Array,
        "string" => value.ValueKind == JsonValueKind.String,
        "boolean" => value.ValueKind is JsonValueKind.True or JsonValueKind.False,
        "null" => value.ValueKind == JsonValueKind.Null,
        "number" => value.ValueKind == JsonValueKind.Number,
        "integer" => value.ValueKind == JsonValueKind.Number && value.GetDouble() == Math.Floor(value.GetDouble()),
        _ => throw new InvalidOperationException($"there is no type `{type}`"),
    };
}

using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.RegularExpressions;
using RelayCore.Rules;
using RelayCore.Rules.Catalog;

namespace RelayCore.Interop.Tests.Rules;

/// <summary>
/// docs/rules/filters.md and actions.md are made from the catalog and from what the rows of the matrix really did on the wire. The committed
/// files must be what comes out; RELAY_UPDATE_DOCS=1 writes them.
/// </summary>
public sealed partial class RuleDocumentationTests
{
    [Theory]
    [InlineData("filters")]
    [InlineData("actions")]
    public async Task Document_IsWhatCatalogAndWireSay(string name)
    {
        var text = new StringBuilder();
        await using var scene = await WireScene.StartAsync();
        if (name == "filters")
        {
            Begin(text, "Filters", "When a rule applies: `{\"type\": …, \"config\": …}`.");
            foreach (var type in RuleCatalog.Filters.Values.OrderBy(x => x.Name, StringComparer.Ordinal))
            {
                Describe(text, type.Name, type.Summary, type.Stages, type.Config, type.Example);
                await ShowAsync(text, scene, type.Name);
            }
        }
        else
        {
            Begin(text, "Actions", "What a rule does: `{\"type\": …, \"config\": …}`. Every text takes [variables](README.md#variables) unless it says otherwise.");
            foreach (var type in RuleCatalog.Actions.Values.OrderBy(x => x.Name, StringComparer.Ordinal))
            {
                Describe(text, type.Name, type.Summary, type.Stages, type.Config, type.Example);
                await ShowAsync(text, scene, type.Name);
            }
        }

        var file = System.IO.Path.Combine(Root(), "docs", "rules", name + ".md");
        if (Environment.GetEnvironmentVariable("RELAY_UPDATE_DOCS") == "1")
        {
            await File.WriteAllTextAsync(file, text.ToString(), TestContext.Current.CancellationToken);
        }

        Assert.Equal(text.ToString(), File.Exists(file) ? await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken) : "");
    }

    private static void Begin(StringBuilder text, string title, string lead) => text.Append(CultureInfo.InvariantCulture, $"""
        # {title}

        {lead}

        Made by a test from the catalog and from real exchanges of curl, the proxy and an origin: `-` is what an end receives without the rule, `+` with it.
        `RELAY_UPDATE_DOCS=1 ./test.sh --filter-class '*RuleDocumentationTests'` writes it anew.


        """);

    private static void Describe(StringBuilder text, string name, string summary, RuleStage stages, Shape shape, string? example)
    {
        var where = stages == RuleStage.All ? "every stage" : string.Join(", ", RuleStages.Ordered.Where(x => (stages & x) != 0));
        text.Append(CultureInfo.InvariantCulture, $"## {name}\n\n{summary} Stages: {where}.\n\n");
        if (shape.Value is { } value)
        {
            text.Append(CultureInfo.InvariantCulture, $"The config is a value: {value.Summary}\n\n");
        }

        if (shape.Properties.Count > 0)
        {
            text.Append("| config | | default |\n|---|---|---|\n");
            foreach (var property in shape.Properties)
            {
                var kind = property.Kind == PropertyKind.Choice ? string.Join(", ", property.Values.Select(x => $"`{x}`")) : property.Kind.ToString().ToLowerInvariant();
                text.Append(CultureInfo.InvariantCulture,
                    $"| `{property.Name}` | {Cell(property.Summary)} ({kind}) | {(property.IsRequired ? "required" : property.Default is { } otherwise ? $"`{Cell(otherwise)}`" : "")} |\n");
            }

            text.Append('\n');
        }

        text.Append(CultureInfo.InvariantCulture, $"```json\n{(example is null ? $$"""{"type":"{{name}}"}""" : $$$"""{"type":"{{{name}}}","config":{{{example}}}}""")}\n```\n\n");
    }

    private static string Cell(string text) => text.Replace("|", "\\|", StringComparison.Ordinal);

    private static async Task ShowAsync(StringBuilder text, WireScene scene, string type)
    {
        foreach (var wire in RuleMatrix.All.Where(x => x.Type == type))
        {
            var (without, with, _) = await scene.RunAsync(wire, WireVariant.Http1Sized);
            text.Append(CultureInfo.InvariantCulture, $"```yaml\n{wire.Rules.Trim()}\n```\n\n");
            var origin = with.Origin is null ? null : Difference(without.Origin!, with.Origin);
            var client = wire.Client is "reset" or "cut" ? null : Difference(without.Client, with.Client);
            text.Append(with.Origin is null ? "The origin is not asked.\n\n" : origin is null ? "" : $"The origin receives\n\n```diff\n{origin}\n```\n\n");
            text.Append(wire.Client is "reset" ? "The client's connection is reset.\n\n" : wire.Client is "cut" ? "The client's connection ends early.\n\n"
                : client is null ? "" : $"The client receives\n\n```diff\n{client}\n```\n\n");
            text.Append(wire.Tags.Count > 0 ? $"The flow has the tag `{wire.Tags[0]}`.\n\n" : "");
        }
    }

    /// <returns><see langword="null"/> when nothing changed.</returns>
    private static string? Difference(IReadOnlyList<string> without, IReadOnlyList<string> with)
    {
        var come = with.ToList();
        var lines = without.Select(x => (come.Remove(x) ? "  " : "- ") + x).Concat(come.Select(x => "+ " + Mask(x))).ToList();
        return lines.All(x => x.StartsWith("  ", StringComparison.Ordinal)) ? null : string.Join('\n', lines);
    }

    // What differs from run to run.
    private static string Mask(string line) => Times().Replace(Ids().Replace(line, "…"), "$1: …");

    private static string Root([CallerFilePath] string file = "")
    {
        // Built deterministically, the path is a made-up one: then the tests lie in the artifacts of the tree.
        var folder = File.Exists(file) ? System.IO.Path.GetDirectoryName(file)! : AppContext.BaseDirectory;
        while (!File.Exists(System.IO.Path.Combine(folder, "RelayCore.slnx")))
        {
            folder = System.IO.Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("the tests do not lie in their tree");
        }

        return folder;
    }

    [GeneratedRegex("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}")]
    private static partial Regex Ids();

    [GeneratedRegex("^(Last-Modified|ETag|Retry-After|RateLimit-Reset|Date): .*$")]
    private static partial Regex Times();
}

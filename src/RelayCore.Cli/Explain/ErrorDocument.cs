using System.Text;
using RelayCore.Core.Faults;

namespace RelayCore.Cli.Explain;

/// <summary>Makes <c>docs/errors.md</c> from the catalogue; a test fails when the file is stale.</summary>
internal static class ErrorDocument
{
    /// <summary>The document, Markdown, LF.</summary>
    public static string Write()
    {
        var text = new StringBuilder();
        text.Append("# Error codes\n\n");
        text.Append("What the proxy itself answers carries the code in `X-Relay-Core-Error`; the flow has it as `error.code`. `relay-core-cli explain CODE` says the same\n");
        text.Append("without a network. A status of - means that no answer is possible: the connection is closed. This file is made from the catalogue in\n");
        text.Append("`src/RelayCore.Core/Faults`; after a change there run the tests with `RELAY_UPDATE_DOCS=1`.\n\n");
        text.Append("| code | status | meaning |\n|---|---|---|\n");
        foreach (var entry in FaultCatalog.Entries)
        {
            text.Append($"| [{entry.Code}](#{entry.Code.ToLowerInvariant()}) | {Status(entry)} | {entry.Title} |\n");
        }

        foreach (var entry in FaultCatalog.Entries)
        {
            text.Append($"\n## {entry.Code}\n\n**{entry.Title}** (status {Status(entry)}, {entry.Clause})\n\n{entry.Explanation}\n\n");
            foreach (var step in entry.NextSteps)
            {
                text.Append($"- {step}\n");
            }
        }

        return text.ToString();
    }

    private static string Status(FaultEntry entry) => entry.Status == 0 ? "-" : entry.Status.ToString(System.Globalization.CultureInfo.InvariantCulture);
}

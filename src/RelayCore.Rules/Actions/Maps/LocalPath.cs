using RelayCore.Rules.Catalog;
using RelayCore.Rules.Documents;
using RelayCore.Rules.Execution;
using RelayCore.Rules.Templates;

namespace RelayCore.Rules.Actions.Maps;

/// <summary>Paths of files in a config: absolute, or from the folder of the rule file.</summary>
internal static class LocalPath
{
    /// <summary>The path for a flow.</summary>
    /// <exception cref="TemplateException">A variable brought a step out of its folder, or what is no path.</exception>
    public static string Of(Template template, RuleContext context, string baseDirectory)
    {
        var path = template.Expand(context);
        if (template.IsConstant)
        {
            return Path.GetFullPath(path, baseDirectory);
        }

        // The sandbox alone would allow a client to walk from mocks/ to its neighbours.
        if (path.Contains('\0', StringComparison.Ordinal) || path.Split('/', '\\').Contains(".."))
        {
            throw new TemplateException($"the path '{path.Replace('\0', ' ')}' leaves its folder");
        }

        // A variable may begin with the slash that was meant as a separator, so that only the template decides whether the path is absolute.
        return Path.IsPathRooted(template.Source) || !Path.IsPathRooted(path) ? Path.GetFullPath(path, baseDirectory) : Path.GetFullPath("." + path, baseDirectory);
    }

    /// <summary>Reports a constant path that may not be read, or that leads nowhere yet.</summary>
    public static void Check(Template template, RuleNode node, CompileScope scope)
    {
        if (!template.IsConstant)
        {
            return;
        }

        var text = template.Expand(null!);
        if (text.Length == 0 || text.Contains('\0', StringComparison.Ordinal))
        {
            scope.Problems.Error("RULE-416", node, "That is no path.");
            return;
        }

        var path = Path.GetFullPath(text, scope.BaseDirectory);
        if (Sandbox.Of(scope).Resolve(path, out var problem) is not { } real)
        {
            scope.Problems.Error("RULE-416", node, problem + ".", "Move it there, or set the sandbox root of the policy.");
        }
        else if (!Path.Exists(real))
        {
            scope.Problems.Warning("RULE-409", node, $"There is no '{template.Source}' in '{scope.BaseDirectory}' yet.");
        }
    }
}

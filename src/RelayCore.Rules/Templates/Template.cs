using System.Text;
using RelayCore.Rules.Catalog;
using RelayCore.Rules.Documents;
using RelayCore.Rules.Execution;

namespace RelayCore.Rules.Templates;

/// <summary>
/// A string with <c>{{variables}}</c>, compiled. Immutable. <c>{{{{</c> stands for <c>{{</c>; a variable that this flow has no value for is an empty
/// text. A result of more than 1 Mi characters fails.
/// </summary>
public sealed class Template
{
    /// <summary>Largest result, in characters.</summary>
    internal const int MaxLength = 1024 * 1024;

    // A builder that once held a body is not kept for all the short texts that follow.
    private const int RetainedLength = 16 * 1024;

    [ThreadStatic]
    private static StringBuilder? s_builder;

    private readonly Part[] _parts;
    private readonly string? _constant;

    private Template(string source, Part[] parts)
    {
        (Source, _parts) = (source, parts);
        _constant = parts.Length == 0 ? "" : parts is [{ Write: null }] ? parts[0].Text : null;
    }

    /// <summary>Whether it has no variables.</summary>
    public bool IsConstant => _constant is not null;

    /// <summary>As written.</summary>
    public string Source { get; }

    /// <summary>A text that is taken as it is.</summary>
    public static Template Literal(string text) => new(text, [new(text, null)]);

    /// <summary>Compiles a string; unknown variables are reported with their place and the nearest known name.</summary>
    public static Template Parse(RuleNode node, CompileScope scope) => Parse(node, scope, hasPrevious: false);

    /// <summary>Compiles a string.</summary>
    /// <param name="node">The string.</param>
    /// <param name="scope">The rule it is part of.</param>
    /// <param name="hasPrevious">Whether there is an old value, so that <c>{{previous}}</c> may be used.</param>
    internal static Template Parse(RuleNode node, CompileScope scope, bool hasPrevious)
    {
        ArgumentNullException.ThrowIfNull(node);
        ArgumentNullException.ThrowIfNull(scope);
        var text = node.Text;
        var parts = new List<Part>();
        var literal = new StringBuilder();
        for (var at = 0; at < text.Length;)
        {
            var rest = text.AsSpan(at);
            if (rest.StartsWith("{{{{"))
            {
                literal.Append("{{");
                at += 4;
            }
            else if (!rest.StartsWith("{{") || rest.StartsWith("{{{"))
            {
                // Of three braces the first is text: {"id":{{{uuid}}}} is an object around a variable.
                literal.Append(text[at++]);
            }
            else if (rest.IndexOf("}}") is var end && end < 0)
            {
                scope.Problems.Error("RULE-401", node, "'{{' begins a variable that has no end.", "Write '}}' behind its name, or '{{{{' for a literal '{{'.");
                literal.Append(rest);
                at = text.Length;
            }
            else
            {
                var name = rest[2..end].Trim().ToString();
                at += end + 2;
                if (TemplateVariables.Compile(name, node, scope, hasPrevious) is not { } variable)
                {
                    continue;
                }

                Flush(literal, parts);
                parts.Add(variable);
            }
        }

        Flush(literal, parts);
        return new(text, [.. parts]);
    }

    /// <summary>The text for a flow.</summary>
    /// <exception cref="TemplateException">It would be longer than 1 Mi characters.</exception>
    public string Expand(RuleContext context) => Expand(context, null);

    /// <summary>The text for a flow.</summary>
    /// <param name="context">The flow.</param>
    /// <param name="previous">Value of <c>{{previous}}</c>.</param>
    /// <param name="isReplacement">Whether it is the replacement of a regex, where <c>$</c> is special: values of variables are then taken literally.</param>
    internal string Expand(RuleContext context, string? previous, bool isReplacement = false)
    {
        if (_constant is not null)
        {
            return _constant;
        }

        // Taken while in use: a variable's writer may expand nothing itself, but a function of a program may.
        var builder = s_builder ?? new(256);
        s_builder = null;
        try
        {
            foreach (var part in _parts)
            {
                if (part.Write is null)
                {
                    builder.Append(part.Text);
                }
                else
                {
                    var start = builder.Length;
                    part.Write(builder, context, previous);
                    if (isReplacement)
                    {
                        builder.Replace("$", "$$", start, builder.Length - start);
                    }
                }

                if (builder.Length > MaxLength)
                {
                    throw new TemplateException($"the text would be longer than {MaxLength} characters with the value of {{{{{part.Text}}}}}");
                }
            }

            return builder.ToString();
        }
        finally
        {
            if (builder.Capacity <= RetainedLength)
            {
                s_builder = builder.Clear();
            }
        }
    }

    private static void Flush(StringBuilder literal, List<Part> parts)
    {
        if (literal.Length > 0)
        {
            parts.Add(new(literal.ToString(), null));
            literal.Clear();
        }
    }

    /// <summary>Writes the value a variable has for a flow; nothing when it has none.</summary>
    internal delegate void Writer(StringBuilder output, RuleContext context, string? previous);

    /// <summary>A literal, or a variable.</summary>
    /// <param name="Text">The literal, or the name.</param>
    /// <param name="Write">Writes the value of a variable; <see langword="null"/> for a literal.</param>
    internal readonly record struct Part(string Text, Writer? Write);
}

/// <summary>A template has no usable value for a flow; the action that needs it fails with the message as its reason.</summary>
public sealed class TemplateException : Exception
{
    /// <summary>For serializers and the like.</summary>
    public TemplateException()
    {
    }

    /// <summary>Says why.</summary>
    public TemplateException(string message)
        : base(message)
    {
    }

    /// <summary>Says why.</summary>
    public TemplateException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}

using System.Text;
using RelayCore.Protocols.Fields;
using RelayCore.Rules.Catalog;
using RelayCore.Rules.Documents;
using RelayCore.Rules.Execution;
using RelayCore.Rules.Templates;

namespace RelayCore.Rules.Actions.Headers;

/// <summary>Name of a field in a config, a template like every string. Immutable.</summary>
internal sealed class FieldName
{
    private readonly Template _template;

    private FieldName(Template template) => _template = template;

    /// <summary>Reads a member; a name that cannot stand in a head, or that frames the body, is reported.</summary>
    public static FieldName Read(ConfigReader config, string member)
    {
        var template = config.Template(member);
        if (template.IsConstant && Problem(template.Expand(null!)) is { } problem)
        {
            config.Error("RULE-410", member, problem);
        }

        return new(template);
    }

    /// <summary>The name for a flow.</summary>
    /// <exception cref="TemplateException">It cannot stand in a head, or frames the body.</exception>
    public string For(RuleContext context)
    {
        var name = _template.Expand(context);
        return _template.IsConstant || Problem(name) is not { } problem ? name : throw new TemplateException(problem);
    }

    /// <summary>Why a name cannot be used; <see langword="null"/> when it can.</summary>
    public static string? Problem(string name)
    {
        if (!Ascii.IsValid(name) || !FieldSyntax.IsToken(Encoding.ASCII.GetBytes(name)))
        {
            return $"'{name}' is not a field name: it must be a token (RFC 9110 §5.1).";
        }

        // Whoever writes the message frames it, so that no two readers see its end at different places.
        return KnownFields.Identify(Encoding.ASCII.GetBytes(name)) is KnownField.ContentLength or KnownField.TransferEncoding
            ? $"'{name}' frames the body, which the proxy does itself so that both sides agree where it ends (RFC 9112 §6)." : null;
    }
}

/// <summary>Value of a field in a config. Immutable.</summary>
internal sealed class FieldValue
{
    private readonly Template _template;

    private FieldValue(Template template) => _template = template;

    /// <summary>Reads a member; a constant that cannot stand in a head is reported.</summary>
    /// <param name="config">The config.</param>
    /// <param name="member">The member.</param>
    /// <param name="hasPrevious">Whether <c>{{previous}}</c> may be used.</param>
    public static FieldValue Read(ConfigReader config, string member, bool hasPrevious = false) =>
        config[member] is { IsNull: false } node ? Read(node, config.Scope, hasPrevious) : new(Template.Literal(""));

    /// <summary>Reads a value.</summary>
    public static FieldValue Read(RuleNode node, CompileScope scope, bool hasPrevious = false)
    {
        var template = Template.Parse(node, scope, hasPrevious);
        if (template.IsConstant && Problem(template.Expand(null!)) is { } problem)
        {
            scope.Problems.Error("RULE-411", node, $"The value {problem}.");
        }

        return new(template);
    }

    /// <summary>The value for a flow.</summary>
    /// <exception cref="TemplateException">It cannot stand in a head.</exception>
    public string For(RuleContext context, string? previous = null) => Checked(_template, context, previous);

    /// <summary>Expands a template for a head.</summary>
    /// <exception cref="TemplateException">It cannot stand in a head.</exception>
    public static string Checked(Template template, RuleContext context, string? previous = null)
    {
        var value = template.Expand(context, previous);
        return template.IsConstant || Problem(value) is not { } problem ? value : throw new TemplateException($"'{template.Source}' {problem}");
    }

    /// <summary>Why a text is no field value; <see langword="null"/> when it is one.</summary>
    public static string? Problem(string value)
    {
        for (var i = 0; i < value.Length; i++)
        {
            if (value[i] is < ' ' and not '\t' or '\u007F')
            {
                return FormattableString.Invariant($"has the control character 0x{(int)value[i]:X2} at {i}, which would end or break the field (RFC 9110 §5.5)");
            }

            if (value[i] > 0xFF)
            {
                return FormattableString.Invariant($"has U+{(int)value[i]:X4} at {i}, which is not an octet; encode it first (RFC 9110 §5.5)");
            }
        }

        return null;
    }
}

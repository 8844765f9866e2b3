using System.Text;
using RelayCore.Rules.Actions.Maps;
using RelayCore.Rules.Catalog;
using RelayCore.Rules.Documents;
using RelayCore.Rules.Execution;
using RelayCore.Rules.Templates;

namespace RelayCore.Rules.Actions.Answers;

/// <summary>Body of an answer made here: a text with variables, a file that is read again when it changed, or octets. Immutable.</summary>
internal sealed class AnswerBody
{
    private readonly ReadOnlyMemory<byte> _octets;
    private readonly Template? _text;
    private readonly Template? _path;
    private readonly string _base;
    private readonly Sandbox _sandbox;
    private readonly FileContent _file = new();

    private AnswerBody(CompileScope scope, ReadOnlyMemory<byte> octets, Template? text, Template? path)
    {
        (_octets, _text, _path) = (octets, text, path);
        (_base, _sandbox) = (scope.BaseDirectory, Sandbox.Of(scope));
        MediaType = path is { IsConstant: true } ? MediaTypes.Of(path.Expand(null!))
            : text is null ? "application/octet-stream" : "text/plain; charset=utf-8";
    }

    /// <summary>What it is when nobody says otherwise.</summary>
    public string MediaType { get; }

    /// <summary>Reads a member; <see langword="null"/> when it is absent or was reported.</summary>
    public static AnswerBody? Read(ConfigReader config, string member)
    {
        if (config[member] is not { IsNull: false } node)
        {
            return null;
        }

        var type = node.Kind == NodeKind.Map ? node["type"]?.Text ?? "Text" : "Text";
        var value = node.Kind == NodeKind.Map ? node["value"] ?? node : node;
        if (type.Equals("Base64", StringComparison.OrdinalIgnoreCase))
        {
            try
            {
                return new(config.Scope, Convert.FromBase64String(value.Text), null, null);
            }
            catch (FormatException)
            {
                config.Scope.Problems.Error("RULE-418", value, "The value is not base64.");
                return null;
            }
        }

        var template = Template.Parse(value, config.Scope);
        if (type.Equals("File", StringComparison.OrdinalIgnoreCase))
        {
            LocalPath.Check(template, value, config.Scope);
            return new(config.Scope, default, null, template);
        }

        return template.IsConstant ? new(config.Scope, Encoding.UTF8.GetBytes(template.Expand(null!)), template, null) : new(config.Scope, default, template, null);
    }

    /// <summary>Whether it is there without waiting.</summary>
    public bool IsImmediate => _path is null;

    /// <summary>The octets for a flow; for one that is immediate.</summary>
    public ReadOnlyMemory<byte> Get(RuleContext context) => _text is { IsConstant: false } ? Encoding.UTF8.GetBytes(_text.Expand(context)) : _octets;

    /// <summary>The octets for a flow.</summary>
    /// <exception cref="IOException">The file may not or cannot be read.</exception>
    public async ValueTask<ReadOnlyMemory<byte>> GetAsync(RuleContext context, CancellationToken cancellationToken) =>
        _path is null ? Get(context)
        : await _file.ReadAsync(LocalPath.Of(_path, context, _base), _sandbox, context.Environment.MaxLocalFile, cancellationToken).ConfigureAwait(false);
}

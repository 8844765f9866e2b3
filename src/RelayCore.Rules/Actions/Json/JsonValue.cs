using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using RelayCore.Rules.Catalog;
using RelayCore.Rules.Documents;
using RelayCore.Rules.Execution;
using RelayCore.Rules.Templates;

namespace RelayCore.Rules.Actions.Json;

/// <summary>A JSON value of a rule, with variables in its strings. Immutable. Numbers keep their text, members their order.</summary>
internal sealed class JsonValue
{
    private static readonly JsonWriterOptions s_writer = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true, MaxDepth = JsonOutline.MaxDepth };

    // Constants are written once, when there is no flow yet; they do not look at it.
    private static readonly RuleContext s_nowhere = new();

    private readonly Part? _part;
    private readonly Template? _text;
    private readonly byte[]? _constant;

    private JsonValue(Part? part, Template? text)
    {
        (_part, _text) = (part, text);
        if (text is { IsConstant: true })
        {
            _constant = OfText(text.Expand(s_nowhere));
        }
        else if (part is { IsConstant: true })
        {
            _constant = Write(part, s_nowhere);
        }
    }

    /// <summary>Compiles the value of <c>JsonPathSet</c>: a string is JSON when it parses so, otherwise a string (reference: rules §3); anything else is what it is.</summary>
    public static JsonValue? CompileLoose(RuleNode node, CompileScope scope) =>
        node.Kind == NodeKind.Text ? new(null, Template.Parse(node, scope)) : Compile(node, scope);

    /// <summary>Compiles a value that is meant as it stands in the file.</summary>
    /// <returns><see langword="null"/> when a number in it is not one of JSON; reported.</returns>
    public static JsonValue? Compile(RuleNode node, CompileScope scope) => Read(node, scope, 0) is { } part ? new(part, null) : null;

    /// <summary>The JSON text for a flow.</summary>
    public byte[] Expand(RuleContext context) => _constant ?? (_text is not null ? OfText(_text.Expand(context)) : Write(_part!, context));

    /// <summary>A string as JSON.</summary>
    public static byte[] Quote(string text)
    {
        var output = new ArrayBufferWriter<byte>(text.Length + 2);
        using (var writer = new Utf8JsonWriter(output, s_writer))
        {
            writer.WriteStringValue(text);
        }

        return output.WrittenSpan.ToArray();
    }

    private static byte[] OfText(string text)
    {
        var octets = System.Text.Encoding.UTF8.GetBytes(text);
        return IsJson(octets) ? octets.AsSpan().Trim(" \t\r\n"u8).ToArray() : Quote(text);
    }

    private static bool IsJson(ReadOnlySpan<byte> text)
    {
        try
        {
            var reader = new Utf8JsonReader(text, new JsonReaderOptions { MaxDepth = JsonOutline.MaxDepth });
            return reader.Read() && reader.TrySkip() && !reader.Read();
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static byte[] Write(Part part, RuleContext context)
    {
        var output = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(output, s_writer))
        {
            part.Write(writer, context);
        }

        return output.WrittenSpan.ToArray();
    }

    private static Part? Read(RuleNode node, CompileScope scope, int depth)
    {
        if (depth > JsonOutline.MaxDepth / 2)
        {
            scope.Problems.Error("RULE-505", node, $"The JSON is nested deeper than {JsonOutline.MaxDepth / 2} levels, so that edited documents could not be read again.");
            return null;
        }

        switch (node.Kind)
        {
            case NodeKind.Text:
                return new Part(Template.Parse(node, scope));
            case NodeKind.Number when !IsJson(System.Text.Encoding.UTF8.GetBytes(node.Text)):
                scope.Problems.Error("RULE-505", node, $"The number {node.Text} cannot be written in JSON (RFC 8259 §6).", "Write it in decimal, e.g. 12, -0.5 or 1e9, or quote it.");
                return null;
            case NodeKind.Map:
                var members = new List<(Template?, Part)>();
                foreach (var (name, value) in node.Members)
                {
                    if (Read(value, scope, depth + 1) is not { } part)
                    {
                        return null;
                    }

                    members.Add((Template.Parse(name, scope), part));
                }

                return new Part(NodeKind.Map, members);
            case NodeKind.List:
                var items = new List<(Template?, Part)>();
                foreach (var item in node.Items)
                {
                    if (Read(item, scope, depth + 1) is not { } part)
                    {
                        return null;
                    }

                    items.Add((null, part));
                }

                return new Part(NodeKind.List, items);
            default:
                return new Part(node.Kind == NodeKind.Null ? "null" : node.Text);
        }
    }

    /// <summary>A string, a literal, or a container.</summary>
    private sealed class Part
    {
        private readonly Template? _text;
        private readonly string? _literal;
        private readonly NodeKind _kind;
        private readonly List<(Template? Name, Part Value)> _children = [];

        public Part(Template text) => _text = text;

        public Part(string literal) => _literal = literal;

        public Part(NodeKind kind, List<(Template?, Part)> children) => (_kind, _children) = (kind, children);

        public bool IsConstant => _text is not { IsConstant: false } && _children.All(x => x.Name is not { IsConstant: false } && x.Value.IsConstant);

        public void Write(Utf8JsonWriter writer, RuleContext context)
        {
            if (_text is not null)
            {
                writer.WriteStringValue(_text.Expand(context));
                return;
            }

            if (_literal is not null)
            {
                writer.WriteRawValue(_literal, skipInputValidation: true);
                return;
            }

            var isMap = _kind == NodeKind.Map;
            if (isMap)
            {
                writer.WriteStartObject();
            }
            else
            {
                writer.WriteStartArray();
            }

            foreach (var (name, value) in _children)
            {
                if (name is not null)
                {
                    writer.WritePropertyName(name.Expand(context));
                }

                value.Write(writer, context);
            }

            if (isMap)
            {
                writer.WriteEndObject();
            }
            else
            {
                writer.WriteEndArray();
            }
        }
    }
}

using System.Text;
using System.Text.Json;
using GraphQLParser;
using GraphQLParser.AST;
using GraphQLParser.Exceptions;
using RelayCore.Protocols.Fields;
using RelayCore.Rules.Execution;

namespace RelayCore.Rules.Filters;

/// <summary>One operation of a GraphQL request.</summary>
/// <param name="Name">Its name; empty for an anonymous one.</param>
/// <param name="Type"><c>query</c>, <c>mutation</c> or <c>subscription</c>; <see langword="null"/> for a persisted one, which only has a name.</param>
/// <param name="Fields">Names of its outermost fields, those of fragments included.</param>
internal sealed record GraphQlOperation(string Name, string? Type, IReadOnlyList<string> Fields);

/// <summary>What a GraphQL request asks for; several operations in a batch.</summary>
internal sealed record GraphQlRequest(IReadOnlyList<GraphQlOperation> Operations)
{
    /// <summary>Requests in a batch that are read. Breach: the rest is not looked at.</summary>
    private const int MaxBatch = 64;

    /// <summary>Longest document read, in octets. Breach: it is not taken for GraphQL.</summary>
    private const int MaxDocument = 1024 * 1024;

    private static readonly ParserOptions s_options = new() { Ignore = IgnoreOptions.All, MaxDepth = RuleContext.MaxJsonDepth };

    /// <summary>Reads the request of a stage; <see langword="null"/> when it is none.</summary>
    public static GraphQlRequest? Read(RuleContext context)
    {
        var operations = new List<GraphQlOperation>();
        if (context.Message is not null)
        {
            // graphql-transport-ws puts the request into the payload.
            if (context.Json is { ValueKind: JsonValueKind.Object } message)
            {
                Add(operations, message.TryGetProperty("payload", out var payload) ? payload : message);
            }
        }
        else if (context.Exchange is { } exchange)
        {
            if (exchange.Request.MethodOctets.SequenceEqual("GET"u8))
            {
                FromQuery(operations, exchange.Request.Path);
            }
            else if (context.Content is { } content && MediaType(context) is { } type)
            {
                if (type == "application/graphql")
                {
                    Add(operations, Encoding.UTF8.GetString(content.Span[..Math.Min(content.Length, MaxDocument + 1)]), null);
                }
                else if (context.Json is { ValueKind: JsonValueKind.Array } batch)
                {
                    foreach (var item in batch.EnumerateArray().Take(MaxBatch))
                    {
                        Add(operations, item);
                    }
                }
                else if (context.Json is { } root)
                {
                    Add(operations, root);
                }
            }
        }

        return operations.Count == 0 ? null : new(operations);
    }

    /// <summary>Media type of the request when it may carry GraphQL.</summary>
    internal static string? MediaType(RuleContext context)
    {
        var fields = Facts.RequestFields(context);
        var index = fields?.IndexOf(KnownField.ContentType) ?? -1;
        if (index < 0)
        {
            return null;
        }

        var type = Facts.MediaType(fields!.Value(index));
        return Ascii.EqualsIgnoreCase(type, "application/graphql"u8) ? "application/graphql"
            : Ascii.EqualsIgnoreCase(type, "application/json"u8) || (type.Length > 5 && Ascii.EqualsIgnoreCase(type[^5..], "+json"u8)) ? "application/json"
            : null;
    }

    private static void FromQuery(List<GraphQlOperation> operations, string path)
    {
        var at = path.IndexOf('?', StringComparison.Ordinal);
        string? query = null, name = null;
        foreach (var pair in at < 0 ? [] : path[(at + 1)..].Split('&'))
        {
            if (pair.StartsWith("query=", StringComparison.Ordinal))
            {
                query ??= Uri.UnescapeDataString(pair[6..].Replace('+', ' '));
            }
            else if (pair.StartsWith("operationName=", StringComparison.Ordinal))
            {
                name ??= Uri.UnescapeDataString(pair[14..].Replace('+', ' '));
            }
        }

        if (query is not null || name is not null)
        {
            Add(operations, query, name);
        }
    }

    private static void Add(List<GraphQlOperation> operations, JsonElement request)
    {
        if (request.ValueKind == JsonValueKind.Object)
        {
            var (query, name) = (Text(request, "query"), Text(request, "operationName"));
            if (query is not null || name is not null)
            {
                Add(operations, query, name);
            }
        }

        static string? Text(JsonElement from, string name) => from.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
    }

    private static void Add(List<GraphQlOperation> operations, string? query, string? name)
    {
        if (query is null)
        {
            operations.Add(new(name!, null, []));
            return;
        }

        if (query.Length > MaxDocument)
        {
            return;
        }

        try
        {
            var document = Parser.Parse(query, s_options);
            var all = document.Definitions.OfType<GraphQLOperationDefinition>();
            if (all.FirstOrDefault(x => name is null || x.Name?.StringValue == name) is { } operation)
            {
                var fields = new List<string>();
                var fragments = document.Definitions.OfType<GraphQLFragmentDefinition>().ToDictionary(x => x.FragmentName.Name.StringValue, StringComparer.Ordinal);
                AddFields(fields, operation.SelectionSet, fragments);
                operations.Add(new(operation.Name?.StringValue ?? "", operation.Operation.ToString().ToLowerInvariant(), fields));
            }
        }
        catch (Exception exception) when (exception is GraphQLParserException or ArgumentException)
        {
            // Not GraphQL, or two fragments of one name: nothing to match.
        }
    }

    // A fragment counts once, so that those that name each other end.
    private static void AddFields(List<string> fields, GraphQLSelectionSet set, Dictionary<string, GraphQLFragmentDefinition> fragments)
    {
        foreach (var selection in set.Selections)
        {
            switch (selection)
            {
                case GraphQLField field:
                    fields.Add(field.Name.StringValue);
                    break;
                case GraphQLInlineFragment inline:
                    AddFields(fields, inline.SelectionSet, fragments);
                    break;
                case GraphQLFragmentSpread spread when fragments.Remove(spread.FragmentName.Name.StringValue, out var fragment):
                    AddFields(fields, fragment.SelectionSet, fragments);
                    break;
            }
        }
    }
}

/// <summary>Whether a GraphQL operation is asked for.</summary>
internal sealed class GraphQlCondition(Matcher? operation, string? type, Matcher? field, RuleStage stage) : Condition
{
    public override string Text { get; } = "GraphQL" + (type is null ? "" : " " + type)
        + (operation is null ? "" : $" operation {operation.Text}") + (field is null ? "" : $" field {field.Text}");

    public override RuleStage KnownAt => stage;

    public override Truth Evaluate(RuleContext context)
    {
        if ((stage & context.Stage) == 0)
        {
            // So that bodies which cannot be GraphQL are not held for it.
            return stage == RuleStage.RequestBody && context.Stage == RuleStage.RequestHeaders && context.Exchange is { } exchange
                && !exchange.Request.MethodOctets.SequenceEqual("GET"u8) && GraphQlRequest.MediaType(context) is null ? Truth.False : Truth.Unknown;
        }

        if (context.GraphQl is { } request)
        {
            for (var i = 0; i < request.Operations.Count; i++)
            {
                var found = request.Operations[i];
                if ((type is null || found.Type == type)
                    && (operation?.Matches(found.Name.AsSpan(), context) ?? true)
                    && (field is null || Facts.Any(found.Fields, context, field)))
                {
                    return Truth.True;
                }
            }
        }

        return Truth.False;
    }
}

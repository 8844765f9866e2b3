using System.Text;
using RelayCore.Core.Messages;
using RelayCore.Protocols.Fields;
using RelayCore.Rules.Catalog;
using RelayCore.Rules.Execution;
using RelayCore.Rules.Templates;

namespace RelayCore.Rules.Actions.Headers;

/// <summary>Actions on the query of a request and on urlencoded forms. Names and values are given plain and encoded here; other pairs stay as written.</summary>
internal static class PairActions
{
    private const RuleStage OnRequest = RuleStage.RequestHeaders | RuleStage.RequestBody;

    /// <summary>All of them.</summary>
    public static IReadOnlyList<ActionType> All { get; } =
    [
        new("SetQuery", OnRequest, "Sets a parameter of the query; further ones of that name go. {{previous}} is the old value.", Pair("parameter"),
            c => new EditQuery(Edit.Set, c.Template("name"), Value(c)))
        {
            Example = """{"name":"debug","value":"1"}""",
        },
        new("AddQuery", OnRequest, "Appends a parameter to the query, whatever parameters of that name there are.", Pair("parameter"),
            c => new EditQuery(Edit.Add, c.Template("name"), c.Template("value")))
        {
            Example = """{"name":"tag","value":"{{client.ip}}"}""",
        },
        new("DeleteQuery", OnRequest, "Removes every parameter of a name from the query.", Name("parameter"),
            c => new EditQuery(Edit.Delete, c.Template("name"), Template.Literal("")))
        {
            Example = """{"name":"utm_source"}""",
        },
        new("SetFormField", RuleStage.RequestBody,
            "Sets a field of a urlencoded request body; further ones of that name go. {{previous}} is the old value.", Pair("field"),
            c => new EditForm(Edit.Set, c.Template("name"), Value(c)))
        {
            Example = """{"name":"user","value":"alice"}""",
        },
        new("DeleteFormField", RuleStage.RequestBody, "Removes every field of a name from a urlencoded request body.", Name("field"),
            c => new EditForm(Edit.Delete, c.Template("name"), Template.Literal("")))
        {
            Example = """{"name":"csrf"}""",
        },
    ];

    private enum Edit
    {
        Set,
        Add,
        Delete,
    }

    private static Shape Name(string what) => Shape.Of(HeaderActions.Template("name", $"Name of the {what}, not encoded."));

    private static Shape Pair(string what) => Shape.Of(
        HeaderActions.Template("name", $"Name of the {what}, not encoded."), HeaderActions.Template("value", "Its value, not encoded."));

    private static Template Value(ConfigReader config) => config["value"] is { } node ? Template.Parse(node, config.Scope, hasPrevious: true) : Template.Literal("");

    /// <returns>The edited pairs; <see langword="null"/> when there was nothing to do.</returns>
    private static string? Apply(Edit edit, string pairs, string name, Template value, RuleContext context, bool isForm)
    {
        switch (edit)
        {
            case Edit.Set:
                return PairText.Set(pairs, name, value.Expand(context, PairText.Get(pairs, name)), isForm);
            case Edit.Add:
                return PairText.Add(pairs, name, value.Expand(context), isForm);
            default:
                return PairText.Delete(ref pairs, name) > 0 ? pairs : null;
        }
    }

    private sealed class EditQuery(Edit edit, Template name, Template value) : ImmediateAction
    {
        protected override ActionResult Run(RuleContext context)
        {
            if (context.Exchange?.Request is not { } request || request.PathOctets is not [(byte)'/', ..])
            {
                return ActionResult.NoEffect("the request has no path");
            }

            var path = request.Path;
            var mark = path.IndexOf('?', StringComparison.Ordinal);
            var parameter = name.Expand(context);
            if (Apply(edit, mark < 0 ? "" : path[(mark + 1)..], parameter, value, context, isForm: false) is not { } query)
            {
                return ActionResult.NoEffect($"the query has no '{parameter}'");
            }

            var before = mark < 0 ? path : path[..mark];
            request.Path = query.Length == 0 ? before : $"{before}?{query}";
            return ActionResult.Done;
        }
    }

    private sealed class EditForm(Edit edit, Template name, Template value) : ImmediateAction
    {
        protected override ActionResult Run(RuleContext context)
        {
            if (context.Exchange?.Request is not { } request || context.Body is not { } body || !IsForm(request))
            {
                return ActionResult.NoEffect("the body is not application/x-www-form-urlencoded");
            }

            var content = body.Content;
            if (body.DecodingProblem is { } problem)
            {
                return ActionResult.Failed($"the body cannot be decoded: {problem}");
            }

            // Octet for octet, so that what is not touched stays whatever its charset is.
            var field = name.Expand(context);
            if (Apply(edit, Encoding.Latin1.GetString(content.Span), field, value, context, isForm: true) is not { } form)
            {
                return ActionResult.NoEffect($"the form has no '{field}'");
            }

            body.ReplaceContent(Encoding.Latin1.GetBytes(form));
            return ActionResult.Done;
        }

        private static bool IsForm(RequestHead request)
        {
            var index = request.Fields.IndexOf(KnownField.ContentType);
            return index >= 0 && Encoding.Latin1.GetString(request.Fields.Value(index)).Split(';')[0].Trim()
                .Equals("application/x-www-form-urlencoded", StringComparison.OrdinalIgnoreCase);
        }
    }
}

using System.Text;
using System.Text.RegularExpressions;
using RelayCore.Protocols.Fields;
using RelayCore.Rules.Actions.Headers;
using RelayCore.Rules.Catalog;
using RelayCore.Rules.Execution;
using RelayCore.Rules.Templates;

namespace RelayCore.Rules.Actions;

/// <summary>Actions on field lines, cookies, query and form. An edit changes only its own line; order and case of the others stay.</summary>
internal static class HeaderActions
{
    private const RuleStage OnRequest = RuleStage.RequestHeaders | RuleStage.RequestBody;
    private const RuleStage OnResponse = RuleStage.ResponseHeaders | RuleStage.ResponseBody;

    /// <summary>All of them.</summary>
    public static IReadOnlyList<ActionType> All { get; } = [.. OfLines(), .. PairActions.All, .. CookieActions.All, .. PolicyActions.All];

    /// <summary>Field lines of the message an action is about.</summary>
    internal static FieldSection Fields(RuleContext context, bool isRequest)
    {
        var exchange = context.Exchange ?? throw new InvalidOperationException("there is no exchange whose head could be changed");
        return isRequest ? exchange.Request.Fields : exchange.Response.Fields;
    }

    internal static Property Template(string name, string summary, bool isRequired = true, string? otherwise = null) =>
        new(name, PropertyKind.Template, summary) { IsRequired = isRequired, Default = otherwise };

    private static IEnumerable<ActionType> OfLines()
    {
        foreach (var isRequest in new[] { true, false })
        {
            var (message, stages) = isRequest ? ("Request", OnRequest) : ("Response", OnResponse);
            var head = isRequest ? "request" : "response";
            var example = isRequest ? "X-Env" : "X-Frame-Options";
            yield return new($"Add{message}Header", stages, $"Appends a field line to the {head}, whatever lines of that name there are.",
                Shape.Of(Template("name", "Name of the field."), Template("value", "Its value.")),
                c => new AddField(FieldName.Read(c, "name"), FieldValue.Read(c, "value"), isRequest))
            {
                Example = isRequest ? """{"name":"X-Env","value":"{{client.ip}}"}""" : """{"name":"X-Proxy","value":"relay"}""",
            };
            yield return new($"Update{message}Header", stages,
                $"Rewrites the value of every field line of a name in the {head}; {{{{previous}}}} is the first old value.",
                Shape.Of(
                    Template("name", "Name of the field."),
                    Template("value", "The new value of every line."),
                    new("add_if_missing", PropertyKind.Boolean, "Whether to append a line when there is none.") { Default = "false" }),
                c => new UpdateField(FieldName.Read(c, "name"), FieldValue.Read(c, "value", hasPrevious: true), c.Boolean("add_if_missing"), isRequest))
            {
                Example = isRequest
                    ? """{"name":"User-Agent","value":"{{previous}} qa","add_if_missing":true}"""
                    : """{"name":"Server","value":"{{previous}} via relay","add_if_missing":true}""",
            };
            yield return new($"Delete{message}Header", stages, $"Removes every field line of a name from the {head}.",
                Shape.Of(Template("name", "Name of the field.")), c => new DeleteField(FieldName.Read(c, "name"), isRequest))
            {
                Example = isRequest ? """{"name":"Referer"}""" : """{"name":"Content-Security-Policy"}""",
            };
            yield return new($"Set{message}Header", stages, $"Leaves exactly one field line of a name in the {head}: the first keeps its place, further ones go.",
                Shape.Of(Template("name", "Name of the field."), Template("value", "Its value.")),
                c => new SetField(FieldName.Read(c, "name"), FieldValue.Read(c, "value"), isRequest))
            {
                Example = $$"""{"name":"{{example}}","value":"test"}""",
            };
            yield return new($"Rename{message}Header", stages, $"Gives every field line of a name in the {head} another name; places and values stay.",
                Shape.Of(Template("name", "The old name."), Template("to", "The new name.")),
                c => new RenameField(FieldName.Read(c, "name"), FieldName.Read(c, "to"), isRequest))
            {
                Example = $$"""{"name":"{{example}}","to":"X-Was-{{example}}"}""",
            };
            yield return new($"ReplaceIn{message}Header", stages, $"Replaces what a regex matches in the values of a field of the {head}.",
                Shape.Of(
                    Template("name", "Name of the field."),
                    new("pattern", PropertyKind.Text, "Regex, run in linear time.") { IsRequired = true },
                    Template("replacement", "What comes instead; $1 or ${name} for what a group matched, $$ for a dollar sign."),
                    new("ignore_case", PropertyKind.Boolean, "Whether letters match without case.") { Default = "false" }),
                c => LinearRegex.Compile(c, "pattern", c.Boolean("ignore_case")) is { } regex
                    ? new ReplaceInField(FieldName.Read(c, "name"), regex, c.Template("replacement"), isRequest) : null)
            {
                Example = isRequest
                    ? """{"name":"User-Agent","pattern":"curl/(\\d+)","replacement":"agent-$1"}"""
                    : """{"name":"Server","pattern":"^(\\w+).*","replacement":"$1"}""",
            };
        }
    }

    private sealed class AddField(FieldName name, FieldValue value, bool isRequest) : ImmediateAction
    {
        protected override ActionResult Run(RuleContext context)
        {
            Fields(context, isRequest).Add(name.For(context), value.For(context));
            return ActionResult.Done;
        }
    }

    private sealed class UpdateField(FieldName name, FieldValue value, bool addsIfMissing, bool isRequest) : ImmediateAction
    {
        protected override ActionResult Run(RuleContext context)
        {
            var fields = Fields(context, isRequest);
            var fieldName = name.For(context);
            var octets = Encoding.ASCII.GetBytes(fieldName);
            var index = fields.IndexOf(octets);
            if (index < 0)
            {
                if (!addsIfMissing)
                {
                    return ActionResult.NoEffect($"there is no {fieldName}");
                }

                fields.Add(fieldName, value.For(context));
                return ActionResult.Done;
            }

            var updated = value.For(context, Encoding.Latin1.GetString(fields.Value(index)));
            for (; index >= 0; index = fields.IndexOf(octets, index + 1))
            {
                fields.SetValue(index, updated);
            }

            return ActionResult.Done;
        }
    }

    private sealed class DeleteField(FieldName name, bool isRequest) : ImmediateAction
    {
        protected override ActionResult Run(RuleContext context)
        {
            var fieldName = name.For(context);
            return Fields(context, isRequest).Remove(fieldName) > 0 ? ActionResult.Done : ActionResult.NoEffect($"there is no {fieldName}");
        }
    }

    private sealed class SetField(FieldName name, FieldValue value, bool isRequest) : ImmediateAction
    {
        protected override ActionResult Run(RuleContext context)
        {
            Fields(context, isRequest).Set(name.For(context), value.For(context));
            return ActionResult.Done;
        }
    }

    private sealed class RenameField(FieldName name, FieldName to, bool isRequest) : ImmediateAction
    {
        protected override ActionResult Run(RuleContext context)
        {
            var fields = Fields(context, isRequest);
            var (from, renamed) = (name.For(context), to.For(context));
            var octets = Encoding.ASCII.GetBytes(from);
            var index = fields.IndexOf(octets);
            if (index < 0)
            {
                return ActionResult.NoEffect($"there is no {from}");
            }

            for (; index >= 0; index = fields.IndexOf(octets, index + 1))
            {
                fields.Rename(index, renamed);
            }

            return ActionResult.Done;
        }
    }

    private sealed class ReplaceInField(FieldName name, Regex regex, Template replacement, bool isRequest) : ImmediateAction
    {
        protected override ActionResult Run(RuleContext context)
        {
            var fields = Fields(context, isRequest);
            var fieldName = name.For(context);
            var octets = Encoding.ASCII.GetBytes(fieldName);
            var (found, changed) = (false, false);
            string? expanded = null;
            for (var index = fields.IndexOf(octets); index >= 0; index = fields.IndexOf(octets, index + 1))
            {
                found = true;
                var value = Encoding.Latin1.GetString(fields.Value(index));
                if (!regex.IsMatch(value))
                {
                    continue;
                }

                expanded ??= replacement.Expand(context, null, isReplacement: true);
                var replaced = regex.Replace(value, expanded);
                if (FieldValue.Problem(replaced) is { } problem)
                {
                    return ActionResult.Failed($"the new value of {fieldName} {problem}");
                }

                changed = true;
                fields.SetValue(index, replaced);
            }

            return changed ? ActionResult.Done : ActionResult.NoEffect(found ? $"the pattern matches nothing in {fieldName}" : $"there is no {fieldName}");
        }
    }
}

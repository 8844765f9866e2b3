using System.Globalization;
using System.Text;
using RelayCore.Protocols.Fields;
using RelayCore.Rules.Catalog;
using RelayCore.Rules.Execution;
using RelayCore.Rules.Templates;

namespace RelayCore.Rules.Actions.Headers;

/// <summary>Actions on the cookies of a request and on those a response sets.</summary>
internal static class CookieActions
{
    private const RuleStage OnRequest = RuleStage.RequestHeaders | RuleStage.RequestBody;
    private const RuleStage OnResponse = RuleStage.ResponseHeaders | RuleStage.ResponseBody;

    /// <summary>All of them.</summary>
    public static IReadOnlyList<ActionType> All { get; } =
    [
        new("SetRequestCookie", OnRequest, "Sets a cookie of the request; the others stay. {{previous}} is the old value.",
            Shape.Of(HeaderActions.Template("name", "Name of the cookie."), HeaderActions.Template("value", "Its value.")),
            c => new SetRequestCookie(c.Template("name"), FieldValue.Read(c, "value", hasPrevious: true)))
        {
            Example = """{"name":"session","value":"test"}""",
        },
        new("DeleteRequestCookie", OnRequest, "Removes a cookie from the request; a Cookie line that is empty then goes.",
            Shape.Of(HeaderActions.Template("name", "Name of the cookie.")), c => new DeleteRequestCookie(c.Template("name")))
        {
            Example = """{"name":"tracking"}""",
        },
        new("SetResponseCookie", OnResponse, "Sets a cookie by a Set-Cookie line, in the place of the line that sets it already if there is one.",
            Shape.Of(
                HeaderActions.Template("name", "Name of the cookie."),
                HeaderActions.Template("value", "Its value."),
                HeaderActions.Template("domain", "Domain attribute; absent for the host alone.", isRequired: false),
                HeaderActions.Template("path", "Path attribute.", isRequired: false),
                new("max_age", PropertyKind.Integer, "Max-Age attribute, in seconds; 0 deletes it in the client.") { Min = 0, Max = int.MaxValue },
                HeaderActions.Template("expires", "Expires attribute, an HTTP date.", isRequired: false),
                new("secure", PropertyKind.Boolean, "Secure attribute.") { Default = "false" },
                new("http_only", PropertyKind.Boolean, "HttpOnly attribute.") { Default = "false" },
                new("same_site", PropertyKind.Choice, "SameSite attribute.") { Values = ["Strict", "Lax", "None"] },
                new("partitioned", PropertyKind.Boolean, "Partitioned attribute.") { Default = "false" }),
            c => new SetResponseCookie(c))
        {
            Example = """{"name":"session","value":"{{uuid}}","path":"/","max_age":3600,"secure":true,"http_only":true,"same_site":"Lax"}""",
        },
        new("DeleteResponseCookie", OnResponse, "Removes the Set-Cookie lines that set a cookie.",
            Shape.Of(HeaderActions.Template("name", "Name of the cookie.")), c => new DeleteResponseCookie(c.Template("name")))
        {
            Example = """{"name":"tracking"}""",
        },
    ];

    private static string Name(Template template, RuleContext context)
    {
        var name = template.Expand(context);
        return Ascii.IsValid(name) && FieldSyntax.IsToken(Encoding.ASCII.GetBytes(name))
            ? name : throw new TemplateException($"'{name}' is not a name of a cookie: it must be a token (RFC 6265 §4.1.1)");
    }

    private static string Value(string value) =>
        CookieText.IndexOfInvalid(value) is var at && at < 0
            ? value
            : throw new TemplateException(FormattableString.Invariant(
                $"the value of the cookie has U+{(int)value[at]:X4} at {at}, which would end it (RFC 6265 §4.1.1)"));

    /// <summary>Index of the next Set-Cookie line that sets a cookie, or -1.</summary>
    private static int IndexOf(FieldSection fields, string name, int from)
    {
        for (var index = fields.IndexOf("Set-Cookie"u8, from); index >= 0; index = fields.IndexOf("Set-Cookie"u8, index + 1))
        {
            var value = Encoding.Latin1.GetString(fields.Value(index));
            if (value.IndexOf('=', StringComparison.Ordinal) is var equals && equals > 0 && value.AsSpan(0, equals).Trim().SequenceEqual(name))
            {
                return index;
            }
        }

        return -1;
    }

    private sealed class SetRequestCookie(Template name, FieldValue value) : ImmediateAction
    {
        protected override ActionResult Run(RuleContext context)
        {
            var fields = HeaderActions.Fields(context, isRequest: true);
            var cookie = Name(name, context);
            CookieText.Set(fields, cookie, Value(value.For(context, CookieText.Get(fields, cookie))));
            return ActionResult.Done;
        }
    }

    private sealed class DeleteRequestCookie(Template name) : ImmediateAction
    {
        protected override ActionResult Run(RuleContext context)
        {
            var cookie = name.Expand(context);
            return CookieText.Delete(HeaderActions.Fields(context, isRequest: true), cookie) > 0
                ? ActionResult.Done : ActionResult.NoEffect($"there is no cookie '{cookie}'");
        }
    }

    private sealed class SetResponseCookie(ConfigReader config) : ImmediateAction
    {
        private readonly Template _name = config.Template("name");
        private readonly FieldValue _value = FieldValue.Read(config, "value");
        private readonly string _flags =
            (config.Has("max_age") ? string.Create(CultureInfo.InvariantCulture, $"; Max-Age={config.Integer("max_age")}") : "")
            + (config.Boolean("secure") ? "; Secure" : "")
            + (config.Boolean("http_only") ? "; HttpOnly" : "")
            + (config.Has("same_site") ? $"; SameSite={config.Choice("same_site", SameSite.Lax)}" : "")
            + (config.Boolean("partitioned") ? "; Partitioned" : "");

        private readonly (string Name, FieldValue Value)[] _attributes =
        [
            .. new[] { ("domain", "Domain"), ("path", "Path"), ("expires", "Expires") }
                .Where(x => config.Has(x.Item1)).Select(x => (x.Item2, FieldValue.Read(config, x.Item1))),
        ];

        private enum SameSite
        {
            Strict,
            Lax,
            None,
        }

        protected override ActionResult Run(RuleContext context)
        {
            var fields = HeaderActions.Fields(context, isRequest: false);
            var name = Name(_name, context);
            var line = $"{name}={Value(_value.For(context))}";
            foreach (var (attribute, value) in _attributes)
            {
                line += $"; {attribute}={Value(value.For(context))}";
            }

            line += _flags;
            var index = IndexOf(fields, name, 0);
            if (index < 0)
            {
                fields.Add("Set-Cookie", line);
                return ActionResult.Done;
            }

            fields.SetValue(index, line);
            for (var next = IndexOf(fields, name, index + 1); next >= 0; next = IndexOf(fields, name, next))
            {
                fields.RemoveAt(next);
            }

            return ActionResult.Done;
        }
    }

    private sealed class DeleteResponseCookie(Template name) : ImmediateAction
    {
        protected override ActionResult Run(RuleContext context)
        {
            var fields = HeaderActions.Fields(context, isRequest: false);
            var cookie = name.Expand(context);
            var index = IndexOf(fields, cookie, 0);
            if (index < 0)
            {
                return ActionResult.NoEffect($"the response sets no cookie '{cookie}'");
            }

            for (; index >= 0; index = IndexOf(fields, cookie, index))
            {
                fields.RemoveAt(index);
            }

            return ActionResult.Done;
        }
    }
}

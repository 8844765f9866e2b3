using System.Globalization;
using System.Text;
using RelayCore.Core.Interception;
using RelayCore.Protocols.Fields;
using RelayCore.Rules.Catalog;
using RelayCore.Rules.Execution;
using RelayCore.Rules.Templates;

namespace RelayCore.Rules.Actions.Headers;

/// <summary>Actions that change several fields with one purpose: sharing between origins, caching, compression, credentials.</summary>
internal static class PolicyActions
{
    private const RuleStage BothHeads = RuleStage.RequestHeaders | RuleStage.ResponseHeaders;

    /// <summary>All of them.</summary>
    public static IReadOnlyList<ActionType> All { get; } =
    [
        new("Cors", BothHeads,
            "Allows pages of other origins: at RequestHeaders a preflight is answered with 204 without asking the server, at ResponseHeaders the response "
            + "gets its fields. A rule each for both.",
            Shape.Of(
                new("origins", PropertyKind.List, "Origins that are allowed; \"*\" for all.") { Items = Text("origin"), Default = """["*"]""" },
                new("methods", PropertyKind.List, "Methods that are allowed; the one asked for when absent.") { Items = Text("method") },
                new("headers", PropertyKind.List, "Request fields that are allowed; those asked for when absent.") { Items = Text("name") },
                new("expose", PropertyKind.List, "Response fields pages may read.") { Items = Text("name") },
                new("credentials", PropertyKind.Boolean, "Whether cookies may be sent.") { Default = "false" },
                new("max_age", PropertyKind.Integer, "Seconds a preflight's answer is kept by the client.") { Min = 0, Max = 86_400 }),
            c => new Cors(c))
        {
            Example = """{"origins":["*"],"credentials":true,"max_age":600}""",
        },
        new("RemoveCaching", BothHeads,
            "Makes every response come whole and fresh: the request loses If-None-Match, If-Modified-Since and If-Range, the response its validators, "
            + "and is not to be stored.",
            Shape.None, _ => new RemoveCaching()),
        new("RemoveCompression", RuleStage.RequestHeaders, "Asks the server for a body without content coding: Accept-Encoding becomes identity.",
            Shape.None, _ => new RemoveCompression()),
        new("BasicAuth", RuleStage.RequestHeaders, "Sets Authorization to Basic credentials (RFC 7617), UTF-8.",
            Shape.Of(HeaderActions.Template("username", "User name, without colon."), HeaderActions.Template("password", "Password.")),
            c => new BasicAuth(c.Template("username"), c.Template("password")))
        {
            Example = """{"username":"alice","password":"secret"}""",
        },
        new("BearerToken", RuleStage.RequestHeaders, "Sets Authorization to a bearer token (RFC 6750).",
            Shape.Of(HeaderActions.Template("token", "The token.")), c => new BearerToken(FieldValue.Read(c, "token")))
        {
            Example = """{"token":"abc123"}""",
        },
    ];

    private static Property Text(string name) => new(name, PropertyKind.Template, "One of them.");

    private static string? Get(FieldSection fields, ReadOnlySpan<byte> name) =>
        fields.IndexOf(name) is var index && index >= 0 ? Encoding.Latin1.GetString(fields.Value(index)) : null;

    private sealed class Cors(ConfigReader config) : ImmediateAction
    {
        private readonly FieldValue[] _origins = Values(config, "origins");
        private readonly FieldValue[] _methods = Values(config, "methods");
        private readonly FieldValue[] _headers = Values(config, "headers");
        private readonly FieldValue[] _expose = Values(config, "expose");
        private readonly bool _credentials = config.Boolean("credentials");
        private readonly string? _maxAge = config.Has("max_age") ? config.Integer("max_age").ToString(CultureInfo.InvariantCulture) : null;

        protected override ActionResult Run(RuleContext context)
        {
            var exchange = context.Exchange!;
            if (Get(exchange.Request.Fields, "origin"u8) is not { } origin)
            {
                return ActionResult.NoEffect("the request has no Origin");
            }

            if (Allowed(origin, context) is not { } allowed)
            {
                return ActionResult.NoEffect($"the origin {origin} is not allowed");
            }

            return context.Stage == RuleStage.ResponseHeaders ? Share(exchange.Response.Fields, allowed, context) : Preflight(exchange.Request.Fields, allowed, context);
        }

        private static FieldValue[] Values(ConfigReader config, string name) =>
            [.. config[name]?.Items.Select(x => FieldValue.Read(x, config.Scope)) ?? []];

        // With credentials "*" would be taken literally (Fetch §3.2.5), so the origin itself is named.
        private string? Allowed(string origin, RuleContext context)
        {
            if (_origins.Length == 0 || _origins.Any(x => x.For(context) == "*"))
            {
                return _credentials ? origin : "*";
            }

            return _origins.Any(x => x.For(context).Equals(origin, StringComparison.OrdinalIgnoreCase)) ? origin : null;
        }

        private ActionResult Preflight(FieldSection request, string allowed, RuleContext context)
        {
            if (!context.Exchange!.Request.MethodOctets.SequenceEqual("OPTIONS"u8) || Get(request, "access-control-request-method"u8) is not { } method)
            {
                return ActionResult.NoEffect("not a preflight; the fields are added at ResponseHeaders");
            }

            var fields = new List<KeyValuePair<string, string>> { new("Access-Control-Allow-Origin", allowed) };
            fields.Add(new("Access-Control-Allow-Methods", _methods.Length > 0 ? Join(_methods, context) : method));
            if (_headers.Length > 0 || Get(request, "access-control-request-headers"u8) is not null)
            {
                fields.Add(new("Access-Control-Allow-Headers", _headers.Length > 0 ? Join(_headers, context) : Get(request, "access-control-request-headers"u8)!));
            }

            if (_credentials)
            {
                fields.Add(new("Access-Control-Allow-Credentials", "true"));
            }

            if (_maxAge is not null)
            {
                fields.Add(new("Access-Control-Max-Age", _maxAge));
            }

            fields.Add(new("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"));
            return ActionResult.Terminal(new Verdict.Respond(204, fields, default), "preflight answered");
        }

        private ActionResult Share(FieldSection response, string allowed, RuleContext context)
        {
            response.Set("Access-Control-Allow-Origin", allowed);
            if (_credentials)
            {
                response.Set("Access-Control-Allow-Credentials", "true");
            }

            if (_expose.Length > 0)
            {
                response.Set("Access-Control-Expose-Headers", Join(_expose, context));
            }

            if (allowed != "*" && !Vary(response).Contains("origin", StringComparison.OrdinalIgnoreCase))
            {
                response.Add("Vary", "Origin");
            }

            return ActionResult.Done;
        }

        private static string Vary(FieldSection response) => Get(response, "vary"u8) ?? "";

        private static string Join(FieldValue[] values, RuleContext context) => string.Join(", ", values.Select(x => x.For(context)));
    }

    private sealed class RemoveCaching : ImmediateAction
    {
        private static readonly string[] s_conditions = ["If-None-Match", "If-Modified-Since", "If-Range"];
        private static readonly string[] s_validators = ["ETag", "Last-Modified", "Expires", "Age", "Pragma"];

        protected override ActionResult Run(RuleContext context)
        {
            var isRequest = context.Stage == RuleStage.RequestHeaders;
            var fields = HeaderActions.Fields(context, isRequest);
            var removed = 0;
            foreach (var name in isRequest ? s_conditions : s_validators)
            {
                removed += fields.Remove(name);
            }

            if (isRequest)
            {
                return removed > 0 ? ActionResult.Done : ActionResult.NoEffect("the request has no conditions");
            }

            fields.Set("Cache-Control", "no-store");
            return ActionResult.Done;
        }
    }

    private sealed class RemoveCompression : ImmediateAction
    {
        protected override ActionResult Run(RuleContext context)
        {
            HeaderActions.Fields(context, isRequest: true).Set("Accept-Encoding", "identity");
            return ActionResult.Done;
        }
    }

    private sealed class BasicAuth(Template username, Template password) : ImmediateAction
    {
        protected override ActionResult Run(RuleContext context)
        {
            var user = username.Expand(context);
            if (user.Contains(':', StringComparison.Ordinal))
            {
                return ActionResult.Failed("a user name cannot have a colon, which ends it (RFC 7617 §2)");
            }

            var credentials = Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user}:{password.Expand(context)}"));
            HeaderActions.Fields(context, isRequest: true).Set("Authorization", "Basic " + credentials);
            return ActionResult.Done;
        }
    }

    private sealed class BearerToken(FieldValue token) : ImmediateAction
    {
        protected override ActionResult Run(RuleContext context)
        {
            HeaderActions.Fields(context, isRequest: true).Set("Authorization", "Bearer " + token.For(context));
            return ActionResult.Done;
        }
    }
}

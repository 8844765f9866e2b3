using System.Text;
using RelayCore.Core.Connections;
using RelayCore.Protocols.Fields;
using RelayCore.Rules.Actions.Headers;
using RelayCore.Rules.Catalog;
using RelayCore.Rules.Execution;

namespace RelayCore.Rules.Actions;

/// <summary>Actions that remember cookies and credentials (reference: mitmproxy addons §4).</summary>
internal static class StickyActions
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<ActionType> All { get; } =
    [
        new("StickyCookie", RuleStage.RequestHeaders | RuleStage.ResponseHeaders,
            "Keeps cookies for clients that do not: at ResponseHeaders those a server sets are remembered, at RequestHeaders those that apply are sent. "
            + "Domain, path, Secure and expiry are respected; cookies the client sends under other names stay. A rule each for both.",
            Shape.None, _ => new StickyCookie()),
        new("StickyAuth", RuleStage.RequestHeaders,
            "Remembers the last Authorization sent to an origin, and sends it with requests that have none.",
            Shape.None, _ => new StickyAuth()),
    ];

    private sealed class StickyCookie : ImmediateAction
    {
        protected override ActionResult Run(RuleContext context) => context.Stage == RuleStage.ResponseHeaders ? Remember(context) : Send(context);

        private static ActionResult Remember(RuleContext context)
        {
            var (request, fields) = (context.Exchange!.Request, context.Exchange.Response.Fields);
            var (origin, jar, now) = (request.Origin, context.Environment.Memory.Cookies, context.Environment.Time.GetUtcNow());
            var kept = 0;
            for (var index = fields.IndexOf("Set-Cookie"u8); index >= 0; index = fields.IndexOf("Set-Cookie"u8, index + 1))
            {
                kept += jar.Store(Encoding.Latin1.GetString(fields.Value(index)), origin.Host, origin.Port, origin.IsSecure, request.Path, now) ? 1 : 0;
            }

            return kept > 0
                ? new(ActionOutcome.Done, FormattableString.Invariant($"{kept} cookies taken"))
                : ActionResult.NoEffect("the response sets no cookie that may be kept");
        }

        private static ActionResult Send(RuleContext context)
        {
            var (request, origin) = (context.Exchange!.Request, context.Exchange.Request.Origin);
            var cookies = context.Environment.Memory.Cookies.For(origin.Host, origin.Port, origin.IsSecure, request.Path, context.Environment.Time.GetUtcNow());
            if (cookies.Count == 0)
            {
                return ActionResult.NoEffect("no cookie is known for this URL");
            }

            // The jar decides over names it knows. Of several with a name all go, the most specific first, as a browser sends them.
            var names = cookies.Select(x => x.Name).ToHashSet(StringComparer.Ordinal);
            foreach (var name in names)
            {
                CookieText.Delete(request.Fields, name);
            }

            var sticky = string.Join("; ", cookies.Select(x => $"{x.Name}={x.Value}"));
            var line = request.Fields.IndexOf(KnownField.Cookie);
            if (line < 0)
            {
                request.Fields.Add("Cookie", sticky);
            }
            else
            {
                request.Fields.SetValue(line, $"{Encoding.Latin1.GetString(request.Fields.Value(line))}; {sticky}");
            }

            return new(ActionOutcome.Done, FormattableString.Invariant($"{cookies.Count} cookies sent"));
        }
    }

    private sealed class StickyAuth : ImmediateAction
    {
        // What was shown over TLS is not shown without, so that scheme and port are part of the key.
        private static string Key(Origin origin) => origin.ToString();

        protected override ActionResult Run(RuleContext context)
        {
            var (fields, key, memory) = (context.Exchange!.Request.Fields, Key(context.Exchange.Request.Origin), context.Environment.Memory);
            var index = fields.IndexOf("Authorization"u8);
            if (index >= 0)
            {
                if (fields.Value(index).Length > 16 * 1024)
                {
                    return ActionResult.NoEffect("the credentials are longer than 16 KiB and not remembered");
                }

                memory.Remember(key, Encoding.Latin1.GetString(fields.Value(index)));
                return ActionResult.NoEffect("credentials remembered");
            }

            if (memory.Credentials(key) is not { } known)
            {
                return ActionResult.NoEffect("no credentials are known for this origin");
            }

            fields.Add("Authorization", known);
            return ActionResult.Done;
        }
    }
}

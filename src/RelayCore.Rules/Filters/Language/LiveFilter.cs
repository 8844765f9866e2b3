using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using RelayCore.Protocols;
using RelayCore.Protocols.Fields;
using RelayCore.Rules.Execution;

namespace RelayCore.Rules.Filters.Language;

/// <summary>Compiles filters of the filter language to conditions on running flows.</summary>
internal static class LiveFilter
{
    private const RuleStage RequestStages = RuleStage.RequestHeaders | RuleStage.RequestBody;
    private const RuleStage Contents = RuleStage.RequestBody | RuleStage.ResponseBody | RuleStage.Messages;
    private const RuleStage FromHello = RuleStage.All & ~RuleStage.Connect;

    public static Condition Compile(FilterExpression expression, RuleStage stage) => expression switch
    {
        FilterExpression.And and => new AndCondition([.. and.Parts.Select(x => Compile(x, stage))]),
        FilterExpression.Or or => new OrCondition([.. or.Parts.Select(x => Compile(x, stage))]),
        FilterExpression.Not not => new NotCondition(Compile(not.Part, stage)),
        _ => Compile((FilterExpression.Term)expression, stage),
    };

    /// <summary>Stages at which a rule may have a term.</summary>
    public static RuleStage StagesOf(FilterExpression.Term term) => term.Key switch
    {
        FilterKey.All or FilterKey.Host or FilterKey.Port or FilterKey.Client or FilterKey.Server or FilterKey.Tag or FilterKey.Variable or FilterKey.Metadata
            or FilterKey.Comment or FilterKey.Marker or FilterKey.Marked or FilterKey.Tls or FilterKey.Tcp or FilterKey.Udp or FilterKey.Dns
            or FilterKey.Replay or FilterKey.ReplayedRequest or FilterKey.ReplayedResponse => RuleStage.All,
        FilterKey.Sni or FilterKey.Alpn or FilterKey.TlsVersion or FilterKey.Ja3 or FilterKey.Ja4 => FromHello,
        FilterKey.Body or FilterKey.Json => Contents,
        FilterKey.RequestBody => RuleStage.RequestBody | RuleStage.Messages,
        FilterKey.ResponseBody => RuleStage.ResponseBody | RuleStage.Messages,
        FilterKey.Size => Contents | RuleStage.Completed,
        FilterKey.RequestSize => RuleStage.RequestBody | RuleStage.Completed,
        FilterKey.ResponseSize => RuleStage.ResponseBody | RuleStage.Completed,
        FilterKey.Duration => RuleStage.Completed,
        FilterKey.Status or FilterKey.ResponseHeader or FilterKey.ResponseContentType or FilterKey.SetCookie or FilterKey.Error when !term.IsLenient => FilterParts.Response,
        _ => FilterParts.Request,
    };

    private static Condition Compile(FilterExpression.Term term, RuleStage stage)
    {
        var (stages, matcher) = (StagesOf(term), term.Matcher);
        var named = Named.Of(term.Name ?? "", matcher);
        switch (term.Key)
        {
            case FilterKey.All:
                return AllCondition.Instance;

            // These have hints for the index.
            case FilterKey.Host:
                return RequestFilters.HostCondition(matcher!);
            case FilterKey.Json:
                return BodyFilters.JsonCondition(term.Path!, matcher, stages, "json");
            case FilterKey.Duration:
                return ResponseFilters.DurationCondition(term.Range!);
            case FilterKey.Size:
                return BodyFilters.SizeCondition(term.Range!);
            case FilterKey.RequestSize or FilterKey.ResponseSize:
                var isRequest = term.Key == FilterKey.RequestSize;
                return new Fact<(Interval Sizes, bool IsRequest)>(term.Source, stages, (term.Range!, isRequest), static (context, x) => x.Sizes.Has(
                    context.Stage != RuleStage.Completed ? context.Body?.Octets.Length ?? 0
                    : x.IsRequest ? context.Exchange?.RequestBodyOctets ?? 0 : context.Exchange?.ResponseBodyOctets ?? 0));

            // All cookies together are the lines of their field.
            case FilterKey.Cookie or FilterKey.SetCookie when term.Name is null:
                var (field, key) = term.Key == FilterKey.Cookie ? ("cookie", FilterKey.RequestHeader) : ("set-cookie", FilterKey.ResponseHeader);
                return new Fact<Term>(term.Source, stages, new(key, Named.Of(field, matcher), null, IsResponse(stage)), Holds);

            // Set by rules on the way: told at the rule's own stage only, as is what the other side adds.
            case FilterKey.Tag or FilterKey.Variable or FilterKey.Metadata or FilterKey.Comment or FilterKey.Marker or FilterKey.Marked or FilterKey.Server
                or FilterKey.Replay or FilterKey.ReplayedRequest or FilterKey.ReplayedResponse:
                return new Fact<Term>(term.Source, stage & stages, new(term.Key, named, term.Range, IsResponse(stage)), Holds);

            // What exists on both sides, and what mitmproxy takes as it is now, is the side's the stage is about.
            case FilterKey.Header or FilterKey.ContentType or FilterKey.HasResponse or FilterKey.NoResponse or FilterKey.Asset:
            case FilterKey.Status or FilterKey.ResponseHeader or FilterKey.ResponseContentType or FilterKey.SetCookie or FilterKey.Error when term.IsLenient:
                var side = (stage & RequestStages) != 0 ? RequestStages : FilterParts.Response;
                return new Fact<Term>(term.Source, side & stages, new(term.Key, named, term.Range, IsResponse(stage)), Holds);
            default:
                return new Fact<Term>(term.Source, stages, new(term.Key, named, term.Range, IsResponse(stage)), Holds);
        }
    }

    private static bool IsResponse(RuleStage stage) => (stage & RequestStages) == 0;

    private static bool Holds(RuleContext context, Term term)
    {
        var (named, matcher) = (term.Named, term.Named.Value!);
        return term.Key switch
        {
            FilterKey.Word => Facts.Url(context, matcher) || (context.Exchange is { } exchange && IsMethod(exchange.Request.MethodOctets, matcher)),
            FilterKey.Url => Facts.Url(context, matcher),
            FilterKey.Domain => Domain(context, matcher),
            FilterKey.Path => Path(context, matcher),
            FilterKey.Method => Facts.Method(context, matcher),
            FilterKey.Scheme => Facts.Scheme(context, matcher),
            FilterKey.Port => Facts.PortOf(context) is { } port && term.Range!.Has(port),
            FilterKey.Query => named.Name.Length > 0 ? Facts.Query(context, named) : Query(context, matcher),
            FilterKey.Version => Facts.Text(Facts.Version(context.Exchange?.Request), context, matcher),
            FilterKey.Client => EndPointMatches(context.Flow.Client.RemoteEndPoint, context, matcher),
            FilterKey.Server => Server(context, matcher),
            FilterKey.Sni => Facts.Text(Facts.ClientTls(context)?.ServerName, context, matcher),
            FilterKey.Alpn => context.Hello is { } hello ? Facts.Any(hello.Hello.OfferedProtocols, context, matcher)
                : Facts.Text(context.Flow.Client.Tls?.ApplicationProtocol, context, matcher),
            FilterKey.TlsVersion => context.Hello is { } hello ? Facts.Any(hello.Hello.OfferedVersions, context, matcher)
                : Facts.Text(context.Flow.Client.Tls?.Version, context, matcher),
            FilterKey.Ja3 => Facts.Text(Facts.ClientTls(context)?.Ja3, context, matcher),
            FilterKey.Ja4 => Facts.Text(Facts.ClientTls(context)?.Ja4, context, matcher),
            FilterKey.Tag => Facts.Any(context.Flow.Tags, context, matcher),
            FilterKey.Variable when named.Name.Length > 0 => ConnectionFilters.Variable(context, named),
            FilterKey.Variable or FilterKey.Metadata => Variables(context, matcher),
            FilterKey.Comment => Facts.Text(context.Flow.Comment, context, matcher),
            FilterKey.Marker => Facts.Text(context.Flow.Marker, context, matcher),
            FilterKey.Marked => context.Flow.Marker is { Length: > 0 },
            FilterKey.Replay or FilterKey.ReplayedRequest => ConnectionFilters.IsReplay(context),
            FilterKey.ReplayedResponse => ConnectionFilters.HasTag(context, "replay_response"),
            FilterKey.Tls => context.Hello is not null || context.Flow.Client.Tls is not null,
            FilterKey.Header => Header(context, Facts.RequestFields(context), named) || (term.IsResponse && Header(context, Facts.ResponseFields(context), named)),
            FilterKey.RequestHeader => Header(context, Facts.RequestFields(context), named),
            FilterKey.ResponseHeader => Header(context, Facts.ResponseFields(context), named),
            FilterKey.ContentType => Type(context, Facts.RequestFields(context), matcher) || (term.IsResponse && Type(context, Facts.ResponseFields(context), matcher)),
            FilterKey.RequestContentType => Type(context, Facts.RequestFields(context), matcher),
            FilterKey.ResponseContentType => Type(context, Facts.ResponseFields(context), matcher),
            FilterKey.Asset => Type(context, Facts.ResponseFields(context), matcher),
            FilterKey.Cookie => Facts.Cookie(context, named),
            FilterKey.SetCookie => Facts.SetCookie(context, named),
            FilterKey.Body => Facts.Content(context, context.Content, matcher),
            FilterKey.RequestBody => context.Sender == PeerRole.Client && Facts.Content(context, context.Content, matcher),
            FilterKey.ResponseBody => context.Sender == PeerRole.Server && Facts.Content(context, context.Content, matcher),
            FilterKey.Status => context.Exchange is { HasResponse: true } exchange && term.Range!.Has(exchange.Response.Status),
            FilterKey.Error => context.Exchange is { HasResponse: true, Response.Status: >= 500 },
            FilterKey.HasResponse => context.Exchange is { HasResponse: true },
            FilterKey.NoResponse => context.Exchange is { HasResponse: false },
            FilterKey.Http => context.Exchange is not null,
            FilterKey.WebSocket => context.Message?.Protocol == Core.Interception.MessageProtocol.WebSocket || IsUpgrade(context),
            FilterKey.Tcp => context.Exchange is null,
            _ => false,
        };
    }

    private static bool IsMethod(ReadOnlySpan<byte> method, Matcher word) =>
        method.Length == word.Value.Length && word.Matches(method);

    private static bool Path(RuleContext context, Matcher matcher) =>
        context.Exchange is { } exchange && (matcher.Mode == MatcherMode.Contains ? matcher.Matches(exchange.Request.PathOctets, context) : Facts.Path(context, matcher));

    private static bool Query(RuleContext context, Matcher matcher)
    {
        var path = context.Exchange is { } exchange ? exchange.Request.PathOctets : default;
        var at = path.IndexOf((byte)'?');
        return at >= 0 && matcher.Matches(path[(at + 1)..], context);
    }

    // Where it is sent, or what the client calls it.
    private static bool Domain(RuleContext context, Matcher matcher)
    {
        if (Facts.Host(context, matcher))
        {
            return true;
        }

        var fields = Facts.RequestFields(context);
        var index = fields?.IndexOf(KnownField.Host) ?? -1;
        return index >= 0 && Protocols.Http1.Authority.TryRead(fields!.Value(index), out _) && matcher.Matches(WithoutPort(fields.Value(index)), context);
    }

    private static ReadOnlySpan<byte> WithoutPort(ReadOnlySpan<byte> authority)
    {
        var colon = authority.LastIndexOf((byte)':');
        return colon < 0 || authority[^1] == ']' ? authority : authority[..colon];
    }

    private static bool Server(RuleContext context, Matcher matcher) =>
        (context.Exchange is { } exchange && matcher.Matches(exchange.Request.Origin.HostAndPort.AsSpan(), context))
        || EndPointMatches(context.Flow.Server?.RemoteEndPoint, context, matcher);

    private static bool EndPointMatches(EndPoint? endPoint, RuleContext context, Matcher matcher)
    {
        if (endPoint is not IPEndPoint ip)
        {
            return false;
        }

        // IPv6 has brackets, as in a URL; 65 characters of address with a scope, and a port.
        Span<char> text = stackalloc char[80];
        var written = ip.AddressFamily == AddressFamily.InterNetworkV6
            ? text.TryWrite(CultureInfo.InvariantCulture, $"[{ip.Address}]:{ip.Port}", out var length)
            : text.TryWrite(CultureInfo.InvariantCulture, $"{ip.Address}:{ip.Port}", out length);
        return written && matcher.Matches(text[..length], context);
    }

    private static bool Variables(RuleContext context, Matcher matcher)
    {
        if (context.Flow.Variables.Count == 0)
        {
            return false;
        }

        var lines = new StringBuilder();
        foreach (var (name, value) in context.Flow.Variables)
        {
            lines.Append(name).Append(": ").Append(value).Append('\n');
        }

        return matcher.Matches(lines.ToString().AsSpan(), context);
    }

    private static bool Header(RuleContext context, FieldSection? fields, Named named)
    {
        if (named.Name.Length > 0 || fields is null)
        {
            return Facts.Field(context, fields, named);
        }

        var block = context.Scratch(fields.WrittenBound);
        var length = 0;
        for (var i = 0; i < fields.Count; i++)
        {
            length += Put(block[length..], fields.Name(i), ": "u8);
            length += Put(block[length..], fields.Value(i), "\r\n"u8);
        }

        return named.Value!.Matches(block[..length], context);

        static int Put(Span<byte> target, ReadOnlySpan<byte> octets, ReadOnlySpan<byte> end)
        {
            octets.CopyTo(target);
            end.CopyTo(target[octets.Length..]);
            return octets.Length + end.Length;
        }
    }

    // With or without parameters.
    private static bool Type(RuleContext context, FieldSection? fields, Matcher matcher)
    {
        for (var i = fields?.IndexOf(KnownField.ContentType) ?? -1; i >= 0; i = fields!.IndexOf(KnownField.ContentType, i + 1))
        {
            var value = fields!.Value(i);
            if (matcher.Matches(value, context) || matcher.Matches(Facts.MediaType(value), context))
            {
                return true;
            }
        }

        return false;
    }

    private static bool IsUpgrade(RuleContext context)
    {
        if (context.Exchange is not { } exchange)
        {
            return false;
        }

        var fields = exchange.Request.Fields;
        var index = fields.IndexOf(KnownField.Upgrade);
        return Ascii.EqualsIgnoreCase(exchange.Request.ProtocolOctets, "websocket"u8) || (index >= 0 && Ascii.EqualsIgnoreCase(fields.Value(index), "websocket"u8));
    }

    private sealed record Term(FilterKey Key, Named Named, Interval? Range, bool IsResponse);
}

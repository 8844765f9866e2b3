using System.Globalization;
using System.Net;
using System.Text;
using RelayCore.Core.Interception;
using RelayCore.Core.Messages;
using RelayCore.Protocols.Fields;
using RelayCore.Rules.Actions.Headers;
using RelayCore.Rules.Execution;

namespace RelayCore.Rules.Templates;

/// <summary>Writes values of a flow for templates; nothing for what it does not have. Octets of heads become Latin-1 text, content is read as UTF-8.</summary>
internal static class FlowValues
{
    public static RequestHead? Request(RuleContext context) => context.Exchange?.Request ?? context.Messages?.Exchange?.Request ?? context.Connect?.Request;

    public static ResponseHead? Response(RuleContext context) =>
        (context.Exchange ?? context.Messages?.Exchange) is { HasResponse: true } exchange ? exchange.Response : null;

    public static string Host(RuleContext context) =>
        context.Connect?.Host ?? context.Hello?.Host ?? Request(context)?.Origin.Host ?? "";

    public static void HostPort(StringBuilder output, RuleContext context) =>
        Number(output, context.Connect?.Port ?? context.Hello?.Port ?? Request(context)?.Origin.Port);

    public static ReadOnlySpan<byte> Path(RuleContext context)
    {
        var target = Request(context) is { } request ? request.PathOctets : default;
        var query = target.IndexOf((byte)'?');
        return query < 0 ? target : target[..query];
    }

    public static ReadOnlySpan<byte> Query(RuleContext context)
    {
        var target = Request(context) is { } request ? request.PathOctets : default;
        var query = target.IndexOf((byte)'?');
        return query < 0 ? default : target[(query + 1)..];
    }

    public static void Version(StringBuilder output, RuleContext context)
    {
        if (Request(context) is { } request)
        {
            output.Append(request.MajorVersion == 2 ? "HTTP/2" : request.MinorVersion == 0 ? "HTTP/1.0" : "HTTP/1.1");
        }
    }

    public static void Address(StringBuilder output, EndPoint? endPoint)
    {
        if (endPoint is IPEndPoint { Address: var address })
        {
            output.Append(CultureInfo.InvariantCulture, $"{(address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address)}");
        }
    }

    public static void Port(StringBuilder output, EndPoint? endPoint) => Number(output, (endPoint as IPEndPoint)?.Port);

    /// <summary>Address of the server: of its connection, or the host itself while there is none and it is an address.</summary>
    public static void ServerAddress(StringBuilder output, RuleContext context)
    {
        if (context.Flow.Server?.RemoteEndPoint is { } endPoint)
        {
            Address(output, endPoint);
        }
        else if (Host(context) is var host && IPAddress.TryParse(host, out _))
        {
            output.Append(host);
        }
    }

    public static void ServerPort(StringBuilder output, RuleContext context)
    {
        if (context.Flow.Server is { } server)
        {
            Number(output, server.Port);
        }
        else
        {
            HostPort(output, context);
        }
    }

    public static void Status(StringBuilder output, RuleContext context) => Number(output, Response(context)?.Status);

    /// <summary>Value of the first line of that name.</summary>
    public static void Field(StringBuilder output, FieldSection? fields, string name)
    {
        Span<byte> octets = stackalloc byte[256];
        if (fields is not null && name.Length <= octets.Length)
        {
            octets = octets[..Encoding.Latin1.GetBytes(name, octets)];
            if (fields.IndexOf(octets) is var index && index >= 0)
            {
                Latin1(output, fields.Value(index));
            }
        }
    }

    public static void Cookie(StringBuilder output, RuleContext context, string name) =>
        output.Append(Request(context) is { } request ? CookieText.Get(request.Fields, name) : null);

    public static void QueryValue(StringBuilder output, RuleContext context, string name) =>
        output.Append(PairText.Get(Encoding.Latin1.GetString(Query(context)), name));

    public static void Form(StringBuilder output, RuleContext context, string name)
    {
        if (context.Body is { } body)
        {
            output.Append(PairText.Get(Encoding.Latin1.GetString(Bounded(body.Content).Span), name));
        }
    }

    public static void Body(StringBuilder output, RuleContext context)
    {
        if (context.Body is { } body)
        {
            Utf8(output, body.Content);
        }
    }

    /// <summary>Content of the message: text as it is, anything else as base64 (reference: rules §2).</summary>
    public static void Message(StringBuilder output, RuleContext context)
    {
        if (context.Message is not { } message)
        {
            return;
        }

        if (message.Type is MessageType.Text or MessageType.Event or MessageType.Line)
        {
            Utf8(output, message.Content);
        }
        else
        {
            output.Append(Convert.ToBase64String(Bounded(message.Content).Span));
        }
    }

    /// <summary>Octets of a head, one character each.</summary>
    public static void Latin1(StringBuilder output, ReadOnlySpan<byte> octets)
    {
        Span<char> characters = stackalloc char[256];
        while (!octets.IsEmpty)
        {
            var length = Encoding.Latin1.GetChars(octets[..Math.Min(octets.Length, characters.Length)], characters);
            output.Append(characters[..length]);
            octets = octets[length..];
        }
    }

    private static void Utf8(StringBuilder output, ReadOnlyMemory<byte> content) => output.Append(Encoding.UTF8.GetString(Bounded(content).Span));

    // Of UTF-8 at least a third of the octets are characters, so this is too long for sure.
    private static ReadOnlyMemory<byte> Bounded(ReadOnlyMemory<byte> content) =>
        content.Length <= 3 * Template.MaxLength ? content : throw new TemplateException($"a content of {content.Length} octets does not fit into a text");

    private static void Number(StringBuilder output, int? value)
    {
        if (value is { } number)
        {
            output.Append(CultureInfo.InvariantCulture, $"{number}");
        }
    }
}

using System.Text;
using System.Text.Json;
using RelayCore.Core.Messages;
using RelayCore.Rules.Filters;

namespace RelayCore.Rules.Execution;

/// <content>What filters make of a message once, for all rules of a stage.</content>
public sealed partial class RuleContext
{
    /// <summary>Deepest JSON read, in levels. Breach: the body is not taken for JSON.</summary>
    internal const int MaxJsonDepth = 128;

    private byte[] _scratch = [];
    private JsonDocument? _json;
    private ReadOnlyMemory<byte> _jsonOf;
    private bool _isJsonRead;
    private GraphQlRequest? _graphQl;
    private bool _isGraphQlRead;

    /// <summary>The counting condition that refused the running rule, for its trace.</summary>
    internal Condition? Refusing { get; set; }

    /// <summary>Content the stage is about: of the body or the message; <see langword="null"/> at other stages.</summary>
    internal ReadOnlyMemory<byte>? Content => Message?.Content ?? Body?.Content;

    /// <summary>That content as JSON; <see langword="null"/> when it is none. Parsed once, and again when an action replaced the content. Valid for the stage.</summary>
    internal JsonElement? Json
    {
        get
        {
            if (Content is not { IsEmpty: false } content)
            {
                return null;
            }

            if (!_isJsonRead || !_jsonOf.Equals(content))
            {
                ForgetContent();
                (_jsonOf, _isJsonRead) = (content, true);
                try
                {
                    _json = JsonDocument.Parse(content, new() { MaxDepth = MaxJsonDepth });
                }
                catch (JsonException)
                {
                    _json = null;
                }
            }

            return _json?.RootElement;
        }
    }

    /// <summary>The GraphQL request of the stage; <see langword="null"/> when it is none.</summary>
    internal GraphQlRequest? GraphQl
    {
        get
        {
            if (!_isGraphQlRead || (Content is { } content && !_jsonOf.Equals(content)))
            {
                var request = GraphQlRequest.Read(this);
                (_graphQl, _isGraphQlRead) = (request, true);
                if (!_isJsonRead)
                {
                    _jsonOf = Content ?? default;
                }
            }

            return _graphQl;
        }
    }

    /// <summary>The absolute URL of a request, in a buffer that is overwritten by the next call.</summary>
    internal ReadOnlySpan<byte> Url(RequestHead request)
    {
        var origin = request.Origin;
        var path = request.TargetForm == Protocols.Http1.RequestTargetForm.Asterisk ? default : request.PathOctets;
        var (scheme, authority) = (origin.Scheme, origin.Authority);
        var length = scheme.Length + 3 + authority.Length + path.Length;
        var buffer = Scratch(length);
        var at = Encoding.Latin1.GetBytes(scheme, buffer);
        "://"u8.CopyTo(buffer[at..]);
        at += 3;
        at += Encoding.Latin1.GetBytes(authority, buffer[at..]);
        path.CopyTo(buffer[at..]);
        return buffer[..length];
    }

    /// <summary>Octets to build something in; overwritten by the next call.</summary>
    internal Span<byte> Scratch(int length)
    {
        if (_scratch.Length < length)
        {
            _scratch = new byte[Math.Max(length, 2 * _scratch.Length)];
        }

        return _scratch.AsSpan(0, length);
    }

    private void ForgetContent()
    {
        _json?.Dispose();
        (_json, _jsonOf, _isJsonRead) = (null, default, false);
        (_graphQl, _isGraphQlRead) = (null, false);
    }
}

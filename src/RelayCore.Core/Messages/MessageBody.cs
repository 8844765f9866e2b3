namespace RelayCore.Core.Messages;

/// <summary>A whole body, for interceptors that declared they need one. Two views: octets as received and content as decoded.</summary>
public sealed class MessageBody
{
    private readonly IContentCodings _codings;
    private readonly long _maxContent;
    private ReadOnlyMemory<byte>? _content;

    /// <summary>Wraps received octets.</summary>
    /// <param name="octets">Transfer coding removed, content coding not.</param>
    /// <param name="contentEncoding">Value of Content-Encoding, or <see langword="null"/>.</param>
    /// <param name="codings">Decoder.</param>
    /// <param name="maxContent">Largest decoded content, in octets.</param>
    public MessageBody(ReadOnlyMemory<byte> octets, string? contentEncoding, IContentCodings codings, long maxContent) =>
        (Octets, ContentEncoding, _codings, _maxContent) = (octets, contentEncoding, codings, maxContent);

    /// <summary>Octets as received or as replaced; content coding applied.</summary>
    public ReadOnlyMemory<byte> Octets { get; private set; }

    /// <summary>Value of Content-Encoding.</summary>
    public string? ContentEncoding { get; private set; }

    /// <summary>Whether an actor replaced it.</summary>
    public bool IsReplaced { get; private set; }

    /// <summary>Why <see cref="Content"/> is not whole; <see langword="null"/> when it is.</summary>
    public string? DecodingProblem { get; private set; }

    /// <summary>Decoded content; decoded on first use.</summary>
    public ReadOnlyMemory<byte> Content
    {
        get
        {
            if (_content is null)
            {
                _codings.TryDecode(Octets, ContentEncoding, _maxContent, out var content, out var problem);
                (_content, DecodingProblem) = (content, problem);
            }

            return _content.Value;
        }
    }

    /// <summary>Replaces the content; the engine encodes it with the original coding and frames it anew.</summary>
    /// <exception cref="NotSupportedException">The original coding cannot be produced; use <see cref="ReplaceOctets"/>.</exception>
    public void ReplaceContent(ReadOnlyMemory<byte> content)
    {
        Octets = _codings.Encode(content, ContentEncoding);
        (_content, DecodingProblem, IsReplaced) = (content, null, true);
    }

    /// <summary>Replaces the content and how it is encoded; the caller changes Content-Encoding of the head to the same.</summary>
    /// <param name="content">Without content coding.</param>
    /// <param name="contentEncoding">The new value of Content-Encoding; <see langword="null"/> for none.</param>
    /// <exception cref="NotSupportedException">The coding cannot be produced.</exception>
    public void ReplaceContent(ReadOnlyMemory<byte> content, string? contentEncoding)
    {
        Octets = _codings.Encode(content, contentEncoding);
        (_content, DecodingProblem, IsReplaced, ContentEncoding) = (content, null, true, contentEncoding);
    }

    /// <summary>Takes back what an actor that failed made of it, a change of the coding too; for the pipeline.</summary>
    public void TakeBack(ReadOnlyMemory<byte> octets, bool wasReplaced, string? contentEncoding)
    {
        TakeBack(octets, wasReplaced);
        ContentEncoding = contentEncoding;
    }

    /// <summary>Takes back what an actor that failed made of it; for the pipeline.</summary>
    public void TakeBack(ReadOnlyMemory<byte> octets, bool wasReplaced) => (Octets, _content, DecodingProblem, IsReplaced) = (octets, null, null, wasReplaced);

    /// <summary>Replaces the octets as they go on the wire.</summary>
    public void ReplaceOctets(ReadOnlyMemory<byte> octets)
    {
        Octets = octets;
        (_content, DecodingProblem, IsReplaced) = (null, null, true);
    }
}

/// <summary>A piece of a body or tunnel on its way, for streaming edits. Reused: valid until the method returns.</summary>
public sealed class BodyChunk
{
    private readonly List<ReadOnlyMemory<byte>> _output = [];

    /// <summary>Octets received; content coding not removed. Empty on the last call when the end brought none.</summary>
    public ReadOnlyMemory<byte> Data { get; private set; }

    /// <summary>Whether the body ends behind this piece.</summary>
    public bool IsLast { get; private set; }

    /// <summary>Whether the piece was changed.</summary>
    public bool IsReplaced { get; private set; }

    /// <summary>For whom the interceptor changed it; <see langword="null"/> for itself.</summary>
    public string? Actor { get; set; }

    /// <summary>What goes on, in order.</summary>
    public IReadOnlyList<ReadOnlyMemory<byte>> Output => _output;

    /// <summary>Sets the piece; for the pipeline.</summary>
    public void Load(ReadOnlyMemory<byte> data, bool isLast)
    {
        _output.Clear();
        (Data, IsLast, IsReplaced, Actor) = (data, isLast, false, null);
        if (!data.IsEmpty)
        {
            _output.Add(data);
        }
    }

    /// <summary>Replaces the piece by others; none drops it.</summary>
    public void Replace(params ReadOnlySpan<ReadOnlyMemory<byte>> pieces)
    {
        _output.Clear();
        foreach (var piece in pieces)
        {
            if (!piece.IsEmpty)
            {
                _output.Add(piece);
            }
        }

        IsReplaced = true;
    }
}

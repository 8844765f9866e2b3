using System.Buffers;
using RelayCore.Core.Messages;
using RelayCore.Rules.Actions;

namespace RelayCore.Rules.Execution;

/// <summary>
/// The edits of one body on its way: removes the content coding, runs them one behind the other, applies the coding anew. Not for concurrent use.
/// </summary>
internal sealed class TransformChain : IDisposable
{
    /// <summary>
    /// Content one received piece may stand for, in octets (a whole body may be any size). Breach: the coding is taken for a bomb and the rest of
    /// the body goes on unedited.
    /// </summary>
    public const int MaxContentOfPiece = 16 * 1024 * 1024;

    private const int StepOctets = 16 * 1024;

    private readonly List<(CompiledRule Rule, IBodyTransform Edit)> _edits = [];
    private readonly PooledBuffer _output = new();
    private PooledBuffer _one = new();
    private PooledBuffer _other = new();
    private IContentDecoder? _decoder;
    private IContentEncoder? _encoder;
    private bool _isDecoded;
    private bool _isOver;

    /// <summary>Edits in their order.</summary>
    public IReadOnlyList<(CompiledRule Rule, IBodyTransform Edit)> Edits => _edits;

    /// <summary>Whether a piece went through.</summary>
    public bool HasRun { get; private set; }

    /// <summary>Whether the content is sent without the coding it came with, because that cannot be produced.</summary>
    public bool RemovesCoding { get; private set; }

    /// <summary>Why the rest of the body goes on unedited; <see langword="null"/> while all is well.</summary>
    public string? Problem { get; private set; }

    public void Add(CompiledRule rule, IBodyTransform edit) => _edits.Add((rule, edit));

    /// <summary>Takes back the edits added last.</summary>
    public void Truncate(int count)
    {
        while (_edits.Count > count)
        {
            _edits[^1].Edit.Dispose();
            _edits.RemoveAt(_edits.Count - 1);
        }
    }

    /// <summary>Prepares for the coding of the body.</summary>
    /// <returns>Why it cannot be edited; <see langword="null"/> when it can.</returns>
    public string? Begin(string? coding, IContentCodings codings)
    {
        if (string.IsNullOrWhiteSpace(coding) || string.Equals(coding.Trim(), "identity", StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }

        if ((_decoder = codings.CreateDecoder(coding)) is null)
        {
            return $"the content coding '{TraceText.Cut(coding)}' cannot be removed piece by piece";
        }

        RemovesCoding = (_encoder = codings.CreateEncoder(coding)) is null;
        return null;
    }

    /// <summary>Edits a piece.</summary>
    /// <param name="data">Octets as received.</param>
    /// <param name="isLast">Whether nothing follows.</param>
    /// <returns>What goes on, valid until the next call.</returns>
    public ReadOnlyMemory<byte> Run(ReadOnlyMemory<byte> data, bool isLast)
    {
        HasRun = true;
        _output.Clear();
        if (Problem is not null)
        {
            return data;
        }

        try
        {
            if (_decoder is null)
            {
                Emit(data.Span, isLast);
            }
            else
            {
                Decode(data.Span, isLast);
            }
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            Fail(e.Message, data.Span);
        }

        return _output.Written;
    }

    public void Dispose()
    {
        Truncate(0);
        _decoder?.Dispose();
        _encoder?.Dispose();
        (_decoder, _encoder, Problem) = (null, null, null);
        (_isDecoded, _isOver, HasRun, RemovesCoding) = (false, false, false, false);
        _output.Dispose();
        _one.Dispose();
        _other.Dispose();
    }

    private void Decode(ReadOnlySpan<byte> data, bool isLast)
    {
        var rest = data;
        var step = ArrayPool<byte>.Shared.Rent(StepOctets);
        try
        {
            var total = 0L;
            while (!_isDecoded)
            {
                var status = _decoder!.Decode(rest, step.AsSpan(0, StepOctets), out var consumed, out var written);
                rest = rest[consumed..];
                total += written;
                if (status == OperationStatus.InvalidData || total > MaxContentOfPiece)
                {
                    Fail(status == OperationStatus.InvalidData ? "the content coding is broken" : $"a piece stands for more than {MaxContentOfPiece} octets", data);
                    return;
                }

                _isDecoded = status == OperationStatus.Done;
                if (written > 0)
                {
                    Emit(step.AsSpan(0, written), isLast: false);
                }

                if (status == OperationStatus.NeedMoreData)
                {
                    break;
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(step);
        }

        if (isLast)
        {
            // Codings of several members do not say where they end; the framing of the body did.
            Emit(default, isLast: true);
        }
    }

    private void Emit(ReadOnlySpan<byte> content, bool isLast)
    {
        if (_isOver || (content.IsEmpty && !isLast))
        {
            return;
        }

        _isOver = isLast;
        for (var i = 0; i < _edits.Count; i++)
        {
            (_one, _other) = (_other, _one);
            _one.Clear();
            _edits[i].Edit.Transform(content, isLast, _one);
            content = _one.Written.Span;
        }

        if (_encoder is not null)
        {
            if (!content.IsEmpty || isLast)
            {
                _encoder.Encode(content, isLast, _output);
            }
        }
        else
        {
            _output.Write(content);
        }
    }

    // What came goes on as it came: with a coding its receiver then finds what is wrong with it, as it would have without us.
    private void Fail(string why, ReadOnlySpan<byte> data)
    {
        Problem = why;
        if (!RemovesCoding)
        {
            _output.Write(data);
        }
    }
}

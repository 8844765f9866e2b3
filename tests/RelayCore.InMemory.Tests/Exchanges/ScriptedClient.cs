using System.Globalization;
using System.Text;
using RelayCore.Core.Messages;
using RelayCore.Engine.Http.Exchanges;
using RelayCore.Engine.Transport;
using RelayCore.Protocols;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http1;
using RelayCore.Protocols.Http2;
using RelayCore.Testing;

namespace RelayCore.InMemory.Tests.Exchanges;

/// <summary>An HTTP/2 client's stream in a test's hand: feeds a request body piece by piece and writes down everything that is sent to it, in order.</summary>
internal sealed class ScriptedClient(int streamId = 1) : ClientStream
{
    private readonly Lock _gate = new();
    private readonly List<string> _sent = [];
    private readonly FieldSection _trailers = new();
    private readonly TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private byte[] _body = [];
    private bool _isEnded;
    private Exception? _failure;
    private TaskCompletionSource? _reading;
    private TaskCompletionSource? _blocked;
    private Action<StreamResetException>? _onReset;

    public override int StreamId => streamId;

    public override bool IsBodyRead
    {
        get
        {
            lock (_gate)
            {
                return _isEnded && _body.Length == 0;
            }
        }
    }

    public override FieldSection Trailers => _trailers;

    /// <summary>Whether the runner waits for a piece of the body.</summary>
    public bool IsReading => Volatile.Read(ref _reading) is not null;

    /// <summary>Octets of the body nobody took yet.</summary>
    public int Unread
    {
        get
        {
            lock (_gate)
            {
                return _body.Length;
            }
        }
    }

    /// <summary>With what the proxy reset the stream.</summary>
    public Http2ErrorCode? WasReset { get; private set; }

    public override Action<StreamResetException>? OnReset
    {
        get => _onReset;
        set => _onReset = value;
    }

    /// <summary>What was sent so far, joined.</summary>
    public string Sent
    {
        get
        {
            lock (_gate)
            {
                return string.Concat(_sent);
            }
        }
    }

    /// <summary>The client sends a piece of its body.</summary>
    public ScriptedClient Feed(string octets)
    {
        Change(() => _body = [.. _body, .. Encoding.Latin1.GetBytes(octets)]);
        return this;
    }

    /// <summary>The client ends its request.</summary>
    public ScriptedClient End(string? trailers = null)
    {
        Change(() =>
        {
            if (trailers is not null && Http1HeadReader.ReadTrailers(Encoding.Latin1.GetBytes(trailers + "\r\n"), Http1Limits.Default, Http1Repairs.None, _trailers, out _).IsError)
            {
                throw new ArgumentException(trailers);
            }

            _isEnded = true;
        });
        return this;
    }

    /// <summary>The client resets its stream.</summary>
    public void PeerResets(Http2ErrorCode code)
    {
        var reason = new StreamResetException(code, PeerRole.Client, "the client reset the stream");
        Change(() => _failure ??= reason);
        _onReset?.Invoke(reason);
        _over.TrySetResult();
    }

    /// <summary>From now on nothing can be sent, until <see cref="Unblock"/>.</summary>
    public void Block() => _blocked = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The client takes octets again.</summary>
    public void Unblock() => Interlocked.Exchange(ref _blocked, null)?.TrySetResult();

    /// <summary>Waits until the response is complete or the stream reset; everything sent.</summary>
    public async Task<string> ResponseAsync()
    {
        await _over.Task.WaitAsync(TestPeer.Patience).ConfigureAwait(false);
        return Sent;
    }

    /// <summary>Waits until something in particular was sent.</summary>
    public Task SentAsync(string part) => TestProxy.UntilAsync(() => Sent.Contains(part, StringComparison.Ordinal), () => $"'{part}' was not sent, but: {Sent}");

    /// <summary>Waits until the runner waits for the body.</summary>
    public Task ReadsAsync() => TestProxy.UntilAsync(() => IsReading, () => "Nobody reads the body.");

    public override async ValueTask<ReadOnlyMemory<byte>> ReadBodyAsync()
    {
        while (true)
        {
            Task waiting;
            lock (_gate)
            {
                if (_body.Length > 0 || _isEnded)
                {
                    return _body;
                }

                if (_failure is not null)
                {
                    throw _failure;
                }

                _reading = new(TaskCreationOptions.RunContinuationsAsynchronously);
                waiting = _reading.Task;
            }

            await waiting.ConfigureAwait(false);
        }
    }

    public override bool EndsBehind(int octets)
    {
        lock (_gate)
        {
            return _isEnded && _body.Length == octets;
        }
    }

    public override void AdvanceBody(int octets)
    {
        lock (_gate)
        {
            _body = _body[octets..];
        }
    }

    public override ValueTask SendInterimAsync(ResponseHead head) => Write($"interim {head.Status}{Lines(head.Fields)}\n");

    public override ValueTask SendHeadAsync(ResponseHead head, long bodyLength, bool isLast) =>
        Write(string.Create(CultureInfo.InvariantCulture, $"head {head.Status} length {bodyLength}{Lines(head.Fields)}{(isLast ? " end" : "")}\n"), isLast);

    public override ValueTask SendBodyAsync(ReadOnlyMemory<byte> octets, bool isLast) =>
        Write($"data '{Encoding.Latin1.GetString(octets.Span)}'{(isLast ? " end" : "")}\n", isLast);

    public override ValueTask EndEarlyAsync(bool isCut) => SendBodyAsync(default, isLast: true);

    public override ValueTask SendTrailersAsync(FieldSection trailers) => Write($"trailers{Lines(trailers)} end\n", isLast: true);

    public override void Reset(Http2ErrorCode code)
    {
        Change(() =>
        {
            if (WasReset is null)
            {
                WasReset = code;
                _sent.Add($"reset {code}\n");
                _failure ??= new IOException("reset by us");
            }
        });
        _over.TrySetResult();
        Unblock();
    }

    /// <summary>Behind a CONNECT: the other end of what the stream became.</summary>
    public TestPeer? Tunnel { get; private set; }

    public override DuplexTransport AsTransport()
    {
        var (near, far) = InMemoryTransport.CreatePair(new(0, 1), new(0, 2), 64 * 1024);
        Tunnel = new(far, far);
        return near;
    }

    private static string Lines(FieldSection fields)
    {
        var lines = new StringBuilder();
        var hop = HopByHop.Read(fields);
        for (var i = 0; i < fields.Count; i++)
        {
            if (!hop.Covers(fields, i) && fields.Known(i) != KnownField.TransferEncoding)
            {
                lines.Append(CultureInfo.InvariantCulture, $" [{Encoding.Latin1.GetString(fields.Name(i)).ToLowerInvariant()}: {Encoding.Latin1.GetString(fields.Value(i))}]");
            }
        }

        return lines.ToString();
    }

    private async ValueTask Write(string text, bool isLast = false)
    {
        lock (_gate)
        {
            if (_failure is { } failure)
            {
                throw failure;
            }

            _sent.Add(text);
        }

        if (Volatile.Read(ref _blocked) is { } blocked)
        {
            await blocked.Task.ConfigureAwait(false);
            lock (_gate)
            {
                if (_failure is { } failure)
                {
                    throw failure;
                }
            }
        }

        if (isLast)
        {
            _over.TrySetResult();
        }
    }

    private void Change(Action change)
    {
        TaskCompletionSource? reading;
        lock (_gate)
        {
            change();
            (reading, _reading) = (_reading, null);
        }

        reading?.TrySetResult();
    }
}

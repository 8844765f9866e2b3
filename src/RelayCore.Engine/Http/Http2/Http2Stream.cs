using System.Threading.Tasks.Sources;
using RelayCore.Core.Faults;
using RelayCore.Core.Messages;
using RelayCore.Engine.Http.Exchanges;
using RelayCore.Protocols;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http2;

namespace RelayCore.Engine.Http.Http2;

/// <summary>
/// One stream of an HTTP/2 connection, either role: what came in and is not read yet, and what waits for windows to go out (RFC 9113 §5).
/// The connection's read loop delivers, one reader and one sender take part beside it. Reused by its connection.
/// </summary>
internal sealed partial class Http2Stream : IValueTaskSource<ReadOnlyMemory<byte>>, IValueTaskSource<ResponseHead>, IValueTaskSource
{
    private readonly Http2Endpoint _endpoint;
    private readonly Lock _gate = new();
    private ManualResetValueTaskSourceCore<bool> _reading;
    private ManualResetValueTaskSourceCore<bool> _sending;
    private StreamBuffer _input;
    private Reader _reader;
    private int _isHeadReaderWaking;
    private bool _isInputEnded;
    private StreamFault? _failure;
    private Queue<ResponseHead>? _heads;
    private ResponseHead? _pendingHead;
    private readonly ResponseHead _firstHead = new();
    private bool _isFirstHeadUsed;
    private bool _isDropped;

    public Http2Stream(Http2Endpoint endpoint) => _endpoint = endpoint;

    /// <summary>Who waits for input.</summary>
    private enum Reader : byte
    {
        None,
        Body,
        Head,
    }

    /// <summary>Why a stream failed.</summary>
    /// <param name="Code">RST_STREAM code, ours or theirs.</param>
    /// <param name="Blame">Whose doing.</param>
    /// <param name="Message">One line.</param>
    /// <param name="IsUnprocessed">Whether the request was certainly not acted on.</param>
    /// <param name="IsMalformed">Whether the message broke a rule, and we reset the stream for it.</param>
    /// <param name="IsConnectionLost">Whether the connection went away and said nothing about the stream.</param>
    internal sealed record StreamFault(Http2ErrorCode Code, PeerRole Blame, string Message, bool IsUnprocessed = false, bool IsMalformed = false, bool IsConnectionLost = false)
    {
        /// <summary>For whoever waits on the stream.</summary>
        public Exception ToException() => !IsMalformed ? ToReset()
            : new MessageFaultException(Blame == PeerRole.Client
                ? new("RC-H2-002", FaultStage.Request, FaultKind.Protocol, PeerRole.Client, Message)
                : new("RC-H2-004", FaultStage.Response, FaultKind.Protocol, PeerRole.Server, Message));

        /// <summary>For the observer.</summary>
        public StreamResetException ToReset() => new(Code, Blame, Message, IsUnprocessed, IsConnectionLost);
    }

    /// <summary>Stream identifier; 0 while unused, negative never.</summary>
    public int Id { get; private set; }

    public Http2Endpoint Endpoint => _endpoint;

    /// <summary>Trailers received.</summary>
    public FieldSection Trailers { get; } = new();

    /// <summary>Octets of DATA received, padding not counted.</summary>
    public long DataOctets { get; private set; }

    /// <summary>What Content-Length said, or -1; checked against the DATA (RFC 9113 §8.1.1).</summary>
    public long ExpectedOctets { get; set; } = -1;

    /// <summary>Whether the response has no body whatever its fields say (HEAD, 204, 304).</summary>
    public bool IsBodyless { get; set; }

    /// <summary>Whether a final response head came, or the request head, so that HEADERS are trailers from now on.</summary>
    public bool IsHeadReceived { get; set; }

    /// <summary>Told once when the peer gives the stream up or the connection fails; may be called from any thread.</summary>
    public Action<StreamResetException>? OnReset { get; private set; }

    /// <summary>Has somebody told of a reset; at once when it happened before.</summary>
    public void Observe(Action<StreamResetException>? observer)
    {
        StreamFault? failure;
        lock (_gate)
        {
            OnReset = observer;
            failure = _failure;
        }

        if (failure is not null)
        {
            observer?.Invoke(failure.ToReset());
        }
    }

    /// <summary>Whether the input ends behind this many more octets.</summary>
    public bool EndsBehind(int octets)
    {
        lock (_gate)
        {
            return _isInputEnded && _input.Length == octets;
        }
    }

    /// <summary>Whether everything that came in was read.</summary>
    public bool IsInputRead
    {
        get
        {
            lock (_gate)
            {
                return _isInputEnded && _input.Length == 0;
            }
        }
    }

    /// <summary>Whether nothing waits to be read.</summary>
    public bool IsInputEmpty
    {
        get
        {
            lock (_gate)
            {
                return _input.Length == 0;
            }
        }
    }

    /// <summary>Whether the peer has ended its side.</summary>
    public bool IsInputEnded => Volatile.Read(ref _isInputEnded);

    /// <summary>Makes the object a new stream.</summary>
    public void Open(int id)
    {
        lock (_gate)
        {
            (Id, _isDropped) = (id, false);
        }

        _reading.Reset();
        _sending.Reset();
        (_reader, _isInputEnded, _failure, _heads, _pendingHead, _isFirstHeadUsed) = (Reader.None, false, null, null, null, false);
        (DataOctets, ExpectedOctets, IsBodyless, IsHeadReceived, OnReset) = (0, -1, false, false, null);
        Trailers.Clear();
        OpenOutput();
    }

    /// <summary>Forgets what was not read, and takes no more. Whoever waits for input, or asks for it later, is told so: nothing would wake it.</summary>
    /// <returns>Octets that were held.</returns>
    public int DropInput()
    {
        int held;
        bool isWaiting;
        lock (_gate)
        {
            _isDropped = true;
            held = _input.Clear();
            isWaiting = TakeReader(Reader.Body) || TakeReader(Reader.Head);
        }

        if (isWaiting)
        {
            _reading.SetResult(true);
        }

        return held;
    }

    /// <summary>The failure, if any.</summary>
    public StreamFault? Failure => Volatile.Read(ref _failure);

    // Delivery, by the read loop.

    /// <summary>A head to decode into: the stream's own for the first, so that a response without interim ones costs none; the read loop's until delivered.</summary>
    public ResponseHead HeadToFill() => _isFirstHeadUsed ? new() : _firstHead;

    /// <summary>A response head came, in what <see cref="HeadToFill"/> gave.</summary>
    public void DeliverHead(ResponseHead head, bool isLast)
    {
        bool isWaiting;
        lock (_gate)
        {
            _isFirstHeadUsed = true;
            if (_pendingHead is null)
            {
                _pendingHead = head;
            }
            else
            {
                (_heads ??= new()).Enqueue(head);
            }

            _isInputEnded |= isLast;
            isWaiting = TakeReader(Reader.Head);
            if (isWaiting)
            {
                Volatile.Write(ref _isHeadReaderWaking, 1);
            }
        }

        // The body often lies behind the head in the same receive: who goes on when it is there need not wait again.
        if (isWaiting && !Http2Batch.TryDefer(this))
        {
            WakeHeadReader();
        }
    }

    /// <summary>Wakes whoever waited for the head, unless somebody did in the meantime.</summary>
    public void WakeHeadReader()
    {
        if (Interlocked.Exchange(ref _isHeadReaderWaking, 0) != 0)
        {
            _reading.SetResult(true);
        }
    }

    /// <summary>Number of interim heads nobody took yet; bounded by the connection.</summary>
    public int HeadsWaiting => _heads?.Count ?? 0;

    /// <summary>Data came, or the end, or both.</summary>
    /// <returns>Whether it was taken; not behind <see cref="DropInput"/>, which the exchange may call at any time.</returns>
    public bool DeliverData(ReadOnlySpan<byte> octets, bool isLast)
    {
        bool isWaiting;
        lock (_gate)
        {
            if (_isDropped)
            {
                return false;
            }

            DataOctets += octets.Length;
            _input.Append(octets);
            _isInputEnded |= isLast;
            isWaiting = (octets.Length > 0 || isLast) && TakeReader(Reader.Body);
        }

        if (isWaiting)
        {
            _reading.SetResult(true);
        }

        return true;
    }

    /// <summary>The stream is over before its end. Whoever waits is told; the first failure counts.</summary>
    /// <param name="id">The stream that is meant: the object may carry another by now, then nothing happens.</param>
    /// <param name="fault">Why.</param>
    /// <param name="isOurs">Whether we give it up ourselves, which is no news to the observer.</param>
    /// <param name="reset">What the peer is told, before anybody else is: whoever wakes up may end the stream in a way of its own.</param>
    public void Fail(int id, StreamFault fault, bool isOurs = false, Http2ErrorCode? reset = null)
    {
        if (Volatile.Read(ref _isHeadReaderWaking) != 0 && Id == id)
        {
            WakeHeadReader(); // the head came first
        }

        bool isFirst;
        var isReader = false;
        Action<StreamResetException>? onReset = null;
        lock (_gate)
        {
            isFirst = Id == id && _failure is null;
            if (isFirst)
            {
                Volatile.Write(ref _failure, fault);
                isReader = TakeReader(Reader.Body) || TakeReader(Reader.Head);
                onReset = isOurs ? null : OnReset;
            }
        }

        if (reset is { } code)
        {
            _endpoint.Reset(this, id, code);
        }

        if (!isFirst)
        {
            return;
        }

        // Whoever observes the stream learns what the peer said before whoever waits on it goes on; a rule it broke has a better name than that.
        if (!fault.IsMalformed)
        {
            onReset?.Invoke(fault.ToReset());
        }

        if (isReader)
        {
            _reading.SetResult(true);
        }

        FailOutput();
        if (fault.IsMalformed)
        {
            onReset?.Invoke(fault.ToReset());
        }
    }

    private bool TakeReader(Reader wanted)
    {
        if (_reader != wanted)
        {
            return false;
        }

        _reader = Reader.None;
        return true;
    }

    // Reading.

    /// <inheritdoc cref="ExchangeStream.ReadBodyAsync"/>
    public ValueTask<ReadOnlyMemory<byte>> ReadBodyAsync()
    {
        lock (_gate)
        {
            if (TryReadBody(out var octets))
            {
                return new(octets);
            }

            _reading.Reset();
            _reader = Reader.Body;
            return new(this, _reading.Version);
        }
    }

    /// <inheritdoc cref="ExchangeStream.AdvanceBody"/>
    public void AdvanceBody(int octets)
    {
        if (octets == 0)
        {
            return;
        }

        bool isOpen;
        lock (_gate)
        {
            _input.Consume(octets);
            isOpen = !_isInputEnded && _failure is null;
        }

        _endpoint.Consumed(this, octets, isOpen);
    }

    /// <inheritdoc cref="ServerStream.ReadHeadAsync"/>
    public ValueTask<ResponseHead> ReadHeadAsync()
    {
        lock (_gate)
        {
            if (TryReadHead(out var head))
            {
                return new(head);
            }

            _reading.Reset();
            _reader = Reader.Head;
            return new(this, _reading.Version);
        }
    }

    private bool TryReadBody(out ReadOnlyMemory<byte> octets)
    {
        octets = _input.Front;
        if (!octets.IsEmpty)
        {
            return true;
        }

        if (_isInputEnded)
        {
            return true;
        }

        return _failure is not null ? throw _failure.ToException() : _isDropped ? throw GivenUp() : false;
    }

    private static IOException GivenUp() => new("the stream was given up");

    private bool TryReadHead(out ResponseHead head)
    {
        if (_pendingHead is { } pending)
        {
            _pendingHead = _heads is { Count: > 0 } ? _heads.Dequeue() : null;
            head = pending;
            return true;
        }

        head = null!;
        return _failure is not null ? throw _failure.ToException()
            : _isInputEnded ? throw new IOException("the server ended the stream without a response head")
            : _isDropped ? throw GivenUp()
            : false;
    }

    ReadOnlyMemory<byte> IValueTaskSource<ReadOnlyMemory<byte>>.GetResult(short token)
    {
        lock (_gate)
        {
            _reading.GetResult(token);
            return TryReadBody(out var octets) ? octets : throw new InvalidOperationException("A reader was woken without a reason.");
        }
    }

    ResponseHead IValueTaskSource<ResponseHead>.GetResult(short token)
    {
        lock (_gate)
        {
            _reading.GetResult(token);
            return TryReadHead(out var head) ? head : throw new InvalidOperationException("A reader was woken without a reason.");
        }
    }

    ValueTaskSourceStatus IValueTaskSource<ReadOnlyMemory<byte>>.GetStatus(short token) => _reading.GetStatus(token);

    ValueTaskSourceStatus IValueTaskSource<ResponseHead>.GetStatus(short token) => _reading.GetStatus(token);

    void IValueTaskSource<ReadOnlyMemory<byte>>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _reading.OnCompleted(continuation, state, token, flags & ~ValueTaskSourceOnCompletedFlags.UseSchedulingContext);

    void IValueTaskSource<ResponseHead>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _reading.OnCompleted(continuation, state, token, flags & ~ValueTaskSourceOnCompletedFlags.UseSchedulingContext);
}

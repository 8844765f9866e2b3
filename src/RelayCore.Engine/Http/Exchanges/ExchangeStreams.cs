using RelayCore.Core.Faults;
using RelayCore.Core.Messages;
using RelayCore.Engine.Http.Impairments;
using RelayCore.Engine.Transport;
using RelayCore.Protocols;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http1;
using RelayCore.Protocols.Http2;

namespace RelayCore.Engine.Http.Exchanges;

/// <summary>
/// One side of one exchange: a body that comes in and a message that goes out, whatever HTTP version carries them. One reader and one sender
/// may be at work at a time, from different threads.
/// </summary>
/// <remarks>
/// Bodies are data octets: transfer coding and frames are gone. Failures are exceptions for which <see cref="DuplexTransport.IsFailure"/> is
/// true; a peer that reset its stream gives <see cref="StreamResetException"/>. Continuations may run inline on an I/O thread.
/// </remarks>
internal abstract class ExchangeStream
{
    /// <summary>HTTP/2 stream id; 0 with HTTP/1.</summary>
    public abstract int StreamId { get; }

    /// <summary>Whether the last octet of the incoming body was read, trailers included, or there is none.</summary>
    public abstract bool IsBodyRead { get; }

    /// <summary>Trailers that came, once <see cref="IsBodyRead"/>; without lines when there were none.</summary>
    public abstract FieldSection Trailers { get; }

    /// <summary>
    /// The next piece of the incoming body: at least one octet, or empty at its end. Until <see cref="AdvanceBody"/> the same octets are
    /// given again, perhaps with more behind them; they stay valid until then.
    /// </summary>
    /// <exception cref="StreamResetException">The peer reset the stream.</exception>
    /// <exception cref="IOException">The connection failed, or the framing of the body is broken.</exception>
    public abstract ValueTask<ReadOnlyMemory<byte>> ReadBodyAsync();

    /// <summary>
    /// Whether the incoming body ends behind the first <paramref name="octets"/> octets of what <see cref="ReadBodyAsync"/> gave last, so that
    /// <see cref="Trailers"/> are known before these are dropped and the end can go on together with them. May be wrong on the side of false.
    /// </summary>
    public virtual bool EndsBehind(int octets) => octets == 0 && IsBodyRead;

    /// <summary>
    /// Told at most once, from any thread, when the peer gives the stream up or its connection fails, whether or not a call is pending: a
    /// client that leaves while its server is waited for. When that happened before, at once. HTTP/1 does not notice and never calls it.
    /// </summary>
    public virtual Action<StreamResetException>? OnReset { get; set; }

    /// <summary>Drops octets at the front of the incoming body; that lets the peer send more.</summary>
    public abstract void AdvanceBody(int octets);

    /// <summary>Sends a head that waits for the first piece of its body, because there is none yet.</summary>
    public virtual ValueTask FlushAsync() => default;

    /// <summary>Sends a piece of the body; returns when it may be followed by more: its octets are not needed afterwards.</summary>
    /// <param name="octets">Data; may be empty when <paramref name="isLast"/>.</param>
    /// <param name="isLast">Whether the message ends with it, without trailers.</param>
    public abstract ValueTask SendBodyAsync(ReadOnlyMemory<byte> octets, bool isLast);

    /// <summary>Ends the message though octets are missing that it said it had: HTTP/2 by END_STREAM, HTTP/1 by the end of our side when it cannot end otherwise.</summary>
    /// <param name="isCut">Whether it is to look cut off: without a last chunk, too.</param>
    public abstract ValueTask EndEarlyAsync(bool isCut);

    /// <summary>Has the head that follows sent as it is to be on purpose, and its framing be wrong; only HTTP/1 can.</summary>
    public virtual void Impair(ImpairedOutput impaired)
    {
    }

    /// <summary>Ends the message by a trailer section. Without lines it is an end without trailers.</summary>
    public abstract ValueTask SendTrailersAsync(FieldSection trailers);

    /// <summary>Gives the exchange up on this side: RST_STREAM with <paramref name="code"/>, or the end of an HTTP/1 connection. May be called at any time, more than once, from any thread; pending calls then fail.</summary>
    /// <remarks>It may come a moment late from the sweeper: an object that was reset is not to be used for another stream.</remarks>
    public abstract void Reset(Http2ErrorCode code);

    /// <summary>Turns the stream into octets both ways, behind CONNECT or an upgrade. Call it when the head was sent and nothing else is pending.</summary>
    public abstract DuplexTransport AsTransport();
}

/// <summary>The client's side: its request comes in, our response goes out.</summary>
internal abstract class ClientStream : ExchangeStream
{
    /// <summary>Sends an interim response (1xx).</summary>
    public abstract ValueTask SendInterimAsync(ResponseHead head);

    /// <summary>Sends the final head. Unless <paramref name="isLast"/> it may wait for the first piece of the body, or for <see cref="ExchangeStream.FlushAsync"/>.</summary>
    /// <param name="head">As the interceptors left it, from whichever version; hop-by-hop fields and framing are this method's.</param>
    /// <param name="bodyLength">Octets of the body when known, 0 for none, -1 when not known.</param>
    /// <param name="isLast">Whether nothing follows: no body, no trailers.</param>
    public abstract ValueTask SendHeadAsync(ResponseHead head, long bodyLength, bool isLast);

    /// <summary>
    /// Our response is complete while the request body is not: asks the client to stop (RFC 9113 §8.1: RST_STREAM with NO_ERROR). HTTP/1 ends
    /// our side instead, and the rest is to be read for a short while.
    /// </summary>
    public virtual void StopBody() => Reset(Http2ErrorCode.NoError);
}

/// <summary>The server's side: our request goes out, its response comes in.</summary>
internal abstract class ServerStream : ExchangeStream
{
    /// <summary>Facts of its connection.</summary>
    public abstract Core.Connections.ServerConnection Facts { get; }

    /// <summary>Whether the connection was used before.</summary>
    public abstract bool IsReused { get; }

    /// <summary>Whether it was chosen past a parent proxy that failed, by option.</summary>
    public abstract bool IsProxyBypassed { get; }

    /// <summary>Repairs made to the head <see cref="ReadHeadAsync"/> gave last; none with HTTP/2.</summary>
    public virtual Http1Repairs Repairs => Http1Repairs.None;

    /// <summary>Sends the request head. Unless <paramref name="isLast"/> it may wait for the first piece of the body, or for <see cref="ExchangeStream.FlushAsync"/>.</summary>
    /// <param name="head">As the interceptors left it, from whichever version; hop-by-hop fields, framing and target form are this method's.</param>
    /// <param name="bodyLength">Octets of the body when known, 0 for none, -1 when not known.</param>
    /// <param name="isLast">Whether nothing follows.</param>
    public abstract ValueTask SendHeadAsync(RequestHead head, long bodyLength, bool isLast);

    /// <summary>The client changed the priority of its response (RFC 9218 §7.1); only HTTP/2 can pass that on. From any thread.</summary>
    /// <param name="value">As in a Priority field.</param>
    public virtual void Prioritize(ReadOnlySpan<byte> value)
    {
    }

    /// <summary>The next head: interim ones, then the final one. The object is the stream's until the next call.</summary>
    public abstract ValueTask<ResponseHead> ReadHeadAsync();

    /// <summary>Octets of the response body when its head says so, 0 for none, -1 when not known; behind the final head.</summary>
    public abstract long BodyLength { get; }

    /// <summary>The exchange is over: an HTTP/1 connection goes back to its pool if it can be used again, an HTTP/2 stream that is not at its end is reset.</summary>
    public abstract void Release();
}

/// <summary>A peer reset its stream, or ended the connection with streams open (RFC 9113 §5.4.2, §6.8).</summary>
internal sealed class StreamResetException(Http2ErrorCode code, PeerRole blame, string message, bool isUnprocessed = false, bool isConnectionLost = false) : IOException(message)
{
    /// <summary>The code it gave.</summary>
    public Http2ErrorCode Code => code;

    /// <summary>Whose doing.</summary>
    public PeerRole Blame => blame;

    /// <summary>Whether the request was certainly not acted on, so that it may be sent again (RFC 9113 §8.7).</summary>
    public bool IsUnprocessed => isUnprocessed;

    /// <summary>Whether the connection went away without a word about the stream, as an idle one may while it is used again (RFC 9110 §9.2.2).</summary>
    public bool IsConnectionLost => isConnectionLost;
}

/// <summary>A message that breaks a rule, or was given up for a reason that has a name. Carries the fault to the exchange.</summary>
internal class MessageFaultException(FlowFault fault) : IOException(fault.Detail)
{
    /// <summary>What is wrong.</summary>
    public FlowFault Fault => fault;
}

using System.Text;
using Microsoft.Extensions.Time.Testing;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Core.Limits;
using RelayCore.Engine.Capture;
using RelayCore.Engine.Messages;
using RelayCore.Engine.Pipeline;
using RelayCore.Engine.Tests.Capture;
using RelayCore.Formats;
using RelayCore.Protocols;
using Xunit;

namespace RelayCore.Engine.Tests.Messages;

/// <summary>The messages of one body without any HTTP around it: octets in, octets out, and what the capture has afterwards.</summary>
internal sealed class BodyBench : IMessageOutput, IDisposable
{
    private readonly FlowStore _store;
    private readonly FlowRecorder _recorder;
    private readonly ExchangeMessages _messages;
    private readonly Exchange _exchange = new();
    private readonly FlowId _id;
    private readonly MemoryStream _output = new();

    public BodyBench(string contentType, Action<MessageContext, Message>? edit = null, EngineLimits? limits = null, params (string Name, string Value)[] fields)
    {
        limits ??= EngineLimits.Default;
        var time = new FakeTimeProvider();
        _store = new(limits, time);
        _recorder = _store.Rent();
        _id = FlowId.Create(time.GetUtcNow());
        var client = CaptureDriver.Client();
        _exchange.Begin(_id, client);
        _exchange.Response.Load(200, null, 1);
        _exchange.Response.Fields.Add("Content-Type", contentType);
        foreach (var (name, value) in fields)
        {
            _exchange.Response.Fields.Add(name, value);
        }

        _recorder.Begin(FlowKind.Http, _id, default, client, time.GetTimestamp());
        _recorder.Request(CaptureDriver.Shop, CaptureDriver.RequestHead, default);
        _recorder.Response(CaptureDriver.ResponseHead, default);
        var engine = new EngineContext
        {
            Options = new() { Limits = limits },
            Time = time,
            Store = _store,
            Codings = ContentCodings.Instance,
            Pipeline = InterceptorPipeline.None,
            Stopping = CancellationToken.None,
            Pool = null!,
            Connector = null!,
            Leaves = null!,
            Sweeper = null!,
            OwnEndPoints = null!,
        };
        _messages = new(engine, _recorder, new(_recorder, time));
        var set = edit is null ? InterceptorSet.Empty : new InterceptorSet([new Editor(edit)]);
        Body = _messages.Open(PeerRole.Server, set, _exchange, hasBody: true) ?? throw new InvalidOperationException($"{contentType} is no stream of messages");
        Body.Injected.Open();
    }

    public BodyMessages Body { get; }

    public string Output => Encoding.Latin1.GetString(_output.ToArray());

    public byte[] OutputOctets => _output.ToArray();

    /// <summary>What was said at the first edit; <see langword="null"/> before.</summary>
    public long? Unsent { get; private set; }

    public IReadOnlyList<string> Tags => _exchange.Tags;

    /// <summary>Feeds a body in pieces and ends it.</summary>
    public async Task RunAsync(IEnumerable<ReadOnlyMemory<byte>> pieces)
    {
        await FeedAsync(pieces);
        if (Body.IsTransformed)
        {
            await Body.TransformAsync(default, isLast: true, this);
        }
        else
        {
            Body.End(isWhole: true);
        }
    }

    public async Task FeedAsync(IEnumerable<ReadOnlyMemory<byte>> pieces)
    {
        foreach (var piece in pieces)
        {
            // A buffer of its own that is spoilt afterwards, as a connection's is.
            var octets = piece.ToArray();
            _recorder.Body(PeerRole.Server, octets);
            if (Body.IsTransformed)
            {
                await Body.TransformAsync(octets, isLast: false, this);
            }
            else
            {
                Body.Observe(octets);
            }

            octets.AsSpan().Fill(0xEE);
        }
    }

    public Task FeedAsync(string text) => FeedAsync([Encoding.Latin1.GetBytes(text)]);

    public Task InjectAsync() => Body.InjectAsync(this).AsTask();

    /// <summary>Ends the flow and shows it.</summary>
    public async Task<HttpLayer> EndAsync()
    {
        await _messages.EndAsync(null);
        _recorder.End(CloseReason.Completed, null, _exchange, 0);
        using var captured = _store.Find(_id)!;
        return ((FlowLayer.Http)captured.ToFlow(ContentCodings.Instance).Layer).Data;
    }

    public IReadOnlyList<string> Marks()
    {
        using var captured = _store.Find(_id)!;
        return captured.ToFlow(null).Marks;
    }

    public static IEnumerable<ReadOnlyMemory<byte>> Cut(byte[] octets, params int[] at)
    {
        var start = 0;
        foreach (var end in at)
        {
            yield return octets.AsMemory(start, end - start);
            start = end;
        }

        yield return octets.AsMemory(start);
    }

    public static IEnumerable<ReadOnlyMemory<byte>> Cut(byte[] octets, Random random)
    {
        for (var at = 0; at < octets.Length;)
        {
            var length = Math.Min(octets.Length - at, random.Next(1, random.Next(2, 40)));
            yield return octets.AsMemory(at, length);
            at += length;
        }
    }

    ValueTask IMessageOutput.WriteAsync(ReadOnlyMemory<byte> data)
    {
        Assert.False(data.IsEmpty);
        _output.Write(data.Span);
        return default;
    }

    void IMessageOutput.Edited(long unsent)
    {
        Assert.Null(Unsent);
        Unsent = unsent;
    }

    public void Dispose()
    {
        _store.Return(_recorder);
        _store.Dispose();
        _output.Dispose();
    }

    private sealed class Editor(Action<MessageContext, Message> edit) : IInterceptor
    {
        public string Name => "editor";

        public InterceptorNeeds Needs => new() { Stages = Stage.Message, MayWait = false };

        public ValueTask OnMessageAsync(MessageContext context, Message message, CancellationToken cancellationToken)
        {
            edit(context, message);
            return default;
        }
    }
}

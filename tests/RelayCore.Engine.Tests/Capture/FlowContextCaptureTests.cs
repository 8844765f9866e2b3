using System.Buffers;
using System.Text.Json;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Engine.Capture;
using Xunit;
using static RelayCore.Engine.Tests.Capture.CaptureDriver;

namespace RelayCore.Engine.Tests.Capture;

/// <summary>What actors said of a flow, recorded with it.</summary>
public sealed class FlowContextCaptureTests
{
    private static readonly RuleTrace s_trace = new("Terminated",
    [
        new("other", "request_headers", false, "NotMatched") { Failing = "Host Exact \"b\u20ac\"" },
        new("mock", "request_headers", true, "MatchedAndTerminated")
        {
            Detail = "said so",
            DurationUs = 12,
            Actions = [new("MockResponse", "terminal", 11) { Detail = "200", Changes = [new("response.headers.X", null, "1"), new("response.headers.Y", "2", null)] }],
            Variables = new Dictionary<string, string> { ["a"] = "b" },
        },
    ])
    { TerminatedBy = "mock", Reason = "Mock", Excluded = 7, Omitted = 3 };

    private static byte[] Json(RuleTrace trace) => JsonSerializer.SerializeToUtf8Bytes(trace, FlowJson.Default.RuleTrace);

    private static Flow Record(Action<Exchange> says)
    {
        using var store = Store();
        var context = new Exchange();
        var (id, client) = (NewId(), Client());
        context.Begin(id, client);
        says(context);
        Get(store.Rent(), id, client, Server(), Kilobyte, context);
        using var captured = store.Find(id)!;
        return captured.ToFlow(null);
    }

    [Fact]
    public void End_TraceMarkerComment_AreInTheFlowAndItsJson()
    {
        var flow = Record(x => (x.Trace, x.Marker, x.Comment) = (new Trace(Json(s_trace)), "\U0001F41B", "why\nnot"));
        Assert.Equal(Json(s_trace), Json(flow.RuleTrace!));
        Assert.Equal(("\U0001F41B", "why\nnot"), (flow.Marker, flow.Comment));
        var json = JsonSerializer.SerializeToElement(flow, FlowJson.Default.Flow);
        Assert.Equal("mock", json.GetProperty("rule_trace").GetProperty("terminated_by").GetString());
        Assert.Equal("MockResponse", json.GetProperty("rule_trace").GetProperty("events")[1].GetProperty("actions")[0].GetProperty("type").GetString());
        Assert.Equal("why\nnot", json.GetProperty("comment").GetString());
        Assert.Equal(Json(s_trace), Json(JsonSerializer.Deserialize(JsonSerializer.Serialize(flow, FlowJson.Default.Flow), FlowJson.Default.Flow)!.RuleTrace!));
    }

    [Fact]
    public void End_NothingSaid_LeavesEverythingAbsent()
    {
        var flow = Record(static x => (x.Marker, x.Comment) = ("", ""));
        Assert.Equal((null, null, null, null, null), (flow.RuleTrace, flow.Marker, flow.Comment, flow.MatchedRules, flow.RuleVariables));
        Assert.False(JsonSerializer.SerializeToElement(flow, FlowJson.Default.Flow).TryGetProperty("rule_trace", out _));
    }

    [Fact]
    public void End_OnlyAMarker_KeepsTagsAndTheRestEmpty()
    {
        var flow = Record(static x => x.Marker = "!");
        Assert.Equal(("!", null), (flow.Marker, flow.Comment));
        Assert.Empty(flow.Tags);
    }

    [Fact]
    public void End_TooLong_IsCutBetweenCharacters()
    {
        // The 256th unit begins a character of two.
        var flow = Record(static x => (x.Marker, x.Comment) = (new string('m', 255) + "\U0001F41B", new string('c', 5000)));
        Assert.Equal(new string('m', FlowRecorder.MaxMarker - 1), flow.Marker);
        Assert.Equal(new string('c', FlowRecorder.MaxComment), flow.Comment);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void End_TraceAtItsLimit_IsKeptAndOverItIsLeftOut(int over)
    {
        var empty = Json(s_trace with { Reason = "" }).Length;
        var json = Json(s_trace with { Reason = new string('r', FlowRecorder.MaxTrace - empty + over) });
        Assert.Equal(FlowRecorder.MaxTrace + over, json.Length);
        var flow = Record(x => x.Trace = new Trace(json));
        Assert.Equal(over == 0, flow.RuleTrace is not null);
        Assert.Equal(200, ((FlowLayer.Http)flow.Layer).Data.Response!.Status);

        // The buffer of the thread is as good as new.
        Assert.Equal("Mock", Record(static x => x.Trace = new Trace(Json(s_trace))).RuleTrace!.Reason);
    }

    [Fact]
    public void End_TraceThatFailsOrIsNone_CostsOnlyTheTrace()
    {
        foreach (var trace in (Trace[])[new(null), new([]), new("{\"events\":"u8.ToArray())])
        {
            var flow = Record(x =>
            {
                x.Trace = trace;
                x.SetTag("kept");
            });
            Assert.Null(flow.RuleTrace);
            Assert.Equal(["kept"], flow.Tags);
            Assert.Equal("completed", flow.CloseReason!.Reason);
        }
    }

    [Fact]
    public void End_Trace_AllocatesNothing()
    {
        using var store = Store();
        var (recorder, client, server) = (store.Rent(), Client(), Server());
        var (plain, traced) = (new Exchange(), new Exchange());
        plain.Begin(NewId(), client);
        traced.Begin(NewId(), client);
        traced.Trace = new Trace(Json(s_trace));
        var (without, with) = (Cost(plain), Cost(traced));
        Assert.True(with <= without + 16, $"{with} octets a flow with a trace, {without} without");

        double Cost(Exchange context)
        {
            Run(200);
            var before = GC.GetAllocatedBytesForCurrentThread();
            Run(200);
            return (GC.GetAllocatedBytesForCurrentThread() - before) / 200.0;

            void Run(int count)
            {
                for (var i = 0; i < count; i++)
                {
                    Get(recorder, NewId(), client, server, Kilobyte, context);
                }
            }
        }
    }

    [Fact]
    public void Continue_TakesOverWhatWasSaidAndKeepsWhatIsThere()
    {
        var (connect, tunnel) = (new ConnectContext(), new TunnelContext());
        connect.Begin(NewId(), Client());
        tunnel.Begin(NewId(), Client());
        connect.SetTag("a");
        connect.SetVariable("v", "1");
        connect.MatchedRules.Add("r");
        (connect.Trace, connect.Marker, connect.Comment) = (new Trace([]), "m", "c");
        (tunnel.Marker, tunnel.RuleState) = ("own", "state");
        tunnel.MatchedRules.Add("r");
        tunnel.Continue(connect);
        Assert.Equal(["a"], tunnel.Tags);
        Assert.Equal(["r"], tunnel.MatchedRules);
        Assert.Equal(("1", "own", "c", "state"), (tunnel.Variables["v"], tunnel.Marker, tunnel.Comment, (string)tunnel.RuleState!));
        Assert.Same(connect.Trace, tunnel.Trace);
    }

    /// <summary>Writes what it was given; <see langword="null"/> fails after some octets.</summary>
    private sealed class Trace(byte[]? json) : IFlowTrace
    {
        public void Write(IBufferWriter<byte> destination)
        {
            destination.Write(json ?? "{"u8);
            if (json is null)
            {
                throw new InvalidOperationException("deliberate");
            }
        }
    }
}

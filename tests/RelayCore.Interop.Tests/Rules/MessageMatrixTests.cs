using System.Text;

namespace RelayCore.Interop.Tests.Rules;

/// <summary>Every filter and action of messages on the wire: what real clients and origins of WebSockets, event streams and JSON lines receive.</summary>
public sealed class MessageMatrixTests(MessageMatrixTests.Scene scene) : IClassFixture<MessageMatrixTests.Scene>
{
    public static TheoryData<string, string, bool> Sockets()
    {
        var rows = new TheoryData<string, string, bool>();
        foreach (var row in MessageMatrixRows.All)
        {
            foreach (var stage in row.Stages)
            {
                rows.Add(row.ToString(), stage, false);
                rows.Add(row.ToString(), stage, true);
            }
        }

        return rows;
    }

    public static TheoryData<string, bool> Streams()
    {
        var rows = new TheoryData<string, bool>();
        foreach (var row in MessageMatrixStreamRows.All)
        {
            rows.Add(row.ToString(), false);
            rows.Add(row.ToString(), true);
        }

        return rows;
    }

    [Theory]
    [MemberData(nameof(Sockets))]
    public async Task Row_OnAWebSocket_BothEndsReceiveWhatItSays(string name, string stage, bool isCompressed)
    {
        var row = MessageMatrixRows.All.Single(x => x.ToString() == name);
        var (result, flow) = await scene.Wire.RunAsync(row, stage, isCompressed);
        Assert.Equal(isCompressed ? ["permessage-deflate"] : [], result.Extensions);
        Assert.Equal(Order(row, [.. row.Origin, row.Close]), Order(row, result.Origin));
        Assert.Equal(Order(row, [.. row.Client, row.Close]), Order(row, result.Client));
        Assert.True(result.Milliseconds >= row.MinMilliseconds, $"it took {result.Milliseconds} ms");
        Assert.Equal(row.Tags, flow.Tags);
    }

    [Theory]
    [MemberData(nameof(Streams))]
    public async Task Row_OnAStream_BothEndsReceiveWhatItSays(string name, bool isChunked)
    {
        var row = MessageMatrixStreamRows.All.Single(x => x.ToString() == name);
        Assert.SkipWhen(row.Type is "Abort" or "CloseMessages" && isChunked, "known: what a body had of a message that was not whole when a rule ended it is still written");
        Assert.SkipWhen(row.IsInjection && !isChunked, "known: a body whose last octets carry its end loses what was injected for messages in them");
        var (result, origin, took, flow) = await scene.Wire.RunAsync(row, isChunked);
        Assert.Equal(Order(row, row.Client), Order(row, Encoding.UTF8.GetString(result.Output)));
        Assert.Equal(Order(row, row.Origin ?? row.Upload ?? ""), Order(row, origin!));
        Assert.Equal(row.ExitCode, result.ExitCode);
        Assert.True(took >= row.MinMilliseconds, $"it took {took} ms");
        Assert.Equal(row.Tags, flow.Tags);
    }

    private static IEnumerable<string> Order(MessageMatrixCase row, string[] messages) => row.IsUnordered ? messages.Order(StringComparer.Ordinal) : messages;

    private static string Order(StreamMatrixCase row, string text) => row.IsInjection ? string.Join('\n', text.Split('\n').Order(StringComparer.Ordinal)) : text;

    /// <summary>One proxy, one client and the origins for all rows.</summary>
    public sealed class Scene : IAsyncLifetime
    {
        internal MessageMatrixScene Wire { get; private set; } = null!;

        public async ValueTask InitializeAsync() => Wire = await MessageMatrixScene.StartAsync();

        public ValueTask DisposeAsync() => Wire.DisposeAsync();
    }
}

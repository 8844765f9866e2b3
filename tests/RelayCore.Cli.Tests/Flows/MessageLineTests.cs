using RelayCore.Cli.Flows;
using RelayCore.Core.Flows;
using Xunit;

namespace RelayCore.Cli.Tests.Flows;

public sealed class MessageLineTests
{
    [Fact]
    public void Format_Text_HasTimeArrowSizeAndContent() =>
        Assert.Equal("08:00:00.005 → Text         5 B  hello", Line(Message("hello")));

    [Fact]
    public void Format_FromTheServer_PointsTheOtherWay() =>
        Assert.Contains(" ← ", Line(Message("x") with { Direction = "ServerToClient" }), StringComparison.Ordinal);

    [Fact]
    public void Format_EverythingDone_IsNoted() =>
        Assert.EndsWith(
            "x  [injected, dropped, changed, compressed, cut, incomplete]",
            Line(Message("x", truncated: true) with { Injected = true, Dropped = true, Changed = true, Compressed = true, Incomplete = true }),
            StringComparison.Ordinal);

    [Fact]
    public void Format_Narrow_CutsTheContentNotTheNotes()
    {
        var line = Line(Message(new string('x', 500)) with { Dropped = true }, 80);
        Assert.EndsWith("x…  [dropped]", line, StringComparison.Ordinal);
        Assert.InRange(line.Length, 70, 80);
    }

    [Fact]
    public void Format_Hostile_ReachesNoTerminal() =>
        Assert.EndsWith("a\\x0ab\\x1b[2J", Line(Message("a\nb\u001b[2J")), StringComparison.Ordinal);

    [Fact]
    public void Format_Binary_IsHex()
    {
        var message = Message("") with { Content = new() { Encoding = "base64", Content = "/wAQ", Size = 3, Captured = 3 }, Opcode = "Binary" };
        Assert.EndsWith("Binary       3 B  ff0010", Line(message), StringComparison.Ordinal);
        var large = Message("") with { Content = new() { Encoding = "base64", Content = Convert.ToBase64String(new byte[10_001]), Size = 10_001, Captured = 10_001 } };
        Assert.EndsWith(new string('0', 100), Line(large), StringComparison.Ordinal);
    }

    [Fact]
    public void Format_CloseAndEvent_ShowTheirFields()
    {
        var close = Message("") with { Opcode = "Close", CloseCode = 1001, CloseReason = "by\u001be", Content = new() { Encoding = "none", Content = "", Size = 5, Captured = 5 } };
        Assert.EndsWith("Close        5 B  1001 by\\x1be", Line(close), StringComparison.Ordinal);
        Assert.EndsWith("event price: id 7: retry 10: 42", Line(Message("42") with { Opcode = "Event", Event = new("7", "price", 10) }), StringComparison.Ordinal);
    }

    private static string Line(FlowMessage message, int width = int.MaxValue) => MessageLine.Format(message, width, new(false), TimeZoneInfo.Utc);

    private static FlowMessage Message(string text, bool truncated = false) => new()
    {
        Id = "x:1",
        Number = 1,
        Timestamp = "2026-09-24T08:00:00.005000Z",
        Direction = "ClientToServer",
        Opcode = "Text",
        Content = new() { Encoding = "utf-8", Content = text, Size = text.Length, Captured = text.Length, Truncated = truncated },
        WireSize = text.Length + 6,
    };
}

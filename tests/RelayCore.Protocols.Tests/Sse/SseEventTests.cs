using System.Text;
using RelayCore.Protocols.Sse;
using Xunit;

namespace RelayCore.Protocols.Tests.Sse;

public sealed class SseEventTests
{
    [Theory]
    [InlineData("§9.2.6 no space", "data:a\n\n", 1, "a", null, null, null)]
    [InlineData("§9.2.6 one space goes", "data:  a\n\n", 1, " a", null, null, null)]
    [InlineData("§9.2.6 name alone", "data\n\n", 1, "", null, null, null)]
    [InlineData("§9.2.6 lines joined", "data: a\ndata\ndata: b\n\n", 3, "a\n\nb", null, null, null)]
    [InlineData("§9.2.6 no data", "event: x\nid: 1\n\n", 0, "", "x", "1", null)]
    [InlineData("§9.2.6 last counts", "event: x\nevent: y\nid: 1\nid: 2\nretry: 3\nretry: 4\n\n", 0, "", "y", "2", 4L)]
    [InlineData("§9.2.6 id with NUL", "id: 1\nid: 2\03\n\n", 0, "", null, "1", null)]
    [InlineData("§9.2.6 empty id resets", "id\n\n", 0, "", null, "", null)]
    [InlineData("§9.2.6 retry not digits", "retry: 1\nretry: 2x\nretry: -1\nretry:\nretry:  7\n\n", 0, "", null, null, 1L)]
    [InlineData("§9.2.6 retry out of range", "retry: 99999999999999999999\n\n", 0, "", null, null, null)]
    [InlineData("§9.2.6 case counts", "Data: a\nDATA: b\n\n", 0, "", null, null, null)]
    [InlineData("§9.2.6 other names", "data : a\nx: y\nda: z\n\n", 0, "", null, null, null)]
    [InlineData("§9.2.6 colon in a value", "data: a:b\n\n", 1, "a:b", null, null, null)]
    [InlineData("§9.2.6 cut off", "data: a\ndata: b", 2, "a\nb", null, null, null)]
    public void Parse_Block_HasTheFieldsOfTheStandard(string clause, string block, int lines, string data, string? name, string? id, long? retry)
    {
        var octets = Encoding.UTF8.GetBytes(block);
        var parsed = SseEvent.Parse(octets);
        var joined = new byte[octets.Length];
        var text = Encoding.UTF8.GetString(joined, 0, SseEvent.Join(octets, joined));
        Assert.True(
            (lines, data, name, id, retry) == (parsed.DataLines, text, Text(parsed.Name), Text(parsed.Id), parsed.RetryMilliseconds),
            $"{clause}: {parsed.DataLines} {text} {Text(parsed.Name)} {Text(parsed.Id)} {parsed.RetryMilliseconds}");

        string? Text((int, int)? value) => value is { } x ? SseEvent.Text(octets, x) : null;
    }
}

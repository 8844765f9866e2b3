using System.Buffers;
using System.Text;
using System.Text.Json;
using RelayCore.Protocols.Http2;
using Xunit;

namespace RelayCore.Conformance.Tests.Http2;

/// <summary>The published frame vectors: each valid one is read as described and written again, each erroneous one refused with one of its codes.</summary>
public sealed class Http2FrameVectorTests
{
    private const string Set = "http2-frame-test-case";

    public static TheoryData<string> Vectors
    {
        get
        {
            var data = new TheoryData<string>();
            var folder = Conformance.Tests.Vectors.Find(Set, out _);
            foreach (var file in folder is null ? (IEnumerable<string>)[] : Directory.GetFiles(folder, "*.json", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
            {
                data.Add(Path.GetRelativePath(folder!, file));
            }

            if (data.Count == 0)
            {
                data.Add(""); // one test that says why there are none
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Vectors))]
    public void TryRead_PublishedVector_IsReadOrRefusedAsItSays(string file)
    {
        var folder = Conformance.Tests.Vectors.Find(Set, out var reason);
        Assert.SkipWhen(folder is null, $"the vectors of {Set} are not here: {reason}");
        Assert.NotEqual("", file);
        using var vector = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, file)));
        var root = vector.RootElement;
        var wire = Convert.FromHexString(root.GetProperty("wire").GetString()!);
        var status = default(Http2FrameReader).TryRead(wire, Http2Settings.MinMaxFrameSize, out var frame, out var consumed, out var error);
        if (root.GetProperty("error") is { ValueKind: JsonValueKind.Array } codes)
        {
            Assert.True(error.IsError);
            Assert.Contains((int)error.Code, codes.EnumerateArray().Select(x => x.GetInt32()));
            return;
        }

        Assert.Equal((OperationStatus.Done, wire.Length, default), (status, consumed, error));
        var expected = root.GetProperty("frame");
        Assert.Equal(
            (expected.GetProperty("length").GetInt32(), expected.GetProperty("type").GetInt32(), expected.GetProperty("flags").GetInt32(), expected.GetProperty("stream_identifier").GetInt32()),
            (frame.Length, (int)frame.Type, (int)frame.Flags, frame.StreamId));
        Assert.Equal(Describe(expected.GetProperty("frame_payload")), Describe(frame));
        AssertWritten(frame, wire);
    }

    /// <summary>What the vector says of the payload; the octets of padding are not looked at by anyone.</summary>
    private static SortedDictionary<string, string> Describe(JsonElement payload)
    {
        var facts = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var property in payload.EnumerateObject().Where(x => x.Name != "padding" && x.Value.ValueKind != JsonValueKind.Null))
        {
            facts[property.Name] = property.Value.ValueKind == JsonValueKind.Array
                ? string.Join(';', property.Value.EnumerateArray().Select(x => $"{x[0].GetRawText()}:{x[1].GetRawText()}")) : property.Value.ToString();
        }

        return facts;
    }

    private static SortedDictionary<string, string> Describe(in Http2Frame frame)
    {
        var facts = new SortedDictionary<string, string>(StringComparer.Ordinal);
        if ((frame.Flags & Http2FrameFlags.Padded) != 0 && frame.Type is Http2FrameType.Data or Http2FrameType.Headers or Http2FrameType.PushPromise)
        {
            facts["padding_length"] = $"{frame.PadLength}";
        }

        if (frame.Priority is { } priority)
        {
            facts["stream_dependency"] = $"{priority.DependsOn}";
            facts["weight"] = $"{priority.Weight}";
            facts["exclusive"] = $"{priority.IsExclusive}";
        }

        switch (frame.Type)
        {
            case Http2FrameType.Data:
                facts["data"] = Encoding.ASCII.GetString(frame.Payload);
                break;
            case Http2FrameType.Headers or Http2FrameType.Continuation:
                facts["header_block_fragment"] = Encoding.ASCII.GetString(frame.Payload);
                break;
            case Http2FrameType.PushPromise:
                facts["header_block_fragment"] = Encoding.ASCII.GetString(frame.Payload);
                facts["promised_stream_id"] = $"{frame.PromisedStreamId}";
                break;
            case Http2FrameType.RstStream:
                facts["error_code"] = $"{(uint)frame.ErrorCode}";
                break;
            case Http2FrameType.Settings:
                facts["settings"] = Http2SettingsRecord.From(frame.Settings).ToString();
                break;
            case Http2FrameType.Ping:
                facts["opaque_data"] = Encoding.ASCII.GetString(frame.Payload);
                break;
            case Http2FrameType.GoAway:
                facts["error_code"] = $"{(uint)frame.ErrorCode}";
                facts["last_stream_id"] = $"{frame.LastStreamId}";
                facts["additional_debug_data"] = Encoding.ASCII.GetString(frame.Payload);
                break;
            case Http2FrameType.WindowUpdate:
                facts["window_size_increment"] = $"{frame.Increment}";
                break;
            default:
                break;
        }

        return facts;
    }

    private static void AssertWritten(in Http2Frame frame, byte[] wire)
    {
        var destination = new byte[wire.Length];
        int? written = frame.Type switch
        {
            // This proxy neither pads nor pushes, and writes CONTINUATION only behind its HEADERS: those frames have no writer to compare.
            _ when frame.PadLength > 0 => null,
            Http2FrameType.PushPromise or Http2FrameType.Continuation => null,
            Http2FrameType.Headers => Http2FrameWriter.WriteFieldBlock(destination, frame.Payload, frame.StreamId, frame.EndsStream, Http2Settings.MinMaxFrameSize, frame.Priority),
            Http2FrameType.Priority => Http2FrameWriter.WritePriority(destination, frame.StreamId, frame.Priority!.Value),
            Http2FrameType.RstStream => Http2FrameWriter.WriteRstStream(destination, frame.StreamId, frame.ErrorCode),
            Http2FrameType.Settings => Http2FrameWriter.WriteSettings(destination, Http2SettingsRecord.From(frame.Settings).Settings),
            Http2FrameType.Ping => Http2FrameWriter.WritePing(destination, frame.Payload, frame.IsAck),
            Http2FrameType.GoAway => Http2FrameWriter.WriteGoAway(destination, frame.LastStreamId, frame.ErrorCode, frame.Payload),
            Http2FrameType.WindowUpdate => Http2FrameWriter.WriteWindowUpdate(destination, frame.StreamId, frame.Increment),
            _ => throw new InvalidOperationException($"no writer for {frame.Type}"),
        };
        if (written is { } length)
        {
            Assert.Equal(wire, destination[..length]);
        }
    }
}

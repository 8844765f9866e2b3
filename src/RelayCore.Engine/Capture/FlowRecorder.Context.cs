using System.Buffers;
using RelayCore.Core.Interception;

namespace RelayCore.Engine.Capture;

/// <summary>The part that writes what actors said of a flow. Everything here is called under the recorder's lock, once, when the flow ends.</summary>
public sealed partial class FlowRecorder
{
    /// <summary>Characters of a marker; the rest is cut.</summary>
    internal const int MaxMarker = 256;

    /// <summary>Characters of a comment; the rest is cut.</summary>
    internal const int MaxComment = 4096;

    /// <summary>Octets of a trace (<see cref="IFlowTrace"/>); a longer one breaks its contract and is left out: half of it would be no JSON.</summary>
    internal const int MaxTrace = 16 * 1024;

    // One for each thread that ends flows, so that a trace costs no allocation.
    [ThreadStatic]
    private static ArrayBufferWriter<byte>? s_trace;

    private void WriteContext(FlowContext? context)
    {
        if (context is null)
        {
            return;
        }

        // Both directions of a flow may still set some: what is written is one moment.
        var (tags, variables, rules) = (context.Tags, context.Variables, context.MatchedRules);
        var (marker, comment) = (Cut(context.Marker, MaxMarker), Cut(context.Comment, MaxComment));
        if (tags.Count > 0 || variables.Count > 0 || rules.Count > 0 || marker is not null || comment is not null)
        {
            var length = 512;
            RecordWriter writer;
            do
            {
                writer = Open(length);
                writer.Texts(tags);
                writer.Number((ulong)variables.Count);
                foreach (var (name, value) in variables)
                {
                    writer.Text(name);
                    writer.Text(value);
                }

                writer.Number((ulong)rules.Count);
                for (var i = 0; i < rules.Count; i++)
                {
                    writer.Text(rules[i]);
                }

                writer.Text(marker);
                writer.Text(comment);
            }
            while (!Close(SectionTag.Context, ref writer, ref length));
        }

        if (context.Trace is { } trace)
        {
            WriteTrace(trace);
        }
    }

    private void WriteTrace(IFlowTrace trace)
    {
        var buffer = s_trace ??= new(MaxTrace);
        buffer.ResetWrittenCount();
        try
        {
            trace.Write(buffer);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            return; // the flow is worth more than what was to be said of it
        }

        if (buffer.WrittenCount is > 0 and <= MaxTrace && TryTake(SectionTag.RuleTrace, buffer.WrittenCount, out var payload))
        {
            buffer.WrittenSpan.CopyTo(payload);
        }
        else if (buffer.WrittenCount > MaxTrace)
        {
            s_trace = null; // it has grown
        }
    }

    // An empty text is none.
    private static string? Cut(string? text, int max)
    {
        if (text is null or "" || text.Length <= max)
        {
            return text is "" ? null : text;
        }

        return text[..(char.IsHighSurrogate(text[max - 1]) ? max - 1 : max)];
    }
}

using System.Globalization;
using RelayCore.Cli.Arguments;
using RelayCore.Cli.Text;
using RelayCore.Core.Flows;

namespace RelayCore.Cli.Flows;

/// <summary>A flow in one line: time, method, status, size, duration, URL, and the fault code when it failed.</summary>
internal static class FlowLine
{
    /// <summary>Formats one.</summary>
    /// <param name="flow">The flow.</param>
    /// <param name="width">Columns of the terminal; the URL is cut to fit.</param>
    /// <param name="style">Colour.</param>
    /// <param name="zone">Time zone of the time.</param>
    public static string Format(FlowSummary flow, int width, Style style, TimeZoneInfo zone)
    {
        var time = TimeZoneInfo.ConvertTime(DateTimeOffset.FromUnixTimeMilliseconds(flow.StartTimeMs), zone).ToString("HH:mm:ss.fff", CultureInfo.InvariantCulture);
        var method = Printable.Cut(Printable.Line(Method(flow)), 7).PadRight(7);
        var status = (flow.Status?.ToString(CultureInfo.InvariantCulture) ?? (flow.ErrorCode is null ? "-" : "ERR")).PadLeft(3);
        var size = SizeText.Format(flow.Size).PadLeft(9);
        var duration = Duration(flow.DurationMs).PadLeft(8);
        var fault = flow.ErrorCode is null ? "" : "  " + flow.ErrorCode;
        var head = $"{time} {method} {status} {size} {duration}  ";
        var url = Printable.Line(flow.Url);
        url = Printable.Cut(url, Math.Max(16, width == int.MaxValue ? width : width - head.Length - fault.Length - 1));
        var coloured = flow.Status is { } number ? style.Status(number, status) : flow.ErrorCode is null ? status : style.Red(status);
        return $"{style.Dim(time)} {style.Bold(method)} {coloured} {size} {duration}  {url}{style.Red(fault)}".TrimEnd();
    }

    /// <summary>A duration for a person: <c>850 µs</c>, <c>12.3 ms</c>, <c>4.20 s</c>; a dash while it runs.</summary>
    public static string Duration(double? milliseconds) => milliseconds switch
    {
        null => "-",
        < 1 => string.Create(CultureInfo.InvariantCulture, $"{milliseconds * 1000:0} µs"),
        < 1000 => string.Create(CultureInfo.InvariantCulture, $"{milliseconds:0.0} ms"),
        < 60_000 => string.Create(CultureInfo.InvariantCulture, $"{milliseconds / 1000:0.00} s"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{milliseconds / 60_000:0.0} min"),
    };

    private static string Method(FlowSummary flow) => flow.Method.Length > 0 ? flow.Method : flow.Kind switch
    {
        FlowKind.Tunnel => "TUNNEL",
        FlowKind.Connection => "CONN",
        FlowKind.WebSocket => "WS",
        _ => "?",
    };
}

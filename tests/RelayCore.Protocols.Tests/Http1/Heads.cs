using System.Text;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http1;

namespace RelayCore.Protocols.Tests.Http1;

/// <summary>Takes heads through the codec in the order in which a proxy does.</summary>
internal sealed class Heads
{
    private Heads()
    {
    }

    public FieldSection Fields { get; } = new();

    public Http1Fault Fault { get; private set; }

    public Http1Repairs Repairs { get; private set; }

    public BodyFraming Framing { get; private set; }

    public string StartLine { get; private set; } = "";

    public static byte[] Octets(string latin1) => Encoding.Latin1.GetBytes(latin1);

    public static string Text(ReadOnlySpan<byte> octets) => Encoding.Latin1.GetString(octets);

    public static Heads Request(string wire, Http1Repairs allowed = Http1Repairs.None, Http1Limits? limits = null)
    {
        limits ??= Http1Limits.Default;
        var result = new Heads();
        var head = result.Find(wire, limits, allowed);
        if (result.Fault != Http1Fault.None)
        {
            return result;
        }

        var error = Http1HeadReader.ReadRequest(head, limits, allowed, result.Fields, out var line, out var repairs);
        if (!error.IsError)
        {
            var (method, target) = (head[..line.MethodLength], head.AsSpan(line.TargetStart, line.TargetLength).ToArray());
            result.StartLine = $"{Text(method)} {Text(target)} HTTP/1.{line.MinorVersion}\r\n";
            result.Fault = !RequestTarget.TryRead(target, method, out var parts) ? Http1Fault.InvalidTarget
                : HostField.Check(result.Fields, line.MinorVersion, parts.Form, out _, out _) is not Http1Fault.None and var host ? host
                : Http1Framing.OfRequest(result.Fields, line.MinorVersion, allowed, out var framing, ref repairs) is not Http1Fault.None and var fault ? fault
                : result.Accept(framing);
        }

        return result.Finish(error, repairs);
    }

    public static Heads Response(
        string wire, Http1Repairs allowed = Http1Repairs.Response, string requestMethod = "GET", Http1Limits? limits = null)
    {
        limits ??= Http1Limits.Default;
        var result = new Heads();
        var head = result.Find(wire, limits, allowed);
        if (result.Fault != Http1Fault.None)
        {
            return result;
        }

        var error = Http1HeadReader.ReadResponse(head, limits, allowed, result.Fields, out var line, out var repairs);
        if (!error.IsError)
        {
            result.StartLine = $"HTTP/1.{line.MinorVersion} {line.Status} {Text(head.AsSpan(line.ReasonStart, line.ReasonLength))}\r\n";
            var fault = Http1Framing.OfResponse(
                result.Fields, line.Status, line.MinorVersion, Octets(requestMethod), allowed, out var framing, ref repairs);
            result.Fault = fault != Http1Fault.None ? fault : result.Accept(framing);
        }

        return result.Finish(error, repairs);
    }

    /// <summary>The head as it is forwarded, start line included.</summary>
    public string Forwarded(ConnectionOptions options = ConnectionOptions.None)
    {
        var destination = new byte[Fields.WrittenBound + Http1HeadWriter.Overhead];
        return StartLine + Text(destination.AsSpan(0, Http1HeadWriter.WriteFields(destination, Fields, HopByHop.Read(Fields), options)));
    }

    private byte[] Find(string wire, Http1Limits limits, Http1Repairs allowed)
    {
        var (octets, scanned) = (Octets(wire), 0);
        var end = Http1HeadReader.FindEnd(octets, ref scanned, limits, allowed, out var error);
        Fault = error.Fault;
        return end > 0 ? octets[..end] : end < 0 ? [] : throw new ArgumentException("The head has no end.", nameof(wire));
    }

    private Http1Fault Accept(BodyFraming framing)
    {
        Framing = framing;
        return Http1Fault.None;
    }

    private Heads Finish(Http1Error error, Http1Repairs repairs)
    {
        Fault = error.IsError ? error.Fault : Fault;
        Repairs = repairs;
        return this;
    }
}

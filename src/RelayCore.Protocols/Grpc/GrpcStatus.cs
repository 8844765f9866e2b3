using System.Globalization;
using System.Text;
using RelayCore.Protocols.Fields;

namespace RelayCore.Protocols.Grpc;

/// <summary>How a call ended (gRPC over HTTP/2, "Status" and "Status-Message").</summary>
/// <param name="Code">0 for OK; others have names in <see cref="NameOf"/>.</param>
/// <param name="Message">Percent-decoded text; <see langword="null"/> without one.</param>
public readonly record struct GrpcStatus(int Code, string? Message)
{
    private static readonly string[] s_names =
    [
        "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
    ];

    /// <summary>Name of a status code; an empty string for an unknown one.</summary>
    public static string NameOf(int code) => (uint)code < (uint)s_names.Length ? s_names[code] : "";

    /// <summary>Finds the status among field lines: trailers, or the head of a response that has nothing else.</summary>
    public static bool TryFind(FieldSection fields, out GrpcStatus status)
    {
        ArgumentNullException.ThrowIfNull(fields);
        var index = fields.IndexOf("grpc-status"u8);
        if (index < 0 || !TryCode(fields.Value(index), out var code))
        {
            status = default;
            return false;
        }

        var message = fields.IndexOf("grpc-message"u8);
        status = new(code, message < 0 ? null : Decode(fields.Value(message)));
        return true;
    }

    /// <summary>Finds the status in the octets of a gRPC-web trailer frame: field lines with CRLF or LF.</summary>
    public static bool TryParse(ReadOnlySpan<byte> trailers, out GrpcStatus status)
    {
        var (code, message) = (-1, default(string));
        while (!trailers.IsEmpty)
        {
            var end = trailers.IndexOf((byte)'\n');
            var line = end < 0 ? trailers : trailers[..end];
            trailers = end < 0 ? default : trailers[(end + 1)..];
            var colon = line.IndexOf((byte)':');
            if (colon < 0)
            {
                continue;
            }

            var name = line[..colon];
            var value = line[(colon + 1)..].Trim(" \t\r"u8);
            if (Ascii.EqualsIgnoreCase(name, "grpc-status"u8) && TryCode(value, out var found))
            {
                code = found;
            }
            else if (Ascii.EqualsIgnoreCase(name, "grpc-message"u8))
            {
                message = Decode(value);
            }
        }

        status = new(code, message);
        return code >= 0;
    }

    private static bool TryCode(ReadOnlySpan<byte> value, out int code) => int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out code);

    // What is no valid escape stays as it is: the protocol asks receivers not to lose a message over it.
    private static string Decode(ReadOnlySpan<byte> value)
    {
        var octets = new byte[value.Length];
        var written = 0;
        for (var i = 0; i < value.Length; i++)
        {
            octets[written++] = value[i] == '%' && i + 2 < value.Length
                && byte.TryParse(value.Slice(i + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var escaped)
                ? Skip(ref i, escaped) : value[i];
        }

        return Encoding.UTF8.GetString(octets, 0, written);

        static byte Skip(ref int index, byte octet)
        {
            index += 2;
            return octet;
        }
    }
}

using System.Buffers;
using System.Buffers.Text;
using System.Diagnostics;

namespace RelayCore.Protocols.Http2;

/// <summary>The HTTP2-Settings field of <c>Upgrade: h2c</c>: the payload of SETTINGS as token68 (RFC 7540 §3.2.1, base64url without padding).</summary>
/// <remarks>The field must be there exactly once and be nominated by Connection, which is for the reader of the request to check.</remarks>
public static class Http2UpgradeSettings
{
    /// <summary>Octets of the buffer that <see cref="TryRead"/> needs; a payload larger than this is refused.</summary>
    public const int BufferOctets = 64 * Http2Setting.Octets;

    private static readonly SearchValues<byte> s_alphabet = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"u8);

    /// <summary>Decodes a field value.</summary>
    /// <param name="value">The value, white space trimmed; empty is valid and has no parameters.</param>
    /// <param name="buffer">At least <see cref="BufferOctets"/>; the result borrows it.</param>
    /// <param name="parameters">The parameters, each checked by itself, for <see cref="Http2Settings.Apply(Http2SettingsEnumerator, PeerRole, Http2Limits)"/>.</param>
    /// <returns>Whether it is valid; otherwise the upgrade is to be refused (400) or ignored.</returns>
    public static bool TryRead(ReadOnlySpan<byte> value, Span<byte> buffer, out Http2SettingsEnumerator parameters)
    {
        Debug.Assert(buffer.Length >= BufferOctets, "The buffer has its size from here.");
        parameters = default;
        if (value.ContainsAnyExcept(s_alphabet)
            || Base64Url.DecodeFromUtf8(value, buffer[..BufferOctets], out _, out var written) != OperationStatus.Done
            || written % Http2Setting.Octets != 0)
        {
            return false;
        }

        var read = new Http2SettingsEnumerator(buffer[..written]);
        foreach (var setting in read)
        {
            if (setting.Check().IsError)
            {
                return false;
            }
        }

        parameters = read;
        return true;
    }

    /// <summary>Encodes a field value.</summary>
    /// <param name="settings">At most 64 parameters.</param>
    /// <returns>The value, without padding.</returns>
    public static string ToFieldValue(ReadOnlySpan<Http2Setting> settings)
    {
        Span<byte> payload = stackalloc byte[BufferOctets];
        return Base64Url.EncodeToString(payload[..Http2FrameWriter.WriteParameters(payload, settings)]);
    }
}

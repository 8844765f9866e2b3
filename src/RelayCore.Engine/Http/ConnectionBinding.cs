using System.Text;
using RelayCore.Protocols.Fields;

namespace RelayCore.Engine.Http;

/// <summary>NTLM and Negotiate authenticate the connection instead of the request; sharing it would share the identity.</summary>
internal static class ConnectionBinding
{
    /// <summary>Whether a field of this name has such a scheme.</summary>
    public static bool IsIn(FieldSection fields, ReadOnlySpan<byte> name)
    {
        for (var i = fields.IndexOf(name); i >= 0; i = fields.IndexOf(name, i + 1))
        {
            var value = fields.Value(i);
            if ((value.Length >= 4 && Ascii.EqualsIgnoreCase(value[..4], "NTLM"u8))
                || (value.Length >= 9 && Ascii.EqualsIgnoreCase(value[..9], "Negotiate"u8)))
            {
                return true;
            }
        }

        return false;
    }
}

using System.Buffers;
using System.Text;

namespace RelayCore.Protocols.Fields;

/// <summary>Octet classes of field names and values (RFC 9110 §5.1, §5.5, §5.6.2).</summary>
public static class FieldSyntax
{
    private static readonly SearchValues<byte> s_token =
        SearchValues.Create("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"u8);

    // Everything below SP except HTAB, and DEL. obs-text (0x80-0xFF) is allowed.
    private static readonly SearchValues<byte> s_notInValue = SearchValues.Create(
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 127]);

    /// <summary>Index of the first octet that is not a <c>tchar</c> (RFC 9110 §5.6.2), or -1 when all are.</summary>
    public static int IndexOfNonToken(ReadOnlySpan<byte> octets) => octets.IndexOfAnyExcept(s_token);

    /// <summary>Whether <paramref name="octets"/> is a <c>token</c>: one or more <c>tchar</c>.</summary>
    public static bool IsToken(ReadOnlySpan<byte> octets) => !octets.IsEmpty && octets.IndexOfAnyExcept(s_token) < 0;

    /// <summary>Index of the first octet that may not stand in a field value (a control octet other than HTAB), or -1.</summary>
    public static int IndexOfInvalidValueOctet(ReadOnlySpan<byte> value) => value.IndexOfAny(s_notInValue);

    /// <summary>Whether two field names are the same: ASCII letters without case (RFC 9110 §5.1), any other octet as it is.</summary>
    public static bool NameEquals(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right)
    {
        if (left.Length != right.Length || Ascii.EqualsIgnoreCase(left, right))
        {
            return left.Length == right.Length;
        }

        // The vectorised comparison answers false for every octet above 0x7F; names of tolerated responses may have such.
        for (var i = 0; i < left.Length; i++)
        {
            if (left[i] != right[i] && ((left[i] | 0x20) != (right[i] | 0x20) || !char.IsAsciiLetter((char)left[i])))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Removes optional white space (SP and HTAB) at both ends (RFC 9110 §5.6.3).</summary>
    public static ReadOnlySpan<byte> TrimWhiteSpace(ReadOnlySpan<byte> value)
    {
        var (start, end) = (0, value.Length);
        while (start < end && value[start] is (byte)' ' or (byte)'\t')
        {
            start++;
        }

        while (end > start && value[end - 1] is (byte)' ' or (byte)'\t')
        {
            end--;
        }

        return value[start..end];
    }

    /// <summary>Takes the next member of a comma-separated list (RFC 9110 §5.6.1), white space trimmed; empty members are skipped.</summary>
    /// <param name="list">What is left of the list; shortened by the call.</param>
    /// <param name="member">The member.</param>
    /// <returns><see langword="false"/> when the list holds no further member.</returns>
    public static bool TryTakeListMember(ref ReadOnlySpan<byte> list, out ReadOnlySpan<byte> member)
    {
        while (!list.IsEmpty)
        {
            var comma = list.IndexOf((byte)',');
            member = TrimWhiteSpace(comma < 0 ? list : list[..comma]);
            list = comma < 0 ? default : list[(comma + 1)..];
            if (!member.IsEmpty)
            {
                return true;
            }
        }

        member = default;
        return false;
    }
}

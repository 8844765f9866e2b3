using System.Globalization;
using System.Text.RegularExpressions;

namespace RelayCore.Fuzz.Oracles;

/// <summary>A second reader of authorities and request targets, by the grammar (RFC 3986 §3.2, RFC 9112 §3.2) as regular expressions.</summary>
internal static class TargetOracle
{
    /// <summary><c>host|port</c> with -1 for no port, or <see langword="null"/>.</summary>
    public static string? Authority(string text)
    {
        var match = Regex.Match(text, @"\A(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9\-._~\x80-\xFF]{1,1024}))(?::([0-9]{0,5}))?\z");
        if (!match.Success || (match.Groups[1].Success && !IsIPv6(match.Groups[1].Value)))
        {
            return null;
        }

        var port = match.Groups[3].Length == 0 ? -1 : int.Parse(match.Groups[3].Value, CultureInfo.InvariantCulture);
        return port is 0 or > 65535 ? null : $"{match.Groups[1].Value}{match.Groups[2].Value}|{port}";
    }

    /// <summary><c>form|secure|authority|path|user information</c>, or <see langword="null"/>.</summary>
    public static string? Target(string text, string method)
    {
        if (text.Length == 0 || text.Contains('#', StringComparison.Ordinal))
        {
            return null;
        }

        if (method == "CONNECT")
        {
            return Authority(text) is { } named && !named.EndsWith("|-1", StringComparison.Ordinal) ? $"Authority|False|{text}||False" : null;
        }

        if (text[0] == '/')
        {
            return $"Origin|False||{text}|False";
        }

        if (text == "*")
        {
            return method == "OPTIONS" ? "Asterisk|False||*|False" : null;
        }

        var match = Regex.Match(
            text, @"\A(?i:(http|ws)(s?))://([A-Za-z0-9\-._~%!$&'()*+,;=:]*@)?([^/?@]*)([/?].*)?\z", RegexOptions.Singleline | RegexOptions.CultureInvariant);
        return match.Success && Authority(match.Groups[4].Value) is not null
            ? $"Absolute|{match.Groups[2].Length > 0}|{match.Groups[4].Value}|{match.Groups[5].Value}|{match.Groups[3].Success}"
            : null;
    }

    // Eight groups of one to four digits, or fewer around one "::"; the last two may be an IPv4 address.
    private static bool IsIPv6(string text)
    {
        var halves = text.Split("::");
        if (halves.Length > 2)
        {
            return false;
        }

        var groups = 0;
        for (var half = 0; half < halves.Length; half++)
        {
            if (halves[half].Length == 0)
            {
                if (halves.Length == 1)
                {
                    return false;
                }

                continue;
            }

            var parts = halves[half].Split(':');
            for (var i = 0; i < parts.Length; i++)
            {
                var isLast = half == halves.Length - 1 && i == parts.Length - 1;
                var isIPv4 = isLast && Regex.IsMatch(parts[i], @"\A(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(?:\.|\z)){4}\z")
                    && !parts[i].EndsWith('.');
                if (!isIPv4 && !Regex.IsMatch(parts[i], @"\A[0-9A-Fa-f]{1,4}\z"))
                {
                    return false;
                }

                groups += isIPv4 ? 2 : 1;
            }
        }

        return halves.Length == 2 ? groups <= 7 : groups == 8;
    }
}

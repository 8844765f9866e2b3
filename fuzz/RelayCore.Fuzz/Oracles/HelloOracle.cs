using System.Text;

namespace RelayCore.Fuzz.Oracles;

/// <summary>
/// A second reader of ClientHellos for comparison (RFC 8446 §4.1.2, §5.1): one octet after the other into a list, then by cutting lists.
/// Answers <c>more</c>, <c>refuse</c>, or a description of the message.
/// </summary>
internal static class HelloOracle
{
    private const int MaxOctets = 64 * 1024;

    public static string Read(byte[] wire)
    {
        try
        {
            var message = new List<byte>();
            int inRecord = 0, left = 0;
            for (var i = 0; i < wire.Length; i++)
            {
                Require(i < MaxOctets);
                if (inRecord < 5)
                {
                    Require(inRecord != 0 || wire[i] == 22);
                    Require(inRecord != 1 || wire[i] == 3);
                    Require(inRecord != 2 || wire[i] <= 4);
                    inRecord++;
                    left = inRecord == 5 ? (wire[i - 1] << 8) | wire[i] : 0;
                    Require(inRecord < 5 || left is > 0 and <= 16384);
                    continue;
                }

                message.Add(wire[i]);
                left--;
                inRecord = left == 0 ? 0 : inRecord;
                Require(message[0] == 1);
                if (message.Count < 4)
                {
                    continue;
                }

                var missing = 4 + ((message[1] << 16) | (message[2] << 8) | message[3]) - message.Count;
                Require(i + 1 + missing <= MaxOctets);
                if (missing == 0)
                {
                    return FormattableString.Invariant($"wire {i + 1}, record {(wire[1] << 8) | wire[2]}; ") + Body(message[4..]);
                }
            }

            Require(wire.Length < MaxOctets);
            return "more";
        }
        catch (RefusedException)
        {
            return "refuse";
        }
    }

    public static string Describe(
        int version, IEnumerable<ushort> suites, IEnumerable<ushort> extensions, IEnumerable<ushort> versions, IEnumerable<ushort> groups,
        IEnumerable<byte> formats, IEnumerable<ushort> signatures, IEnumerable<string> protocols, string? name) =>
        $"{version}; suites {string.Join(' ', suites)}; extensions {string.Join(' ', extensions)}; versions {string.Join(' ', versions)}; "
        + $"groups {string.Join(' ', groups)}; formats {string.Join(' ', formats)}; signatures {string.Join(' ', signatures)}; "
        + $"protocols {string.Join('|', protocols)}; name {name ?? "(none)"}";

    private static string Body(List<byte> body)
    {
        var version = Number(body);
        Take(body, 32);
        Require(Vector(body, 1).Count <= 32);
        var suites = Numbers(Vector(body, 2));
        Require(Vector(body, 1).Count > 0);
        var extensions = new List<(ushort Number, List<byte> Content)>();
        if (body.Count > 0)
        {
            var block = Whole(body, 2);
            while (block.Count > 0)
            {
                extensions.Add((Number(block), Vector(block, 2)));
            }
        }

        Require(extensions.Select(x => x.Number).Distinct().Count() == extensions.Count);
        return Describe(
            version, suites, extensions.Select(x => x.Number), Of(43, 1, Numbers), Of(10, 2, Numbers), Of(11, 1, NotEmpty), Of(13, 2, Numbers), Of(16, 2, Protocols),
            Of(0, 2, Names).SingleOrDefault());

        List<T> Of<T>(ushort number, int lengthOctets, Func<List<byte>, List<T>> read) =>
            [.. extensions.Where(x => x.Number == number).SelectMany(x => read(Whole(x.Content, lengthOctets)))];
    }

    private static List<byte> NotEmpty(List<byte> content)
    {
        Require(content.Count > 0);
        return content;
    }

    private static List<string> Protocols(List<byte> content)
    {
        var protocols = new List<string>();
        for (NotEmpty(content); content.Count > 0;)
        {
            protocols.Add(Encoding.Latin1.GetString([.. NotEmpty(Vector(content, 1))]));
        }

        return protocols;
    }

    private static List<string> Names(List<byte> content)
    {
        var names = new List<string>();
        for (NotEmpty(content); content.Count > 0;)
        {
            var type = Take(content, 1)[0];
            var name = Vector(content, 2);
            if (type == 0)
            {
                names.Add(Encoding.Latin1.GetString([.. NotEmpty(name)]));
            }
        }

        Require(names.Count <= 1);
        return names;
    }

    private static List<ushort> Numbers(List<byte> content)
    {
        var numbers = new List<ushort>();
        for (NotEmpty(content); content.Count > 0;)
        {
            numbers.Add(Number(content));
        }

        return numbers;
    }

    private static List<byte> Whole(List<byte> content, int lengthOctets)
    {
        var copy = content.ToList();
        var vector = Vector(copy, lengthOctets);
        Require(copy.Count == 0);
        return vector;
    }

    private static ushort Number(List<byte> from)
    {
        var octets = Take(from, 2);
        return (ushort)((octets[0] << 8) | octets[1]);
    }

    private static List<byte> Vector(List<byte> from, int lengthOctets) => Take(from, lengthOctets == 1 ? Take(from, 1)[0] : Number(from));

    private static List<byte> Take(List<byte> from, int count)
    {
        Require(from.Count >= count);
        var taken = from[..count];
        from.RemoveRange(0, count);
        return taken;
    }

    private static void Require(bool condition)
    {
        if (!condition)
        {
            throw new RefusedException();
        }
    }

    private sealed class RefusedException : Exception;
}

using System.Text;

namespace RelayCore.Protocols.Http2.Hpack;

/// <summary>The static table (RFC 7541 Appendix A).</summary>
internal static class HpackStaticTable
{
    /// <summary>Number of entries; they have the indices 1 to this.</summary>
    public const int Count = 61;

    private const int Slots = 256;

    private static readonly (byte[] Name, byte[] Value)[] s_entries = [.. Entries().Select(x => (Encoding.ASCII.GetBytes(x.Name), Encoding.ASCII.GetBytes(x.Value)))];
    private static readonly uint[] s_nameHashes = new uint[Slots];
    private static readonly byte[] s_names = new byte[Slots];
    private static readonly uint[] s_fieldHashes = new uint[Slots];
    private static readonly byte[] s_fields = new byte[Slots];

    static HpackStaticTable()
    {
        for (var index = 1; index <= Count; index++)
        {
            var nameHash = HpackHash.OfName(Name(index));
            if (IndexOfName(Name(index), nameHash) == 0)
            {
                Add(s_nameHashes, s_names, nameHash, index);
            }

            Add(s_fieldHashes, s_fields, HpackHash.OfField(nameHash, Value(index)), index);
        }
    }

    /// <summary>Name of an entry, 1 to <see cref="Count"/>.</summary>
    public static ReadOnlySpan<byte> Name(int index) => s_entries[index - 1].Name;

    /// <summary>Value of an entry; most are empty.</summary>
    public static ReadOnlySpan<byte> Value(int index) => s_entries[index - 1].Value;

    /// <summary>The first entry with this name, or 0.</summary>
    public static int IndexOfName(ReadOnlySpan<byte> name, uint nameHash)
    {
        for (var slot = nameHash % Slots; s_names[slot] != 0; slot = (slot + 1) % Slots)
        {
            if (s_nameHashes[slot] == nameHash && Name(s_names[slot]).SequenceEqual(name))
            {
                return s_names[slot];
            }
        }

        return 0;
    }

    /// <summary>The entry with this name and value, or 0.</summary>
    public static int IndexOfField(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, uint fieldHash)
    {
        for (var slot = fieldHash % Slots; s_fields[slot] != 0; slot = (slot + 1) % Slots)
        {
            if (s_fieldHashes[slot] == fieldHash && Name(s_fields[slot]).SequenceEqual(name) && Value(s_fields[slot]).SequenceEqual(value))
            {
                return s_fields[slot];
            }
        }

        return 0;
    }

    private static void Add(uint[] hashes, byte[] indices, uint hash, int index)
    {
        var slot = hash % Slots;
        while (indices[slot] != 0)
        {
            slot = (slot + 1) % Slots;
        }

        (hashes[slot], indices[slot]) = (hash, (byte)index);
    }

    private static (string Name, string Value)[] Entries() =>
    [
        (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"), (":path", "/index.html"), (":scheme", "http"),
        (":scheme", "https"), (":status", "200"), (":status", "204"), (":status", "206"), (":status", "304"), (":status", "400"),
        (":status", "404"), (":status", "500"), ("accept-charset", ""), ("accept-encoding", "gzip, deflate"), ("accept-language", ""),
        ("accept-ranges", ""), ("accept", ""), ("access-control-allow-origin", ""), ("age", ""), ("allow", ""), ("authorization", ""),
        ("cache-control", ""), ("content-disposition", ""), ("content-encoding", ""), ("content-language", ""), ("content-length", ""),
        ("content-location", ""), ("content-range", ""), ("content-type", ""), ("cookie", ""), ("date", ""), ("etag", ""), ("expect", ""),
        ("expires", ""), ("from", ""), ("host", ""), ("if-match", ""), ("if-modified-since", ""), ("if-none-match", ""), ("if-range", ""),
        ("if-unmodified-since", ""), ("last-modified", ""), ("link", ""), ("location", ""), ("max-forwards", ""), ("proxy-authenticate", ""),
        ("proxy-authorization", ""), ("range", ""), ("referer", ""), ("refresh", ""), ("retry-after", ""), ("server", ""), ("set-cookie", ""),
        ("strict-transport-security", ""), ("transfer-encoding", ""), ("user-agent", ""), ("vary", ""), ("via", ""), ("www-authenticate", ""),
    ];
}

namespace RelayCore.Protocols.Http1;

/// <summary>Bounds on the head of an HTTP/1 message; one instance is a snapshot and never changes.</summary>
public sealed record Http1Limits
{
    /// <summary>The defaults.</summary>
    public static readonly Http1Limits Default = new();

    /// <summary>Start line and field lines together, in octets, 1 KiB to 16 MiB. Default 256 KiB (Chromium's own bound on response heads). Over it: 431 or 502.</summary>
    public int MaxHeadOctets { get; init; } = 256 * 1024;

    /// <summary>One line, in octets. Default 128 KiB (cookies and signed query strings of real sites stay below 64 KiB). Over it: 414, 431 or 502.</summary>
    public int MaxLineOctets { get; init; } = 128 * 1024;

    /// <summary>Number of field lines. Default 1,000 (Apache httpd 100, nginx unbounded by count). Over it: 431 or 502.</summary>
    public int MaxFields { get; init; } = 1000;

    /// <summary>
    /// Octets of one chunk-size line with extensions, line end excluded. Default 4 KiB (as haproxy and Go bound it); all lines of a body
    /// together may exceed 32 octets and the data they announce by four times that. Over it: 400 or 502.
    /// </summary>
    public int MaxChunkLineOctets { get; init; } = 4096;

    /// <summary>Octets of a trailer section. Default 16 KiB; at most what a receive buffer holds. Over it: 400 or 502.</summary>
    public int MaxTrailerOctets { get; init; } = 16 * 1024;
}

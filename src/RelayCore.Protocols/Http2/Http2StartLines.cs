using RelayCore.Protocols.Http1;

namespace RelayCore.Protocols.Http2;

/// <summary>Pseudo-fields of a request: ranges for <see cref="Fields.FieldSection.Octets"/> of the section that was read.</summary>
public readonly record struct Http2RequestLine
{
    /// <summary>Octets of the method, from offset 0; 0 when it was missing.</summary>
    public int MethodLength { get; init; }

    /// <summary>
    /// Form of the target in the line that was put together: absolute, authority (CONNECT without :protocol), asterisk, or origin when there is no
    /// :authority but a Host.
    /// </summary>
    public RequestTargetForm Form { get; init; }

    /// <summary>Whether :scheme is https; false for CONNECT, which has none.</summary>
    public bool IsSecure { get; init; }

    /// <summary>Offset of the authority: that of :authority, or of the Host without.</summary>
    public int AuthorityStart { get; init; }

    /// <summary>Octets of the authority; 0 when the request is malformed.</summary>
    public int AuthorityLength { get; init; }

    /// <summary>Whether the authority came as :authority.</summary>
    public bool HasAuthority { get; init; }

    /// <summary>Offset of :path.</summary>
    public int PathStart { get; init; }

    /// <summary>Octets of :path; 0 for CONNECT without :protocol.</summary>
    public int PathLength { get; init; }

    /// <summary>Offset of :protocol (RFC 8441 §4).</summary>
    public int ProtocolStart { get; init; }

    /// <summary>Octets of :protocol; 0 without.</summary>
    public int ProtocolLength { get; init; }

    /// <summary>Order of the pseudo-fields, e.g. <c>m,a,s,p</c>; <c>o</c> is :protocol. It differs between clients, so it is a fingerprint.</summary>
    public string PseudoOrder { get; init; }

    /// <summary>Content-Length in octets, or -1 without.</summary>
    public long ContentLength { get; init; }
}

/// <summary>Pseudo-field of a response.</summary>
/// <param name="Status">100 to 999, not 101; 0 when missing or invalid.</param>
/// <param name="ContentLength">Content-Length in octets, or -1 without.</param>
public readonly record struct Http2StatusLine(int Status, long ContentLength);

/// <summary>Pseudo-fields of a request to be written.</summary>
public readonly ref struct Http2RequestParts
{
    /// <summary>:method.</summary>
    public required ReadOnlySpan<byte> Method { get; init; }

    /// <summary>Whether :scheme is https.</summary>
    public bool IsSecure { get; init; }

    /// <summary>:authority; left out when empty.</summary>
    public ReadOnlySpan<byte> Authority { get; init; }

    /// <summary>:path; not sent with CONNECT without <see cref="Protocol"/>.</summary>
    public ReadOnlySpan<byte> Path { get; init; }

    /// <summary>:protocol of an extended CONNECT (RFC 8441 §4), or empty.</summary>
    public ReadOnlySpan<byte> Protocol { get; init; }

    /// <summary>Order as <see cref="Http2RequestLine.PseudoOrder"/>; empty for m,s,a,p. What it does not name comes last.</summary>
    public ReadOnlySpan<char> Order { get; init; }

    /// <summary>Whether Host goes on beside :authority, because it came so and they agree.</summary>
    public bool KeepsHost { get; init; }
}

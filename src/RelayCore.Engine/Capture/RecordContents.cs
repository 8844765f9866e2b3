namespace RelayCore.Engine.Capture;

/// <summary>Where the sections of a record are that stand in it once; the last one counts.</summary>
internal readonly ref struct RecordContents
{
    public RecordContents(ReadOnlySpan<byte> sections)
    {
        var reader = new RecordReader(sections);
        while (reader.TryTakeSection(out var tag, out var payload))
        {
            switch (tag)
            {
                case SectionTag.Request:
                    Request = payload.Rest;
                    break;
                case SectionTag.RequestSent:
                    RequestSent = payload.Rest;
                    break;
                case SectionTag.Response:
                    Response = payload.Rest;
                    break;
                case SectionTag.ResponseSent:
                    ResponseSent = payload.Rest;
                    break;
                case SectionTag.Tunnel:
                    Tunnel = payload.Rest;
                    break;
                case SectionTag.Context:
                    Context = payload.Rest;
                    break;
                case SectionTag.Fault:
                    Fault = payload.Rest;
                    break;
                case SectionTag.GrpcStatus:
                    GrpcStatus = payload.Rest;
                    break;
                case SectionTag.RuleTrace:
                    RuleTrace = payload.Rest;
                    break;
            }
        }
    }

    public ReadOnlySpan<byte> Request { get; }

    public ReadOnlySpan<byte> RequestSent { get; }

    public ReadOnlySpan<byte> Response { get; }

    public ReadOnlySpan<byte> ResponseSent { get; }

    public ReadOnlySpan<byte> Tunnel { get; }

    public ReadOnlySpan<byte> Context { get; }

    public ReadOnlySpan<byte> Fault { get; }

    public ReadOnlySpan<byte> GrpcStatus { get; }

    public ReadOnlySpan<byte> RuleTrace { get; }

    /// <summary>The request as it left.</summary>
    public ReadOnlySpan<byte> FinalRequest => RequestSent.IsEmpty ? Request : RequestSent;

    /// <summary>The response as the client got it.</summary>
    public ReadOnlySpan<byte> FinalResponse => ResponseSent.IsEmpty ? Response : ResponseSent;
}

/// <summary>A request section taken apart.</summary>
internal readonly ref struct RequestContents
{
    public RequestContents(ReadOnlySpan<byte> section)
    {
        var reader = new RecordReader(section);
        IsSecure = reader.Octet() != 0;
        Port = (int)reader.Number();
        Host = reader.TextOctets();
        Repairs = (uint)reader.Number();
        Head = reader.Rest;
        var line = HeadText.FirstLine(Head);
        var end = line.IndexOf((byte)' ');
        Method = end < 0 ? line : line[..end];
        var rest = end < 0 ? [] : line[(end + 1)..].TrimStart((byte)' ');
        var last = rest.LastIndexOf((byte)' ');
        Target = last < 0 ? rest : rest[..last].TrimEnd((byte)' ');
        Version = last < 0 ? [] : rest[(last + 1)..];

        // Extended CONNECT has a whole URI as its target (RFC 8441 §4).
        IsAuthority = Method.SequenceEqual("CONNECT"u8) && Target.IndexOf("://"u8) < 0;
        Path = PathOf(Target, IsAuthority);
    }

    public bool IsSecure { get; }

    public int Port { get; }

    public ReadOnlySpan<byte> Host { get; }

    public uint Repairs { get; }

    public ReadOnlySpan<byte> Head { get; }

    public ReadOnlySpan<byte> Method { get; }

    public ReadOnlySpan<byte> Target { get; }

    public ReadOnlySpan<byte> Version { get; }

    /// <summary>Path and query; empty for CONNECT, and <c>*</c> in asterisk form.</summary>
    public ReadOnlySpan<byte> Path { get; }

    /// <summary>Whether the target is <c>host:port</c>.</summary>
    public bool IsAuthority { get; }

    private static ReadOnlySpan<byte> PathOf(ReadOnlySpan<byte> target, bool isAuthority)
    {
        if (isAuthority)
        {
            return [];
        }

        if (target.IsEmpty || target[0] is (byte)'/' or (byte)'*')
        {
            return target;
        }

        var scheme = target.IndexOf("://"u8);
        var path = scheme < 0 ? 0 : target[(scheme + 3)..].IndexOfAny((byte)'/', (byte)'?');
        return scheme < 0 ? target : path < 0 ? "/"u8 : target[(scheme + 3 + path)..];
    }
}

/// <summary>A response section taken apart.</summary>
internal readonly ref struct ResponseContents
{
    public ResponseContents(ReadOnlySpan<byte> section)
    {
        var reader = new RecordReader(section);
        Repairs = (uint)reader.Number();
        Head = reader.Rest;
    }

    public uint Repairs { get; }

    public ReadOnlySpan<byte> Head { get; }
}

namespace RelayCore.Microbenchmarks.Http1;

/// <summary>Heads as a browser and a web server send them.</summary>
internal static class Http1Samples
{
    /// <summary>A page request of Firefox through a proxy: 12 fields.</summary>
    public static byte[] Request =>
    [
        .. "GET http://www.example.com/articles/2024/index.html?page=2&sort=date HTTP/1.1\r\n"u8,
        .. "Host: www.example.com\r\n"u8,
        .. "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"u8,
        .. "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"u8,
        .. "Accept-Language: en-US,en;q=0.5\r\n"u8,
        .. "Accept-Encoding: gzip, deflate, br, zstd\r\n"u8,
        .. "Referer: http://www.example.com/articles/\r\n"u8,
        .. "Connection: keep-alive\r\n"u8,
        .. "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=1\r\n"u8,
        .. "Upgrade-Insecure-Requests: 1\r\n"u8,
        .. "If-Modified-Since: Wed, 01 May 2024 10:00:00 GMT\r\n"u8,
        .. "Priority: u=0, i\r\n"u8,
        .. "Cache-Control: max-age=0\r\n"u8,
        .. "\r\n"u8,
    ];

    /// <summary>An answer of a web server: 12 fields.</summary>
    public static byte[] Response =>
    [
        .. "HTTP/1.1 200 OK\r\n"u8,
        .. "Server: nginx/1.22.1\r\n"u8,
        .. "Date: Wed, 01 May 2024 10:00:01 GMT\r\n"u8,
        .. "Content-Type: text/html; charset=utf-8\r\n"u8,
        .. "Content-Length: 1024\r\n"u8,
        .. "Last-Modified: Wed, 01 May 2024 09:00:00 GMT\r\n"u8,
        .. "Connection: keep-alive\r\n"u8,
        .. "ETag: \"66320f10-400\"\r\n"u8,
        .. "Cache-Control: public, max-age=3600\r\n"u8,
        .. "Strict-Transport-Security: max-age=31536000; includeSubDomains\r\n"u8,
        .. "X-Content-Type-Options: nosniff\r\n"u8,
        .. "Vary: Accept-Encoding\r\n"u8,
        .. "Set-Cookie: session=0123456789abcdef; Path=/; HttpOnly; Secure\r\n"u8,
        .. "\r\n"u8,
    ];

    /// <summary>A chunked body.</summary>
    public static byte[] Chunked(int chunks, int chunkOctets)
    {
        var body = new List<byte>();
        for (var i = 0; i < chunks; i++)
        {
            body.AddRange(System.Text.Encoding.ASCII.GetBytes(FormattableString.Invariant($"{chunkOctets:x}\r\n")));
            body.AddRange(new byte[chunkOctets]);
            body.AddRange("\r\n"u8);
        }

        body.AddRange("0\r\n\r\n"u8);
        return [.. body];
    }
}

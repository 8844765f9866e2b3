using static RelayCore.Interop.Tests.Rules.RuleMatrix;

namespace RelayCore.Interop.Tests.Rules;

/// <summary>Filters that need the response, TLS, or the end of the exchange.</summary>
internal static class ResponseFilterRows
{
    public static IReadOnlyList<RuleCase> All { get; } =
    [
        Filter("StatusCode", "404", x => x with { Status = 200 }, "ResponseHeaders") with { Status = 404 },
        Filter("StatusRange", "\"5xx\"", x => x with { Status = 200 }, "ResponseHeaders") with { Status = 502 },
        Filter("StatusRange", """{"min":200,"max":203}""", x => x with { Status = 206 }, "ResponseHeaders"),
        Filter("ResponseHeader", """{"name":"cache-control","value":{"mode":"Prefix","value":"max-age"}}""", x => x with { ResponseFields = ["Cache-Control: no-store"] }, "ResponseHeaders"),
        Filter("SetCookie", """{"name":"session"}""", x => x with { ResponseFields = ["Set-Cookie: other=1"] }, "ResponseHeaders")
            with { ResponseFields = ["Set-Cookie: a=1", "Set-Cookie: session=2; Path=/"] },
        Filter("ResponseContentType", "\"application/json\"", x => x with { ResponseFields = ["Content-Type: text/html"] }, "ResponseHeaders"),
        Filter("ResponseBody", """{"mode":"Contains","value":"Ann"}""", x => x with { ResponseBody = "nobody" }, "ResponseBody"),
        Filter("ResponseBodySize", """{"min":"1B","max":"1KiB"}""", null, "ResponseBody"),
        Filter("JsonPath", """{"path":"$.user.plan","value":"free"}""", x => x with { ResponseBody = """{"user":{"plan":"pro"}}""" }, "ResponseBody", "ResponseBody, a value"),
        Filter("Url", """{"mode":"Contains","value":"page=2"}""", x => x with { Path = "/orders" }, "ResponseHeaders"),
        Filter("Method", "\"GET\"", null, "ResponseBody"),
        new("Duration", "Completed, any", """{"stage":"Completed","filter":{"type":"Duration","config":{"min_ms":0,"max_ms":60000}},"actions":[{"type":"Tag","config":{"key":"took","value":"little"}}]}""")
        {
            Tags = ["took:little"],
        },
        new("Size", "Completed, both bodies", """{"stage":"Completed","filter":{"type":"Size","config":{"min":1}},"actions":[{"type":"Tag","config":{"key":"size","value":"some"}}]}""")
        {
            Tags = ["size:some"],
        },
    ];
}

using static RelayCore.Interop.Tests.Rules.RuleMatrix;

namespace RelayCore.Interop.Tests.Rules;

/// <summary>Actions on bodies: the content is edited, coding and framing stay right.</summary>
internal static class BodyActionRows
{
    private const string User = """{"user":{"name":"Ann","plan":"free"},"items":[1,2.50,3]}""";


    public static IReadOnlyList<RuleCase> All { get; } =
    [
        Request("SetRequestBody", "RequestHeaders", """{"body":"new"}""", "abc", "new"),
        Request("SetRequestBody", "RequestBody", """{"body":{"type":"Base64","value":"bmV3ZXI="}}""", "abc", "newer"),
        Request("TransformRequestBody", "RequestBody", """{"transform":{"type":"RegexReplace","config":{"pattern":"foo(\\d)","replacement":"bar$1!"}}}""", "a foo7 b", "a bar7! b"),
        Request("AppendRequestBody", "RequestBody", """{"body":"more"}""", "abc", "abcmore"),
        Request("PrependRequestBody", "RequestBody", """{"body":"more"}""", "abc", "moreabc"),
        Request("SetJsonRequest", "RequestBody", """{"path":"$.a.b","value":"x"}""", """{"a":{"b":1},"c":2.0}""", """{"a":{"b":"x"},"c":2.0}"""),
        Request("SetFormField", "RequestBody", """{"name":"user","value":"alice"}""", "user=bob&x=1", "user=alice&x=1") with { RequestFields = ["Content-Type: application/x-www-form-urlencoded"] },
        Request("DeleteFormField", "RequestBody", """{"name":"x"}""", "user=bob&x=1", "user=bob") with { RequestFields = ["Content-Type: application/x-www-form-urlencoded"] },
        Request("TransformStream", "RequestHeaders", """{"replacements":[{"find":"abc","replacement":"xyz"}]}""", "0123456789 abc abc", "0123456789 xyz xyz"),
        Response("SetResponseBody", "ResponseHeaders", """{"body":"maintenance"}""", "maintenance"),
        Response("SetResponseBody", "ResponseBody", """{"body":{"type":"Text","value":""}}""", ""),
        Response("TransformResponseBody", "ResponseBody", """{"transform":{"type":"JsonPathSet","config":{"path":"$.user.plan","value":"\"pro\""}}}""", User.Replace("free", "pro", StringComparison.Ordinal)),
        Response("TransformResponseBody", "ResponseBody", """{"transform":{"type":"JsonPathDelete","config":{"path":"$.items"}}}""", """{"user":{"name":"Ann","plan":"free"}}"""),
        Response("TransformResponseBody", "ResponseBody", """{"transform":{"type":"JsonMerge","config":{"merge":{"user":{"plan":null}}}}}""", """{"user":{"name":"Ann"},"items":[1,2.50,3]}"""),
        Response("TransformResponseBody", "ResponseBody", """{"transform":{"type":"JsonPatch","config":{"patch":[{"op":"add","path":"/items/0","value":0}]}}}""", User.Replace("[1,", "[0,1,", StringComparison.Ordinal)),
        Response("TransformResponseBody", "ResponseBody", """{"transform":{"type":"RegexReplace","config":{"pattern":"A(nn)","replacement":"$1a"}}}""", User.Replace("Ann", "nna", StringComparison.Ordinal)),
        Response("AppendResponseBody", "ResponseBody", """{"body":"more"}""", User + "more"),
        Response("PrependResponseBody", "ResponseBody", """{"body":"more"}""", "more" + User),
        Response("SetJsonResponse", "ResponseBody", """{"path":"$.user.plan","value":"pro"}""", User.Replace("free", "pro", StringComparison.Ordinal)),
        Response("TransformStream", "ResponseHeaders", """{"replacements":[{"find":"free","replacement":"costly"},{"pattern":"2\\.5\\d","replacement":"[$0]"}]}""",
            User.Replace("free", "costly", StringComparison.Ordinal).Replace("2.50", "[2.50]", StringComparison.Ordinal), isStreamed: true),
        Response("InjectHtml", "ResponseBody", """{"html":"<i></i>","position":"body_end"}""", "<html><body>x<i></i></body></html>") with
        {
            ResponseFields = ["Content-Type: text/html"],
            ResponseBody = "<html><body>x</body></html>",
            Client = "- Content-Length: 27\n- | <html><body>x</body></html>\n+ Content-Length: 34\n+ | <html><body>x<i></i></body></html>",
        },
        new("ChangeCompression", "to gzip", """{"stage":"ResponseBody","filter":{"type":"All"},"actions":[{"type":"ChangeCompression","config":{"encoding":"gzip"}}]}""")
        {
            Client = "coded gzip",
            IsIdentityOnly = true,
        },
    ];

    private static RuleCase Request(string type, string stage, string config, string before, string after) =>
        Action(type, stage, config, Change(before, after, isStreamed: type == "TransformStream")) with { Method = "POST", RequestFields = ["Content-Type: text/plain"], RequestBody = before };

    private static RuleCase Response(string type, string stage, string config, string after, bool isStreamed = false) =>
        Action(type, stage, config, "", Change(User, after, isStreamed));

    // Streams are chunked then: their length is not known before their end.
    private static string Change(string before, string after, bool isStreamed) => isStreamed
        ? $"- Content-Length: {before.Length}\n- | {before}\n+ Transfer-Encoding: chunked\n+ | {after}"
        : before.Length == after.Length ? $"- | {before}\n+ | {after}"
        : $"- Content-Length: {before.Length}\n- | {before}\n+ Content-Length: {after.Length}{(after.Length > 0 ? "\n+ | " + after : "")}";
}

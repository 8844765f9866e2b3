using System.Security.Cryptography;
using System.Text;
using RelayCore.Rules.Actions;
using RelayCore.Rules.Actions.Bodies;
using Xunit;

namespace RelayCore.Rules.Tests.Actions.Bodies;

public sealed class InjectHtmlTests
{
    [Theory]
    [InlineData("head_start", "<!doctype html><html><head lang=\"a>b\"><title>t</title></head><body></body></html>", "<!doctype html><html><head lang=\"a>b\">[]<title>t</title></head><body></body></html>")]
    [InlineData("head_end", "<HTML><HEAD><script>'</head>'</script></HEAD><BODY>", "<HTML><HEAD><script>'</head>'</script>[]</HEAD><BODY>")]
    [InlineData("body_start", "<!-- <body> --><html><body class='x'>text", "<!-- <body> --><html><body class='x'>[]text")]
    [InlineData("body_end", "<body><p></body><!-- </body> --></html>", "<body><p>[]</body><!-- </body> --></html>")]
    [InlineData("body_end", "<body><script>var a = '</body>';</script>x</body>", "<body><script>var a = '</body>';</script>x[]</body>")]
    [InlineData("body_end", "<body><textarea></body></textarea></html>", "<body><textarea></body></textarea>[]</html>")]
    [InlineData("head_start", "<!doctype html><p>x", "<!doctype html>[]<p>x")]
    [InlineData("head_start", "<html><p>x", "<html>[]<p>x")]
    [InlineData("head_end", "<html><head><title>x</title><body>y", "<html><head><title>x</title>[]<body>y")]
    [InlineData("body_start", "<head></head><p>x", "<head></head>[]<p>x")]
    [InlineData("body_end", "<p>x", "<p>x[]")]
    [InlineData("body_start", "", "[]")]
    [InlineData("head_start", "<header><head><p a=\"<head>\">", "<header><head>[]<p a=\"<head>\">")]
    [InlineData("head_start", "<!--><head>x", "<!--><head>[]x")]
    [InlineData("head_start", "a < b <head>x", "a < b <head>[]x")]
    [InlineData("head_start", "<p it's><head>x", "<p it's><head>[]x")]
    [InlineData("body_end", "<body><!-- open </body>", "<body><!-- open </body>[]")]
    public async Task Inject_Document_StandsAtTheTag(string position, string before, string after)
    {
        var bench = new BodyBench().Response(before, "text/html; charset=utf-8", "gzip");
        var result = await bench.RunAsync("InjectHtml", "{\"html\":\"[]\",\"position\":\"" + position + "\"}");
        Assert.Equal((ActionOutcome.Done, after), (result.Outcome, bench.Text));
    }

    [Theory]
    [InlineData("application/json")]
    [InlineData("text/plain")]
    [InlineData(null)]
    public async Task Inject_OtherTypes_StayAsTheyAre(string? type)
    {
        var bench = new BodyBench().Response("<body></body>", type);
        Assert.Equal((ActionOutcome.NoEffect, false), ((await bench.RunAsync("InjectHtml", """{"html":"x"}""")).Outcome, bench.Body.IsReplaced));
    }

    [Theory]
    [InlineData("text/html; charset=iso-8859-1", "<body>\u00E9</body>")]
    [InlineData("text/html", "<meta charset=\"iso-8859-1\"><body>\u00E9</body>")]
    [InlineData("text/html", "<meta http-equiv=x content=\"text/html; charset=latin1\"><body>\u00E9</body>")]
    public async Task Inject_Charset_IsTheDocuments(string type, string document)
    {
        var bench = new BodyBench().Response(Encoding.Latin1.GetBytes(document), type);
        await bench.RunAsync("InjectHtml", """{"html":"ö"}""");
        Assert.Equal(document.Replace("</body>", "ö</body>", StringComparison.Ordinal), Encoding.Latin1.GetString(bench.Body.Octets.Span));
        var other = new BodyBench().Response(Encoding.Latin1.GetBytes(document), type);
        var result = await other.RunAsync("InjectHtml", """{"html":"漢"}""");
        Assert.Equal((ActionOutcome.Failed, false), (result.Outcome, other.Body.IsReplaced));
        Assert.Contains("character reference", result.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Inject_WithPolicy_AllowsExactlyTheMarkup()
    {
        var bench = new BodyBench().Response("<body></body>", "text/html");
        var fields = bench.Exchange.Response.Fields;
        fields.Add("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'");
        fields.Add("Content-Security-Policy", "default-src 'self'");
        await bench.RunAsync("InjectHtml", """{"html":"<script>a()</script><script async src=\"https://d.example/p.js?x\"></script><style>b{}</style><link rel=stylesheet href='/c.css'>","adjust_csp":true}""");
        var script = $"'sha256-{Convert.ToBase64String(SHA256.HashData("a()"u8))}'";
        var style = $"'sha256-{Convert.ToBase64String(SHA256.HashData("b{}"u8))}'";
        Assert.Equal(
            [
                $"default-src 'none'; script-src 'self' {script} https://d.example/p.js; style-src 'unsafe-inline' 'self'",
                $"default-src 'self'; script-src 'self' {script} https://d.example/p.js; style-src 'self' {style}",
            ],
            fields.ToList().Where(x => x.Key == "Content-Security-Policy").Select(x => x.Value));
    }

    [Fact]
    public async Task Inject_WithoutBeingAsked_LeavesThePolicy()
    {
        var bench = new BodyBench().Response("<body></body>", "text/html");
        bench.Exchange.Response.Fields.Add("Content-Security-Policy", "default-src 'none'");
        await bench.RunAsync("InjectHtml", """{"html":"<script>a()</script>"}""");
        Assert.Equal("default-src 'none'", bench.Exchange.Response.Fields.Get("Content-Security-Policy"));
    }

    [Theory]
    [InlineData("img-src x", "script-src", "'sha256-x'", "img-src x")]
    [InlineData("default-src 'none'", "script-src", "'sha256-x'", "default-src 'none'; script-src 'sha256-x'")]
    [InlineData("script-src-elem a; script-src b", "script-src", "https://c/d", "script-src-elem a https://c/d; script-src b")]
    [InlineData("script-src 'unsafe-inline'", "script-src", "'sha256-x'", "script-src 'unsafe-inline'")]
    [InlineData("script-src 'unsafe-inline' 'nonce-1'", "script-src", "'sha256-x'", "script-src 'unsafe-inline' 'nonce-1' 'sha256-x'")]
    public void Widen_Policy_FollowsTheFallbacks(string before, string directive, string source, string after) =>
        Assert.Equal(after, SecurityPolicy.Widen(before, directive, [source]));
}

using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using RelayCore.Core.Connections;
using RelayCore.Rules.Actions;
using Xunit;

namespace RelayCore.Rules.Tests.Actions;

/// <summary>Actions on where and how a server is reached, by the route they leave on the flow.</summary>
public sealed class ConnectionActionsTests
{
    public static TheoryData<string, string?, ServerRoute> Routes => new()
    {
        { "RedirectIp", """{"target":"10.0.0.5"}""", new() { Host = "10.0.0.5" } },
        { "RedirectIp", """{"target":"{{client.ip}}:81"}""", new() { Host = "10.1.2.3", Port = 81 } },
        { "RedirectIp", """{"target":"[2001:db8::5]:8443"}""", new() { Host = "2001:db8::5", Port = 8443 } },
        { "RedirectIp", """{"target":"::1"}""", new() { Host = "::1" } },
        { "ForwardPort", """{"target_host":"{{rule.id}}.test","target_port":8443}""", new() { Host = "r1.test", Port = 8443 } },
        { "SetUpstreamAddress", """{"host":"Canary.Example"}""", new() { Host = "canary.example" } },
        { "SetUpstreamAddress", """{"host":"[::1]","port":1}""", new() { Host = "::1", Port = 1 } },
        { "SetTtl", """{"ttl":3}""", new() { TimeToLive = 3 } },
        { "SetUpstreamProxy", """{"url":"direct"}""", new() { IsDirect = true } },
        { "SetUpstreamProxy", """{"url":"https://a:b%20c@p.example:3128"}""", new() { Proxy = new(true, "p.example", 3128, "a:b c") } },
        { "SetSni", """{"name":"Inner.Example"}""", new() { ServerName = "inner.example" } },
        { "SkipCertificateCheck", null, new() { SkipsVerification = true } },
    };

    [Theory]
    [MemberData(nameof(Routes))]
    public async Task Route_IsAddedToWhatWasThere(string type, string? config, ServerRoute expected)
    {
        var bench = new ActionBench();
        Assert.Equal(ActionOutcome.Done, (await bench.RunAsync(type, config)).Outcome);
        Assert.Equal(expected, bench.Exchange.Route);
        bench.Exchange.Route = new() { HttpVersion = 1 };
        await bench.RunAsync(type, config);
        Assert.Equal(expected with { HttpVersion = 1 }, bench.Exchange.Route);
    }

    [Theory]
    [InlineData("RedirectIp", """{"target":"{{request.host}}"}""")]
    [InlineData("RedirectIp", """{"target":"10.0.0.1:{{request.cookie.none}}"}""")]
    [InlineData("ForwardPort", """{"target_host":"{{request.path}}","target_port":1}""")]
    [InlineData("SetSni", """{"name":"{{request.path}}"}""")]
    public async Task BadValue_FailsAndLeavesTheRoute(string type, string config)
    {
        var bench = new ActionBench();
        Assert.Equal(ActionOutcome.Failed, (await bench.RunAsync(type, config)).Outcome);
        Assert.Null(bench.Exchange.Route);
    }

    [Theory]
    [InlineData("RedirectIp", """{"target":"staging.example"}""", "RULE-600")]
    [InlineData("RedirectIp", """{"target":"10.0.0.1:70000"}""", "RULE-600")]
    [InlineData("RedirectIp", """{"target":"2001:db8::zz:80"}""", "RULE-600")]
    [InlineData("SetUpstreamAddress", """{"host":"http://a"}""", "RULE-600")]
    [InlineData("SetUpstreamProxy", """{"url":"proxy.example:3128"}""", "RULE-601")]
    [InlineData("SetUpstreamProxy", """{"url":"http://proxy.example/path"}""", "RULE-601")]
    [InlineData("SetSni", """{"name":"https://a"}""", "RULE-602")]
    [InlineData("UseClientCertificate", """{"path":"missing.pfx"}""", "RULE-603")]
    public void Compile_BadConfig_IsAProblem(string type, string config, string code)
    {
        var bench = new ActionBench();
        Assert.Null(bench.Compile(type, config));
        Assert.Equal(code, Assert.Single(bench.Problems.Items).Code);
    }

    [Theory]
    [InlineData("c.pfx", "secret", null)]
    [InlineData("c.pfx", "wrong", "RULE-603")]
    [InlineData("c.pem", null, null)]
    [InlineData("bare.pem", null, "RULE-603")]
    public async Task ClientCertificate_IsLoadedAndCheckedWithTheRule(string file, string? password, string? problem)
    {
        var folder = Directory.CreateTempSubdirectory("relaycore-rules-");
        try
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            using var certificate = new CertificateRequest("CN=me", key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UnixEpoch, new(2100, 1, 1, 0, 0, 0, TimeSpan.Zero));
            await File.WriteAllBytesAsync(Path.Combine(folder.FullName, "c.pfx"), certificate.Export(X509ContentType.Pfx, "secret"), TestContext.Current.CancellationToken);
            await File.WriteAllTextAsync(
                Path.Combine(folder.FullName, "c.pem"), certificate.ExportCertificatePem() + "\n" + key.ExportPkcs8PrivateKeyPem(), TestContext.Current.CancellationToken);
            await File.WriteAllTextAsync(Path.Combine(folder.FullName, "bare.pem"), certificate.ExportCertificatePem(), TestContext.Current.CancellationToken);
            var bench = new ActionBench { Directory = folder.FullName };
            var config = password is null ? $$"""{"path":"{{file}}"}""" : $$"""{"path":"{{file}}","password":"{{password}}"}""";
            if (problem is not null)
            {
                Assert.Null(bench.Compile("UseClientCertificate", config));
                Assert.Equal(problem, Assert.Single(bench.Problems.Items).Code);
                return;
            }

            await bench.RunAsync("UseClientCertificate", config);
            Assert.Equal(certificate.Thumbprint, bench.Exchange.Route!.ClientCertificate!.Thumbprint);
            Assert.True(bench.Exchange.Route.ClientCertificate.HasPrivateKey);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}

using System.CommandLine;
using System.Net;
using RelayCore.Cli.Run;
using RelayCore.Core.Limits;
using Xunit;

namespace RelayCore.Cli.Tests.Run;

public sealed class RunSettingsReaderTests : IDisposable
{
    private readonly TestEnvironment _environment = new();

    [Fact]
    public void Read_NoOptions_GivesTheDefaults()
    {
        var settings = Read();
        Assert.Equal([new IPEndPoint(IPAddress.Loopback, 8080)], settings.Listen);
        Assert.Equal(new IPEndPoint(IPAddress.Loopback, 8082), settings.Api);
        Assert.False(settings.IsApiPortChosen);
        Assert.Null(settings.ApiToken);
        Assert.Equal(EngineLimits.Default, settings.Limits);
        Assert.Equal(_environment.Folder, settings.DataDirectory);
        Assert.False(settings.Quiet || settings.InsecureUpstream || settings.LenientHttp || settings.StrictWebSocket || settings.UpstreamFailOpen);
    }

    [Fact]
    public void Read_EveryOption_IsHonoured()
    {
        _environment.Variables["RELAYCORE_UPSTREAM_PASSWORD"] = "pass:word";
        var settings = Read(
            "-l", "127.0.0.1:0", "--listen", "[::1]:0", "--ca-cert", "a.pem", "--ca-key", "b.pem", "--data-dir", "/data", "--api-port", "0", "--api-bind", "::1",
            "--api-token", "secret", "--upstream-ca", "r1.pem", "--upstream-ca", "r2.pem", "--insecure-upstream", "--client-cert", "*.a.example=c.pfx",
            "--passthrough", "*.bank.example", "10.0.0.0/8", "--intercept-only", "a.example,b.example:8443", "--upstream", "http://proxy.example:3128",
            "--upstream-auth-user", "me", "--upstream-bypass", "*.corp.example,192.168.0.0/16", "--upstream-fail-open", "--proxy-auth", "u:p:q", "--lenient-http", "--strict-websocket",
            "--timeout", "idle=never", "--timeout", "FIRST-BYTE=2m", "--max-connections", "11", "--max-connections-per-client", "12", "--max-server-connections", "13",
            "--max-head", "1m", "--max-body-capture", "0", "--capture-memory", "64m", "--ready-file", "/r.json", "--quiet");
        Assert.Equal([new(IPAddress.Loopback, 0), new(IPAddress.IPv6Loopback, 0)], settings.Listen);
        Assert.Equal(("a.pem", "b.pem", "/data"), (settings.CaCertificate, settings.CaKey, settings.DataDirectory));
        Assert.Equal((new IPEndPoint(IPAddress.IPv6Loopback, 0), true, "secret"), (settings.Api, settings.IsApiPortChosen, settings.ApiToken));
        Assert.Equal(["r1.pem", "r2.pem"], settings.UpstreamCa);
        Assert.Equal([("*.a.example", "c.pfx")], settings.ClientCertificates.Select(x => (x.Hosts.Text, x.File)));
        Assert.Equal(["*.bank.example", "10.0.0.0/8"], settings.PassThrough.Select(x => x.Text));
        Assert.Equal(["a.example", "b.example:8443"], settings.InterceptOnly.Select(x => x.Text));
        Assert.Equal(new(false, "proxy.example", 3128, "me:pass:word"), settings.Upstream);
        Assert.Equal(["*.corp.example", "192.168.0.0/16"], settings.UpstreamBypass.Select(x => x.Text));
        Assert.True(settings.UpstreamFailOpen && settings.InsecureUpstream && settings.LenientHttp && settings.StrictWebSocket && settings.Quiet);
        Assert.Equal("u:p:q", settings.ProxyAuth);
        Assert.Equal((Timeout.InfiniteTimeSpan, TimeSpan.FromMinutes(2)), (settings.Limits.IdleTimeout, settings.Limits.FirstByteTimeout));
        Assert.Equal((11, 12, 13), (settings.Limits.MaxClientConnections, settings.Limits.MaxConnectionsPerClient, settings.Limits.MaxServerConnectionsPerOrigin));
        Assert.Equal((1 << 20, 1 << 20), (settings.Limits.Http1.MaxHeadOctets, settings.Limits.Http1.MaxLineOctets));
        Assert.Equal((0L, 64L << 20), (settings.Limits.MaxBodyCapture, settings.Limits.CaptureMemory));
        Assert.Equal("/r.json", settings.ReadyFile);
    }

    [Theory]
    [InlineData("idle", nameof(EngineLimits.IdleTimeout))]
    [InlineData("head", nameof(EngineLimits.HeadTimeout))]
    [InlineData("body", nameof(EngineLimits.BodyTimeout))]
    [InlineData("connect", nameof(EngineLimits.ConnectTimeout))]
    [InlineData("handshake", nameof(EngineLimits.HandshakeTimeout))]
    [InlineData("first-byte", nameof(EngineLimits.FirstByteTimeout))]
    [InlineData("total", nameof(EngineLimits.TotalTimeout))]
    [InlineData("tunnel", nameof(EngineLimits.TunnelIdleTimeout))]
    [InlineData("websocket", nameof(EngineLimits.WebSocketIdleTimeout))]
    [InlineData("pool", nameof(EngineLimits.PoolIdleTimeout))]
    public void Read_Timeout_SetsTheOneNamed(string name, string property)
    {
        var limits = Read("--timeout", name + "=1234ms").Limits;
        var changed = typeof(EngineLimits).GetProperties().Where(x => x.PropertyType == typeof(TimeSpan) && !Equals(x.GetValue(limits), x.GetValue(EngineLimits.Default)));
        Assert.Equal([property], changed.Select(x => x.Name));
    }

    [Fact]
    public void Read_Environment_FillsWhatOptionsLeave()
    {
        _environment.Variables["RELAY_PROXY_LISTEN"] = "127.0.0.1:1, 127.0.0.1:2";
        _environment.Variables["RELAY_API_PORT"] = "3";
        _environment.Variables["RELAY_API_TOKEN"] = "from-environment";
        _environment.Variables["RELAY_CA_CERT"] = "c";
        _environment.Variables["RELAY_CA_KEY"] = "k";
        var settings = Read("--api-token", "from-option");
        Assert.Equal([1, 2], settings.Listen.Select(x => x.Port));
        Assert.Equal((3, true, "from-option", "c", "k"), (settings.Api!.Port, settings.IsApiPortChosen, settings.ApiToken, settings.CaCertificate, settings.CaKey));
    }

    [Theory]
    [InlineData("--listen: 'nowhere:80' does not name an IP address of this machine; write an address such as 127.0.0.1:8080 or [::1]:8080.", "-l", "nowhere:80")]
    [InlineData("--listen: 127.0.0.1:80 is given twice.", "-l", "127.0.0.1:80", "-l", ":80")]
    [InlineData("--ca-cert is given without --ca-key; a CA needs both its certificate and its key.", "--ca-cert", "x")]
    [InlineData("--ca-key is given without --ca-cert; a CA needs both its certificate and its key.", "--ca-key", "x")]
    [InlineData("--api-port: '70000' is not a port; a port is 0 to 65535.", "--api-port", "70000")]
    [InlineData("--api-port: '-1' is not a port; a port is 0 to 65535.", "--api-port=-1")]
    [InlineData("--api-bind: 'x' is not an IP address.", "--api-bind", "x")]
    [InlineData("--api-bind: 0.0.0.0 lets other machines read decrypted traffic; give them a token with --api-token.", "--api-bind", "0.0.0.0")]
    [InlineData("--api-token: a token has only visible ASCII characters, without quotes, comma, semicolon and backslash.", "--api-token", "a b")]
    [InlineData("--no-api is given together with other options of the API; leave one of them out.", "--no-api", "--api-port", "1")]
    [InlineData("--client-cert: 'file.pfx' is not HOSTGLOB=FILE, such as *.example.com=client.pfx.", "--client-cert", "file.pfx")]
    [InlineData("--client-cert: 'a:0' is not a host pattern: the port must be 1 to 65535.", "--client-cert", "a:0=x.pfx")]
    [InlineData("--passthrough: '10.0.0.0/99' is not a network: write address/prefix, e.g. 10.0.0.0/8.", "--passthrough", "10.0.0.0/99")]
    [InlineData("--intercept-only: 'a b' is not a host pattern: write a host, *.host, an address or a network.", "--intercept-only", "a b")]
    [InlineData("--upstream: 'ftp://x' has the scheme ftp; a parent proxy is http or https.", "--upstream", "ftp://x")]
    [InlineData("--upstream: 'ftp://…@x' has the scheme ftp; a parent proxy is http or https.", "--upstream", "ftp://me:secret@x")]
    [InlineData("--upstream-auth-user is given without --upstream; there is no parent proxy to apply it to.", "--upstream-auth-user", "me")]
    [InlineData("--upstream-bypass is given without --upstream; there is no parent proxy to apply it to.", "--upstream-bypass", "a")]
    [InlineData("--upstream-fail-open is given without --upstream; there is no parent proxy to apply it to.", "--upstream-fail-open")]
    [InlineData("--upstream-auth-user is given, but RELAYCORE_UPSTREAM_PASSWORD is not set; put the password there.", "--upstream", "http://p:1", "--upstream-auth-user", "me")]
    [InlineData("--upstream-auth-user is given, but the URL of --upstream has credentials too; leave one of them out.", "--upstream", "http://a:b@p:1", "--upstream-auth-user", "me")]
    [InlineData("--upstream-auth-user: a user name has no colon; the password goes into RELAYCORE_UPSTREAM_PASSWORD.", "--upstream", "http://p:1", "--upstream-auth-user", "me:x")]
    [InlineData("--proxy-auth is not USER:PASSWORD.", "--proxy-auth", "me")]
    [InlineData("--proxy-auth is not USER:PASSWORD.", "--proxy-auth", ":x")]
    [InlineData("--timeout: 'idle' is not NAME=DURATION, such as idle=2m.", "--timeout", "idle")]
    [InlineData("--timeout: there is no time-out 'nap'; there are idle, head, body, connect, handshake, first-byte, total, tunnel, websocket and pool.", "--timeout", "nap=1s")]
    [InlineData("--timeout idle: '5' is not a duration; write a number and a unit, such as 500ms, 30s, 5m, 2h, or never.", "--timeout", "idle=5")]
    [InlineData("--timeout idle: '0s' is out of range; a duration is 1ms to 24d, or never.", "--timeout", "idle=0s")]
    [InlineData("--max-connections: '0' is not a number of 1 or more.", "--max-connections", "0")]
    [InlineData("--max-connections-per-client: 'x' is not a number of 1 or more.", "--max-connections-per-client", "x")]
    [InlineData("--max-server-connections: '1e3' is not a number of 1 or more.", "--max-server-connections", "1e3")]
    [InlineData("--max-head: '1' is too small; the smallest value is 1.0 KB.", "--max-head", "1")]
    [InlineData("--max-head: '1g' is too large; the largest value is 16.0 MB.", "--max-head", "1g")]
    [InlineData("--max-body-capture: 'much' is not a size; write a number with k, m or g, such as 64k, 10m, 1g.", "--max-body-capture", "much")]
    [InlineData("--capture-memory: '1m' is too small; the smallest value is 4.0 MB.", "--capture-memory", "1m")]
    public async Task Run_BadValue_IsOneSentenceAndExitCode2(string sentence, params string[] arguments)
    {
        var code = await _environment.RunAsync(["run", .. arguments]);
        Assert.Equal($"error: {sentence}\nSee 'relay-core-cli run --help'.\n", _environment.Error);
        Assert.Equal((ExitCode.Usage, ""), (code, _environment.Output));
        Assert.Empty(Directory.EnumerateFileSystemEntries(_environment.Folder)); // nothing was begun
    }

    [Fact]
    public async Task Run_SeveralBadValues_AreAllNamed()
    {
        var code = await _environment.RunAsync("run", "--api-port", "x", "--timeout", "y", "--max-connections", "z");
        Assert.Equal((ExitCode.Usage, 3), (code, _environment.Error.Split('\n').Count(x => x.StartsWith("error: ", StringComparison.Ordinal))));
    }

    public void Dispose() => _environment.Dispose();

    private RunSettings Read(params string[] arguments)
    {
        var options = new RunOptions();
        var command = new Command("run");
        foreach (var option in options.All)
        {
            command.Add(option);
        }

        var line = command.Parse(arguments);
        Assert.Empty(line.Errors);
        var reader = new RunSettingsReader(options, line, _environment.Cli);
        var settings = reader.Read();
        Assert.Empty(reader.Problems);
        return settings;
    }
}

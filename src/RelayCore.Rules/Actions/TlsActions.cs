using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using RelayCore.Core.Interception;
using RelayCore.Rules.Catalog;
using RelayCore.Rules.Execution;
using RelayCore.Rules.Templates;
using static RelayCore.Rules.Actions.ConnectionActions;

namespace RelayCore.Rules.Actions;

/// <summary>Actions on TLS.</summary>
internal static class TlsActions
{
    private const int MaxCertificateOctets = 1024 * 1024; // a chain with a key is a few kilobytes

    /// <summary>All of them.</summary>
    public static IReadOnlyList<ActionType> All { get; } =
    [
        new("TlsPolicy", RuleStage.Connect | RuleStage.ClientHello,
            "Decides what happens with TLS in a tunnel: decrypt it, relay it untouched, or close. Goes before the policy of the options; a later rule goes before an earlier one.",
            Shape.Of(new Property("decision", PropertyKind.Choice, "What to do.") { IsRequired = true, Values = ["intercept", "pass_through", "drop"] }),
            c => new Policy(c.Choice("decision", InterceptDecision.Default)))
        {
            Example = """{"decision":"pass_through"}""",
        },
        new("SetSni", BeforeServer, "Asks the server for another name in TLS; its certificate must be for that name. The Host field stays.",
            Shape.Of(HeaderActions.Template("name", "Host name.")), SetSni.Compile)
        {
            Example = """{"name":"internal.example"}""",
        },
        new("ForceHttpVersion", RuleStage.Connect | RuleStage.ClientHello,
            "Speaks this version of HTTP with the server whatever it prefers; a server that does not speak it is not reached.",
            Shape.Of(new Property("version", PropertyKind.Choice, "HTTP version.") { IsRequired = true, Values = ["1.1", "2"] }),
            c => c.Text("version") == "2" ? new Routing(static x => x with { HttpVersion = 2 }) : new Routing(static x => x with { HttpVersion = 1 }))
        {
            Example = """{"version":"1.1"}""",
        },
        new("UseClientCertificate", BeforeServer, "Shows the server this certificate when it asks for one. The file is read when the rule is loaded.",
            Shape.Of(
                new("path", PropertyKind.Text, "PFX file, or PEM file with certificate and key; from the folder of the rule file.") { IsRequired = true },
                new("password", PropertyKind.Text, "Password of the file; none when absent.")),
            CompileCertificate)
        {
            Example = """{"path":"client.pfx","password":"secret"}""",
        },
        new("SkipCertificateCheck", BeforeServer, "Takes any certificate of the server; the flow is marked as insecure_upstream.", Shape.None,
            _ => new Routing(static x => x with { SkipsVerification = true })),
    ];

    private static Routing? CompileCertificate(ConfigReader config)
    {
        var path = config.FilePath("path");
        try
        {
            if (new FileInfo(path).Length > MaxCertificateOctets)
            {
                config.Error("RULE-603", "path", $"{path} has more than {MaxCertificateOctets} octets.", "Give a file with one certificate, its chain and its key.");
                return null;
            }

            var certificate = Load(File.ReadAllBytes(path), config.Has("password") ? config.Text("password") : null);
            if (certificate.HasPrivateKey)
            {
                return new(x => x with { ClientCertificate = certificate });
            }

            certificate.Dispose();
            config.Error("RULE-603", "path", $"{path} has no private key.", "Put certificate and key into one PEM file, or give a PFX file.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            config.Error("RULE-603", "path", $"The certificate cannot be read: {e.Message}", "Correct the path; it starts from the folder of the rule file.");
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            config.Error("RULE-603", "path", $"{path} is no certificate with its key: {e.Message}", "Give a PFX or PEM file, and its password if it has one.");
        }

        return null;
    }

    private static X509Certificate2 Load(byte[] octets, string? password)
    {
        if (octets.AsSpan().IndexOf("-----BEGIN "u8) < 0)
        {
            return X509CertificateLoader.LoadPkcs12(octets, password);
        }

        var text = System.Text.Encoding.Latin1.GetString(octets);
        using var pem = password is null ? X509Certificate2.CreateFromPem(text, text) : X509Certificate2.CreateFromEncryptedPem(text, text, password);

        // Round trip through PFX: the TLS stack wants a key it can reach by the certificate alone.
        return X509CertificateLoader.LoadPkcs12(pem.Export(X509ContentType.Pkcs12), null);
    }

    private sealed class Policy(InterceptDecision decision) : ImmediateAction
    {
        protected override ActionResult Run(RuleContext context)
        {
            if (context.Hello is { } hello)
            {
                hello.Decision = decision;
            }
            else
            {
                context.Connect!.Decision = decision;
            }

            return ActionResult.Done;
        }
    }

    private sealed class SetSni(Template name) : ImmediateAction
    {
        public static SetSni? Compile(ConfigReader config)
        {
            var template = config.Template("name");
            if (template.IsConstant && HostOf(template.Expand(null!)) is null)
            {
                config.Error("RULE-602", "name", "This is no name to ask for.", "Give a host name without scheme and port, such as \"internal.example\".");
                return null;
            }

            return new(template);
        }

        protected override ActionResult Run(RuleContext context)
        {
            var text = name.Expand(context);
            return HostOf(text) is { } host ? Routing.Change(context, x => x with { ServerName = host })
                : ActionResult.Failed($"'{(text.Length > 200 ? text[..200] : text)}' is no host name");
        }
    }
}

namespace RelayCore.Runtime.Certificates;

/// <summary>How to make a program or system trust the certificate by hand.</summary>
/// <param name="Id">Stable name: <c>macos</c>, <c>windows</c>, <c>java</c> …</param>
/// <param name="Title">What it is for.</param>
/// <param name="Steps">Commands and clicks in order, with the real paths in them.</param>
public sealed record TrustInstructions(string Id, string Title, IReadOnlyList<string> Steps)
{
    /// <summary>Instructions for everything that is not installed automatically.</summary>
    /// <param name="certificatePath">The certificate as PEM.</param>
    public static IReadOnlyList<TrustInstructions> For(string certificatePath)
    {
        var pem = Quote(certificatePath);
        return
        [
            new("macos", "macOS (Safari, Chrome, curl of the system)",
            [
                $"sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain {pem}",
                "To remove: open Keychain Access, System, search for 'RelayCore CA' and delete it.",
            ]),
            new("windows", "Windows (Edge, Chrome, .NET)",
            [
                $"In a terminal as administrator: certutil -addstore -f Root \"{certificatePath}\"",
                "To remove: certutil -delstore Root \"RelayCore CA ...\" with the name that `ca status` shows.",
            ]),
            new("linux-other", "Arch, openSUSE, Alpine and other Linux",
            [
                $"Arch: sudo trust anchor --store {pem}",
                $"openSUSE: sudo cp {pem} /etc/pki/trust/anchors/ && sudo update-ca-certificates",
                $"Alpine: cp {pem} /usr/local/share/ca-certificates/relay-core-ca.crt && update-ca-certificates",
            ]),
            new("firefox", "Firefox by hand",
            [
                "Settings, Privacy & Security, Certificates, View Certificates, Authorities, Import.",
                $"Choose {certificatePath} and tick 'Trust this CA to identify websites'.",
            ]),
            new("curl", "curl and other programs that read OpenSSL's variables", [$"curl --cacert {pem} ...", $"export SSL_CERT_FILE={pem}"]),
            new("python", "Python (requests, httpx, pip)",
            [
                $"export REQUESTS_CA_BUNDLE={pem}",
                $"export SSL_CERT_FILE={pem}",
                $"pip --cert {pem} install ...",
            ]),
            new("node", "Node.js, npm", [$"export NODE_EXTRA_CA_CERTS={pem}", "It is read when node starts; restart what runs already."]),
            new("java", "Java",
            [
                $"keytool -importcert -cacerts -storepass changeit -noprompt -alias relay-core-ca -file {pem}",
                "To remove: keytool -delete -cacerts -storepass changeit -alias relay-core-ca",
            ]),
            new("go", "Go", [$"export SSL_CERT_FILE={pem}", "On macOS and Windows Go reads the system's store."]),
            new("ruby-php", "Ruby, PHP", [$"Ruby: export SSL_CERT_FILE={pem}", $"PHP: curl.cainfo and openssl.cafile = {certificatePath} in php.ini"]),
            new("git", "git", [$"git -c http.sslCAInfo={pem} clone ..."]),
            new("docker", "Containers",
            [
                $"docker run -v {pem}:/usr/local/share/ca-certificates/relay-core-ca.crt:ro IMAGE sh -c 'update-ca-certificates && exec ...'",
            ]),
            new("android", "Android",
            [
                "Copy ca_cert.cer (DER, `ca export --der`) to the device.",
                "Settings, Security, Encryption & credentials, Install a certificate, CA certificate.",
                "Apps trust it only when their network security configuration allows user certificates; browsers do.",
            ]),
            new("ios", "iOS, iPadOS",
            [
                "Send ca_cert.cer to the device and open it; install the profile in Settings, General, VPN & Device Management.",
                "Turn it on in Settings, General, About, Certificate Trust Settings.",
            ]),
        ];
    }

    /// <summary>For a POSIX shell; most paths need nothing.</summary>
    private static string Quote(string path) =>
        path.All(c => char.IsAsciiLetterOrDigit(c) || c is '/' or '.' or '_' or '-') ? path : $"'{path.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}

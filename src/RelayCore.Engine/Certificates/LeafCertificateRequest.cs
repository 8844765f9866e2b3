using System.Formats.Asn1;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using RelayCore.Protocols.Tls;

namespace RelayCore.Engine.Certificates;

/// <summary>Builds leaf certificates: everything but the name is the same for all hosts and made once.</summary>
internal sealed class LeafCertificateRequest
{
    /// <summary>From the backdated start. Below the 200 days that the CA/Browser Forum allows from March 2026 on (ballot SC-081).</summary>
    public static readonly TimeSpan Validity = TimeSpan.FromDays(197);

    private const int MaxCommonNameLength = 63; // RFC 5280 Appendix A.1: ub-common-name is 64
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";
    private static readonly X500DistinguishedName s_noName = new([0x30, 0x00]);
    private static readonly IdnMapping s_idn = new() { AllowUnassigned = true };
    private readonly RootAuthority _root;
    private readonly PublicKey _key;
    private readonly List<X509Extension> _extensions;

    public LeafCertificateRequest(RootAuthority root, ECDsa key)
    {
        (_root, _key) = (root, new PublicKey(key));
        _extensions =
        [
            new X509BasicConstraintsExtension(certificateAuthority: false, hasPathLengthConstraint: false, 0, critical: true),
            new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true),
            new X509EnhancedKeyUsageExtension([new Oid(ServerAuthentication)], critical: false),
            new X509SubjectKeyIdentifierExtension(_key, critical: false),
        ];
        if (root.Certificate.Extensions.OfType<X509SubjectKeyIdentifierExtension>().FirstOrDefault() is { } rootKeyId)
        {
            _extensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromSubjectKeyIdentifier(rootKeyId));
        }
    }

    /// <summary>The one spelling of a host that is certified: an IP literal in its shortest form, or an ASCII name in lower case.</summary>
    /// <param name="host">A name (also with a trailing dot, or internationalized), an IPv4 literal, or an IPv6 literal with or without brackets.</param>
    /// <param name="normalized">The spelling, when it is one of these.</param>
    public static bool TryNormalize(string host, out string normalized)
    {
        normalized = "";
        var literal = host is ['[', .., ']'] ? host.AsSpan(1, host.Length - 2) : host;
        if (IPAddress.TryParse(literal, out var address))
        {
            normalized = new IPAddress(address.GetAddressBytes()).ToString(); // without a zone
            return literal.Length == host.Length || literal.Contains(':');
        }

        var name = host is [.., '.'] ? host[..^1] : host;
        if (!System.Text.Ascii.IsValid(name) && !TryToAscii(name, out name))
        {
            return false;
        }

        normalized = name.ToLowerInvariant();
        return HostName.IsValid(normalized);
    }

    /// <summary>Signs a certificate for a normalized host; the result has no private key yet.</summary>
    /// <exception cref="CertificateFileException">The authority is no longer, or not yet, valid.</exception>
    public X509Certificate2 Issue(string host, DateTimeOffset now)
    {
        var isShort = host.Length <= MaxCommonNameLength;
        var request = new CertificateRequest(isShort ? CommonName(host) : s_noName, _key, _root.Hash);
        foreach (var extension in _extensions)
        {
            request.CertificateExtensions.Add(extension);
        }

        request.CertificateExtensions.Add(new X509Extension(
            new Oid("2.5.29.17"), AlternativeName(host), critical: !isShort)); // RFC 5280 §4.2.1.6: critical when there is no subject
        var (rootStart, rootEnd) = (_root.Certificate.NotBefore.ToUniversalTime(), _root.Certificate.NotAfter.ToUniversalTime());
        var start = now - RootAuthority.Backdating;
        var end = start + Validity;
        if (now < rootStart || now >= rootEnd)
        {
            throw new CertificateFileException(
                _root.CertificatePath,
                FormattableString.Invariant($"is valid from {rootStart:yyyy-MM-dd HH:mm} to {rootEnd:yyyy-MM-dd HH:mm} UTC only"),
                "run `relay-core-cli ca generate --force` and trust the new certificate");
        }

        return _root.Sign(request, start < rootStart ? rootStart : start, end > rootEnd ? rootEnd : end);
    }

    private static bool TryToAscii(string name, out string ascii)
    {
        try
        {
            ascii = s_idn.GetAscii(name);
            return true;
        }
        catch (ArgumentException)
        {
            ascii = "";
            return false;
        }
    }

    private static X500DistinguishedName CommonName(string host)
    {
        var name = new X500DistinguishedNameBuilder();
        name.AddCommonName(host);
        return name.Build();
    }

    /// <summary>Written by hand because the library's builder sends ASCII names through IDN, which refuses some that are in use.</summary>
    private static byte[] AlternativeName(string host)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            if (IPAddress.TryParse(host, out var address))
            {
                writer.WriteOctetString(address.GetAddressBytes(), new Asn1Tag(TagClass.ContextSpecific, 7));
            }
            else
            {
                writer.WriteCharacterString(UniversalTagNumber.IA5String, host, new Asn1Tag(TagClass.ContextSpecific, 2));
            }
        }

        return writer.Encode();
    }
}

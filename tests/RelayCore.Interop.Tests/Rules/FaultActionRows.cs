using static RelayCore.Interop.Tests.Rules.RuleMatrix;

namespace RelayCore.Interop.Tests.Rules;

/// <summary>Actions on time, faults and routes: what they must not change, and how a message ends that they cut.</summary>
internal static class FaultActionRows
{
    public static IReadOnlyList<RuleCase> All { get; } =
    [
        Action("Delay", "RequestHeaders", """{"ms":20}"""),
        Action("Delay", "ResponseHeaders", """{"ms":10,"distribution":"uniform","jitter_ms":10,"seed":1}"""),
        Action("Latency", "ResponseHeaders", """{"ms":20}"""),
        Action("Throttle", "RequestHeaders", """{"kbps":512}"""),
        Action("NetworkProfile", "RequestHeaders", """{"profile":"4g"}"""),
        Action("SlowHeaders", "ResponseHeaders", """{"piece_octets":40,"interval_ms":1}"""),
        Action("SlowBody", "ResponseHeaders", """{"piece_octets":16,"interval_ms":1}"""),
        Action("Stall", "ResponseHeaders", """{"after_octets":10,"ms":20}"""),
        Action("TruncateBody", "ResponseHeaders", """{"after_octets":10}""", "", "cut"),
        Action("ResetConnection", "ResponseHeaders", """{"after_octets":10}""", "", "reset"),
        Action("MalformedFraming", "ResponseHeaders", """{"kind":"content_length_long"}""", "", "cut") with { IsHttp1Only = true, IsSizedOnly = true },
        Action("Fault", "ResponseHeaders", """{"faults":[{"truncate_after_octets":10}],"probability":1,"seed":1}""", "", "cut"),
        Action("RedirectIp", "RequestHeaders", """{"target":"127.0.0.1"}"""),
        Action("SetUpstreamAddress", "RequestHeaders", """{"host":"127.0.0.1"}"""),
        Action("SetTtl", "RequestHeaders", """{"ttl":32}"""),
        Action("SkipCertificateCheck", "RequestHeaders", ""),
        Action("SetUpstreamProxy", "RequestHeaders", """{"url":"direct"}"""),
    ];
}

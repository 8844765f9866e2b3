using System.Globalization;
using System.Text;
using RelayCore.Rules.Documents;

namespace RelayCore.Rules.Importing;

/// <summary>Gathers rules, and makes those of the options without a spec of their own form.</summary>
internal sealed class MitmproxyRuleWriter(RuleProblems problems)
{
    /// <summary>Largest file behind <c>@</c>, in octets. Breach: an error.</summary>
    private const int MaxReplacement = 1024 * 1024;

    private const int KillStatus = 444;

    public RuleProblems Problems => problems;

    public NodeFactory Make { get; } = new(default);

    public List<RuleNode> Rules { get; } = [];

    /// <summary>Adds a rule.</summary>
    /// <param name="id">Id behind <c>mitmproxy-</c>.</param>
    /// <param name="name">The option as written.</param>
    /// <param name="stage">Where it runs.</param>
    /// <param name="filter">When.</param>
    /// <param name="actions">What.</param>
    public void Add(string id, string name, RuleStage stage, RuleNode filter, params IEnumerable<RuleNode> actions) => Rules.Add(Make.Map(
        ("id", Make.Text("mitmproxy-" + id)), ("name", Make.Text(name)), ("active", Make.Boolean(true)), ("stage", Make.Text(stage.ToString())), ("priority", Make.Number(0)),
        ("termination", Make.Text("Continue")), ("filter", filter), ("actions", Make.List(actions))));

    /// <summary>Id and name of the rule of a spec.</summary>
    public void Add(MitmproxySpec spec, string suffix, RuleStage stage, RuleNode filter, params IEnumerable<RuleNode> actions) =>
        Add(Id(spec, suffix), $"--{spec.Option} {spec.Whole.Text}", stage, filter, actions);

    /// <summary>Later specs win over earlier ones in mitmproxy; here the first rule that answers ends the stage, so they stand in reverse.</summary>
    public void BlockList(IReadOnlyList<string> specs)
    {
        for (var i = specs.Count - 1; i >= 0; i--)
        {
            if (MitmproxySpec.ParseBlock("block-list", i, specs[i], problems) is not { } spec)
            {
                continue;
            }

            if (!int.TryParse(spec.Replacement.Text, NumberStyles.AllowLeadingSign | NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture, out var status) || status is < 200 or > 599)
            {
                problems.Error(RuleCodes.ImportValue, spec.Replacement.Node, $"`{spec.Replacement.Text}` is no status of a final response", "Write 200 to 599; 444 ends the connection without a response.");
                continue;
            }

            if (!CanHoldAtRequest(spec))
            {
                continue;
            }

            var action = status == KillStatus ? Make.Typed("Abort")
                : Make.Typed("MockResponse", Make.Map(("status", Make.Number(status)), ("headers", Make.Map(("Server", Make.Text("RelayCore")))), ("body", Make.Text(""))));
            if (spec.Filter.Node(Make, AnswerStage(spec), problems) is { } filter)
            {
                Add(spec, "", AnswerStage(spec), filter, action);
            }
        }
    }

    public void AntiCache() => Add(
        "anticache", "--anticache", RuleStage.RequestHeaders, Make.Typed("All"),
        Make.Typed("DeleteRequestHeader", Named("If-Modified-Since")), Make.Typed("DeleteRequestHeader", Named("If-None-Match")));

    public void AntiCompression() => Add(
        "anticomp", "--anticomp", RuleStage.RequestHeaders, Make.Typed("All"),
        Make.Typed("SetRequestHeader", Make.Map(("name", Make.Text("Accept-Encoding")), ("value", Make.Text("identity")))));

    /// <summary>Credentials are taken from every request that has some, and given to those the filter selects.</summary>
    public void StickyAuth(string? filter)
    {
        if (Filter("stickyauth", filter) is { } parsed && parsed.Node(Make, RuleStage.RequestHeaders, problems) is { } found)
        {
            var showsSome = Make.Typed("RequestHeader", Make.Map(("name", Make.Text("Authorization")), ("value", Make.Null())));
            Add("stickyauth", $"--stickyauth {filter}", RuleStage.RequestHeaders, parsed.IsAll ? found : Make.Typed("Or", Make.List(showsSome, found)), Make.Typed("StickyAuth"));
        }
    }

    /// <summary>Cookies are taken from every response, and given to the requests the filter selects.</summary>
    public void StickyCookie(string? filter)
    {
        if (Filter("stickycookie", filter) is { } parsed && parsed.Node(Make, RuleStage.RequestHeaders, problems) is { } found)
        {
            Add("stickycookie-response", $"--stickycookie {filter}", RuleStage.ResponseHeaders, Make.Typed("All"), Make.Typed("StickyCookie"));
            Add("stickycookie-request", $"--stickycookie {filter}", RuleStage.RequestHeaders, found, Make.Typed("StickyCookie"));
        }
    }

    /// <summary>The stage at which a spec answers: with a look at the body that is once the body is there.</summary>
    public static RuleStage AnswerStage(MitmproxySpec spec) => spec.Filter.NeedsBody ? RuleStage.RequestBody : RuleStage.RequestHeaders;

    /// <summary>Whether a spec that works on requests can ever apply; a warning when not.</summary>
    public bool CanHoldAtRequest(MitmproxySpec spec)
    {
        if (!spec.Filter.AtRequest)
        {
            problems.Warning(
                RuleCodes.ImportValue, spec.Filter.Place, $"`{spec.Filter.Text}` needs a response, and --{spec.Option} works on requests: it never applies", "Use a filter on the request.");
        }

        return spec.Filter.AtRequest;
    }

    /// <summary>Octets of a replacement: escapes decoded, or the content of the file behind <c>@</c>, as it is now.</summary>
    public byte[]? Replacement(SpecPart part)
    {
        if (!part.Text.StartsWith('@'))
        {
            return Unescape(part);
        }

        var path = Home(part.Text[1..]);
        if (RuleFile.TryReadOctets(path, part.Node.Location, part.Node.Path, problems) is not { } octets)
        {
            return null;
        }

        if (octets.Length > MaxReplacement)
        {
            problems.Error(RuleCodes.ImportFile, part.Node, $"`{path}` has {octets.Length.ToString("N0", CultureInfo.InvariantCulture)} octets; a replacement has at most {MaxReplacement:N0}", "Use a rule with SetResponseBody and a File body.");
            return null;
        }

        return octets;
    }

    public byte[]? Unescape(SpecPart part)
    {
        var octets = PythonText.Unescape(part.Text, out var problem);
        if (octets is null)
        {
            problems.Error(RuleCodes.ImportSyntax, part.Node, $"`{part.Text}`: {problem}", "Double a backslash that means itself.");
        }

        return octets;
    }

    /// <summary>Octets as a text; <see langword="null"/> when they are none, which is reported.</summary>
    public string? Utf8(byte[] octets, SpecPart part)
    {
        if (System.Text.Unicode.Utf8.IsValid(octets))
        {
            return Encoding.UTF8.GetString(octets);
        }

        problems.Error(RuleCodes.ImportValue, part.Node, "the octets are not UTF-8, which texts of rules are", "Write the characters they mean in UTF-8, or edit the body in a script.");
        return null;
    }

    /// <summary>A text in which nothing is a variable.</summary>
    public static string Literal(string text) => text.Replace("{{", "{{{{", StringComparison.Ordinal);

    /// <summary>A path with the home folder written out.</summary>
    public static string Home(string path)
    {
        var home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        return path == "~" ? home : path.StartsWith("~/", StringComparison.Ordinal) ? Path.Combine(home, path[2..]) : path;
    }

    public RuleNode Named(string name) => Make.Map(("name", Make.Text(name)));

    private static string Id(MitmproxySpec spec, string suffix) => string.Create(CultureInfo.InvariantCulture, $"{spec.Option}-{spec.Number}{suffix}");

    private MitmproxyFilter? Filter(string option, string? text) =>
        text is null ? null : MitmproxyFilter.Parse(MitmproxySpec.Part(option, -1, text, 0), problems);
}

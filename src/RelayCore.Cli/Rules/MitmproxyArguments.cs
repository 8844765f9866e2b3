using System.CommandLine;
using RelayCore.Rules.Documents;
using RelayCore.Rules.Importing;

namespace RelayCore.Cli.Rules;

/// <summary>mitmproxy's one-liners as options, with its exact syntax; they become rules.</summary>
internal sealed class MitmproxyArguments
{
    private readonly Option<string[]> _modifyHeaders = Many("--modify-headers", "-H", "Set, add or remove header lines: /[filter/]name/[@]value; repeatable", "SPEC");
    private readonly Option<string[]> _modifyBody = Many("--modify-body", "-B", "Replace in bodies: /[filter/]regex/[@]replacement; repeatable", "SPEC");
    private readonly Option<string[]> _mapLocal = Many("--map-local", null, "Answer from files: |[filter|]url-regex|path; repeatable", "SPEC");
    private readonly Option<string[]> _mapRemote = Many("--map-remote", "-M", "Rewrite URLs: |[filter|]url-regex|replacement; repeatable", "SPEC");
    private readonly Option<string[]> _blockList = Many("--block-list", null, "Answer or cut matching requests: :filter:status, 444 cuts; repeatable", "SPEC");
    private readonly Option<bool> _antiCache = new("--anticache") { Description = "Remove request headers that may lead to 304 answers" };
    private readonly Option<bool> _antiCompression = new("--anticomp") { Description = "Ask servers for uncompressed content" };
    private readonly Option<string?> _stickyCookie = new("--stickycookie") { Description = "Send cookies seen before, for flows of this mitmproxy filter", HelpName = "FILTER" };
    private readonly Option<string?> _stickyAuth = new("--stickyauth") { Description = "Send Authorization seen before, for flows of this mitmproxy filter", HelpName = "FILTER" };

    /// <summary>All of them.</summary>
    public IEnumerable<Option> All =>
        [_modifyHeaders, _modifyBody, _mapLocal, _mapRemote, _blockList, _antiCache, _antiCompression, _stickyCookie, _stickyAuth];

    /// <summary>The rules of a line, as the text of a rule file; <see langword="null"/> when there are none.</summary>
    public string? Read(ParseResult line, RuleProblems problems)
    {
        var given = new MitmproxyOptions
        {
            ModifyHeaders = line.GetValue(_modifyHeaders) ?? [],
            ModifyBody = line.GetValue(_modifyBody) ?? [],
            MapLocal = line.GetValue(_mapLocal) ?? [],
            MapRemote = line.GetValue(_mapRemote) ?? [],
            BlockList = line.GetValue(_blockList) ?? [],
            AntiCache = line.GetValue(_antiCache),
            AntiCompression = line.GetValue(_antiCompression),
            StickyCookie = line.GetValue(_stickyCookie),
            StickyAuth = line.GetValue(_stickyAuth),
        };
        return All.Any(x => line.GetResult(x) is { Implicit: false }) ? MitmproxyRules.FromOptions(given, problems) : null;
    }

    private static Option<string[]> Many(string name, string? alias, string description, string help) =>
        new(name, alias is null ? [] : [alias]) { Description = description, HelpName = help };
}

using System.Globalization;
using System.Text.RegularExpressions;
using RelayCore.Core.Interception;
using RelayCore.Rules.Actions.Answers;
using RelayCore.Rules.Actions.Headers;
using RelayCore.Rules.Catalog;
using RelayCore.Rules.Execution;
using RelayCore.Rules.Templates;

namespace RelayCore.Rules.Actions.Maps;

/// <summary>Answers with a file, or with what a folder has for the path of the request (reference: rules §3, mitmproxy addons §2).</summary>
internal sealed class MapLocal : RuleAction
{
    private static readonly Regex s_unusual = new("[^0-9a-zA-Z\\-_.=(),/]", RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);

    private readonly Template _path;
    private readonly string _base;
    private readonly Sandbox _sandbox;
    private readonly FieldValue? _contentType;
    private readonly AnswerFields _fields;
    private readonly Template? _prefix;
    private readonly Regex? _pattern;
    private readonly string _index;
    private readonly Missing? _missing;

    private MapLocal(ConfigReader config, Regex? pattern)
    {
        _path = config.Template("path");
        LocalPath.Check(_path, config["path"]!, config.Scope);
        (_base, _sandbox, _pattern) = (config.Scope.BaseDirectory, Sandbox.Of(config.Scope), pattern);
        _contentType = config.Has("content_type") ? FieldValue.Read(config, "content_type") : null;
        _fields = AnswerFields.Read(config, "headers");
        _prefix = config.Has("strip_prefix") ? config.Template("strip_prefix") : null;
        _index = config.Text("index", "index.html");
        _missing = config.Has("on_missing") ? config.Choice("on_missing", Missing.Continue) : null;
    }

    private enum Missing
    {
        NotFound,
        Continue,
    }

    public static ActionType Type { get; } = new("MapLocal", RuleStage.RequestHeaders | RuleStage.RequestBody,
        "Answers with a local file, or from a folder by the path of the request; ranges and conditions work. Nothing outside of the sandbox is read, "
        + "symbolic links included.",
        Shape.Of(
            HeaderActions.Template("path", "File or folder, absolute or from the folder of the rule file."),
            HeaderActions.Template("content_type", "Media type; by the extension when absent.", isRequired: false),
            new("headers", PropertyKind.Fields, "Further field lines."),
            HeaderActions.Template(
                "strip_prefix", "For a folder: beginning of the request's path that is not part of the file's; another path does not match.", isRequired: false),
            new("pattern", PropertyKind.Text, "For a folder: regex on the URL; its first group, or what is behind the match, is the path of the file."),
            new("index", PropertyKind.Text, "For a folder: the file that stands for it.") { Default = "\"index.html\"" },
            new("on_missing", PropertyKind.Choice,
                "Without such a file: 404, or the request goes on. Absent: a folder answers 404, a single file fails and the request goes on.")
            {
                Values = ["not_found", "continue"],
            }),
        Compile)
    {
        Example = """{"path":"mocks/users.json","content_type":"application/json"}""",
    };

    public override async ValueTask<ActionResult> RunAsync(RuleContext context, CancellationToken cancellationToken)
    {
        // Everything of the flow is read before files are looked at on another thread.
        var head = context.Exchange!.Request;
        var path = LocalPath.Of(_path, context, _base);
        var contentType = _contentType?.For(context);
        var fields = _fields.For(context);
        var suffix = Suffix(head.Url, head.Path, context);
        var (request, max) = (FileRequest.Of(head), context.Environment.MaxLocalFile);
        try
        {
            return await Task.Run(() => Answer(path, suffix, request, contentType, fields, max), cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return ActionResult.Failed(e.Message);
        }
    }

    private static MapLocal? Compile(ConfigReader config)
    {
        var pattern = config.Has("pattern") ? LinearRegex.Compile(config, "pattern", ignoreCase: false) : null;
        if (config.Has("pattern") && (pattern is null || config.Has("strip_prefix")))
        {
            if (pattern is not null)
            {
                config.Error("RULE-419", "strip_prefix", "Either strip_prefix or pattern says what the path of the file is, not both.");
            }

            return null;
        }

        if (config.Text("index", "index.html").AsSpan().ContainsAny('/', '\\'))
        {
            config.Error("RULE-416", "index", "The index is the name of a file, without a folder.");
            return null;
        }

        return new(config, pattern);
    }

    /// <returns>Path within a folder, decoded; <see langword="null"/> when prefix or pattern do not match.</returns>
    private string? Suffix(string url, string path, RuleContext context)
    {
        if (_pattern is not null)
        {
            var match = _pattern.Match(url);
            return !match.Success ? null
                : match.Groups.Count > 1 && match.Groups[1].Success ? Uri.UnescapeDataString(match.Groups[1].Value)
                : Uri.UnescapeDataString(url[(match.Index + match.Length)..].Split('?')[0]);
        }

        path = path.Split('?')[0];
        var prefix = _prefix?.Expand(context) ?? "";
        return path.StartsWith(prefix, StringComparison.Ordinal) ? Uri.UnescapeDataString(path[prefix.Length..]) : null;
    }

    private ActionResult Answer(
        string path, string? suffix, FileRequest request, string? contentType, List<KeyValuePair<string, string>> fields, long max)
    {
        if (_sandbox.Resolve(path, out var problem) is not { } real)
        {
            return ActionResult.Failed(problem!);
        }

        LocalFile? file;
        if (Directory.Exists(real))
        {
            if (suffix is null)
            {
                return ActionResult.NoEffect("the URL does not match");
            }

            file = Candidates(suffix).Select(x => Within(real, x)).FirstOrDefault(x => x is not null);
            if (file is null)
            {
                return Nothing($"the folder '{path}' has nothing for '{suffix}'", _missing ?? Missing.NotFound);
            }
        }
        else if (LocalFile.Find(real) is { } found)
        {
            file = found;
        }
        else
        {
            return _missing is { } missing ? Nothing($"there is no file '{path}'", missing) : ActionResult.Failed($"there is no file '{path}'");
        }

        if (file.Length > max)
        {
            return ActionResult.Failed(string.Create(CultureInfo.InvariantCulture, $"'{file.Path}' has {file.Length} octets, more than the {max} allowed"));
        }

        return ActionResult.Terminal(FileAnswer.Of(file, request, contentType ?? MediaTypes.Of(file.Path), fields), $"answered with {file.Path}");
    }

    private static ActionResult Nothing(string why, Missing missing) =>
        missing == Missing.Continue ? ActionResult.NoEffect(why) : ActionResult.Terminal(new Verdict.Respond(404, [], default), why);

    // As mitmproxy: the path, the index below it, and both again with unusual characters as underscores.
    private IEnumerable<string> Candidates(string suffix)
    {
        var trimmed = suffix.Trim('/');
        if (trimmed.Length == 0)
        {
            return [_index];
        }

        var plain = s_unusual.Replace(trimmed, "_");
        return plain == trimmed ? [trimmed, $"{trimmed}/{_index}"] : [trimmed, $"{trimmed}/{_index}", plain, $"{plain}/{_index}"];
    }

    private LocalFile? Within(string folder, string name)
    {
        // Refused as it is, before any file is looked for: no step up, no absolute path, no drive, no stream, no NUL.
        if (name.AsSpan().ContainsAny('\0', '\\', ':') || name.Split('/').Contains(".."))
        {
            return null;
        }

        var real = _sandbox.Resolve(Path.Combine(folder, name.TrimStart('/')), out _);
        return real is null ? null : LocalFile.Find(real);
    }
}

using System.Text.Json;
using RelayCore.Core.Interception;
using RelayCore.Rules.Documents;
using RelayCore.Rules.Execution;

namespace RelayCore.Runtime.Rules;

/// <summary>
/// The rules in force: those of files, of the command line, and those set at run time, compiled into one set that is swapped whole. What cannot be used
/// changes nothing: the set that was in force stays. Safe for concurrent use.
/// </summary>
public sealed partial class RuleService : IDisposable
{
    /// <summary>File in the data directory that keeps rules set at run time.</summary>
    public const string FileName = "rules.json";

    private readonly Lock _gate = new();
    private readonly RuleOptions _options;
    private readonly RuleEnvironment _environment;
    private readonly Action<IInterceptor?> _apply;
    private readonly Action<string, byte[]> _publish;
    private readonly RuleStore _store;
    private readonly RuleWatcher _watcher;
    private readonly RuleCounters _counters = new();
    private State _state = State.Empty;
    private RuleProblems? _failure;
    private DateTimeOffset? _failedAt;

    /// <summary>No rules yet; see <see cref="Start"/>.</summary>
    /// <param name="options">Where they come from.</param>
    /// <param name="dataDirectory">Folder of what is kept.</param>
    /// <param name="environment">What rules may use.</param>
    /// <param name="apply">Puts the interceptor of a set in force; <see langword="null"/> when there are no rules.</param>
    /// <param name="publish">Event log.</param>
    internal RuleService(
        RuleOptions options, string dataDirectory, RuleEnvironment environment, Action<IInterceptor?> apply, Action<string, byte[]> publish)
    {
        (_options, _environment, _apply, _publish) = (options, environment, apply, publish);
        _store = new(Path.GetFullPath(FileName, dataDirectory));
        _watcher = new(environment.Time, Reload);
    }

    /// <summary>Rules there are, inactive ones included.</summary>
    public int Count => Volatile.Read(ref _state).Rules.Count;

    /// <summary>Loads everything.</summary>
    /// <exception cref="RuleLoadException">Something cannot be used; no rule is in force.</exception>
    internal void Start()
    {
        lock (_gate)
        {
            var problems = new RuleProblems();
            var stamps = Stamps();
            var sources = LoadFiles(problems);
            foreach (var (name, text) in _options.Texts)
            {
                // Whoever starts the proxy may name any file; only the sandbox they set themselves holds for them.
                var root = _options.SandboxRoot ?? Path.GetPathRoot(_store.Path)!;
                sources.Add(new(name, RuleSourceKind.Text, [.. RuleDocument.Parse(text, name, problems).Rules.Select(x => x with { BaseDirectory = root })]));
            }

            sources.Add(LoadKept(problems));
            if (!TryApply("loaded", sources, stamps, problems))
            {
                Announce("load_failed", problems);
                throw new RuleLoadException(problems);
            }
        }
    }

    /// <summary>All rules as JSON in the reference's shape, with <c>hits</c>, <c>last_hit_ms</c> and <c>source</c>.</summary>
    public byte[] ListJson()
    {
        State state;
        Dictionary<string, (long Hits, long LastHit)> counters;
        lock (_gate)
        {
            (state, counters) = (_state, _counters.Read());
        }

        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartArray();
            foreach (var (rule, source) in state.Rules)
            {
                writer.WriteStartObject();
                RulePrinter.WriteMembers(writer, rule);
                var (hits, lastHit) = counters.GetValueOrDefault(rule.Id);
                writer.WriteNumber("hits", hits);
                if (lastHit == 0)
                {
                    writer.WriteNull("last_hit_ms");
                }
                else
                {
                    writer.WriteNumber("last_hit_ms", new DateTimeOffset(lastHit, TimeSpan.Zero).ToUnixTimeMilliseconds());
                }

                writer.WriteString("source", source.Kind == RuleSourceKind.File ? rule.Node.Location.ToString() : source.Name);
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
        }

        return buffer.ToArray();
    }

    /// <summary>What is loaded from where, and what is wrong with it.</summary>
    public RuleStatus Status()
    {
        lock (_gate)
        {
            var current = _failure ?? _state.Problems;
            return new()
            {
                RuleCount = _state.Rules.Count,
                ActiveCount = _state.Rules.Count(x => x.Rule.IsActive),
                LoadedAt = _state.LoadedAt,
                IsStale = _failure is not null,
                FailedAt = _failedAt,
                Sources = [.. _state.Sources.Select(x => new RuleSourceStatus(x.Name, Word(x.Kind), x.Rules.Count, x.Files))],
                Problems = [.. current.Items.Select(RuleProblemView.Of)],
                OmittedProblems = current.Omitted,
            };
        }
    }

    /// <summary>Checks rules as if they were set at run time; nothing changes.</summary>
    public RuleProblems Validate(string text)
    {
        var problems = new RuleProblems();
        var rules = Parse(text, RuleSource.Api, problems);
        lock (_gate)
        {
            _ = Compile(RuleSources.Merge(With(rules), problems), problems);
        }

        return problems;
    }

    /// <summary>Sets rules: a rule of an id that is there takes its place.</summary>
    /// <param name="text">One rule or several, as in a rule file.</param>
    public RuleUpdate Upsert(string text)
    {
        var problems = new RuleProblems();
        var rules = Parse(text, RuleSource.Api, problems);
        lock (_gate)
        {
            if (rules.Select(x => Fixed(x.Id)).FirstOrDefault(x => x is not null) is { } conflict)
            {
                return conflict with { Problems = problems };
            }

            return Change("upserted", With(rules), problems) is { } refusal
                ? refusal
                : new(RuleOutcome.Done, "", problems) { Ids = [.. rules.Select(x => x.Id)] };
        }
    }

    /// <summary>Removes a rule that was set at run time.</summary>
    public RuleUpdate Delete(string id)
    {
        lock (_gate)
        {
            var problems = new RuleProblems();
            if (!_state.Rules.Exists(x => x.Rule.Id == id))
            {
                var nearest = RuleLibrary.Nearest(id, _state.Rules.Select(x => x.Rule.Id));
                return new(RuleOutcome.Unknown, $"There is no rule '{id}'{(nearest is null ? "" : $"; did you mean '{nearest}'?")}", problems);
            }

            if (Fixed(id) is { } conflict)
            {
                return conflict;
            }

            var api = _state.Sources.Single(x => x.Kind == RuleSourceKind.Api);
            return Change("deleted", Replace(api with { Rules = [.. api.Rules.Where(x => x.Id != id)] }), problems) is { } refusal
                ? refusal
                : new(RuleOutcome.Done, "", problems) { Ids = [id] };
        }
    }

    /// <summary>Tries rules on an exchange; nothing changes.</summary>
    /// <param name="text">The rules; <see langword="null"/> for those in force.</param>
    /// <param name="input">The exchange.</param>
    /// <param name="cancellationToken">Gives it up.</param>
    /// <returns>No result when the rules have errors.</returns>
    /// <exception cref="FormatException">The input is no exchange; the message is a sentence.</exception>
    public async Task<(DryRunResult? Result, RuleProblems Problems)> TryAsync(string? text, DryRunInput input, CancellationToken cancellationToken)
    {
        var problems = new RuleProblems();
        var rules = text is null ? [.. Volatile.Read(ref _state).Rules.Select(x => x.Rule)] : Parse(text, RuleSource.Api, problems);
        return problems.HasErrors
            ? (null, problems)
            : (await DryRun.RunAsync(rules, _options, input, problems, cancellationToken).ConfigureAwait(false), problems);
    }

    /// <inheritdoc/>
    public void Dispose() => _watcher.Dispose();

    // Under the lock. Nothing changes unless the result is null.
    private RuleUpdate? Change(string operation, IReadOnlyList<RuleSource> sources, RuleProblems problems)
    {
        var merged = RuleSources.Merge(sources, problems);
        var set = Compile(merged, problems);
        if (problems.HasErrors)
        {
            Announce(operation == "deleted" ? "delete_failed" : "upsert_failed", problems);
            return new(RuleOutcome.Invalid, "The rules cannot be used; nothing has changed.", problems);
        }

        if (_options.KeepsRules)
        {
            try
            {
                _store.Write(RuleLibrary.Print(sources.Single(x => x.Kind == RuleSourceKind.Api).Rules));
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                return new(RuleOutcome.NotKept, $"{_store.Path} cannot be written ({error.Message}); nothing has changed.", problems);
            }
        }

        Apply(operation, sources, merged, set, problems);
        return null;
    }

    private bool TryApply(string operation, IReadOnlyList<RuleSource> sources, Dictionary<string, RuleWatcher.Stamp> stamps, RuleProblems problems)
    {
        // What was read is watched even when it is bad: mending it is the next thing that happens.
        foreach (var file in sources.SelectMany(x => x.Files))
        {
            stamps.TryAdd(Path.GetFullPath(file), RuleWatcher.StampOf(file));
        }

        _watcher.Watch(stamps, [.. sources.SelectMany(x => x.Folders)]);
        var merged = RuleSources.Merge(sources, problems);
        var set = Compile(merged, problems);
        if (problems.HasErrors)
        {
            return false;
        }

        Apply(operation, sources, merged, set, problems);
        return true;
    }

    private void Apply(
        string operation, IReadOnlyList<RuleSource> sources, List<(RuleDefinition Rule, RuleSource Source)> merged, RuleSet? set, RuleProblems problems)
    {
        var isNews = merged.Count > 0 || _state.Rules.Count > 0 || problems.Items.Count > 0;
        _counters.Swap(set, merged.Select(x => x.Rule.Id).ToHashSet(StringComparer.Ordinal));
        _state = new(sources, merged, set, problems, _environment.Time.GetUtcNow());
        (_failure, _failedAt) = (null, null);
        _apply(set is null or { Rules.Count: 0 } ? null : RuleLibrary.Interceptor(set));
        if (isNews)
        {
            Announce(operation, problems);
        }
    }

    private void Announce(string operation, RuleProblems problems)
    {
        var errors = problems.Items.Count(x => x.Severity == ProblemSeverity.Error);
        var change = new RulesChanged(operation, _state.Rules.Count, errors, problems.Items.Count - errors);
        _publish("rules-changed", JsonSerializer.SerializeToUtf8Bytes(change, RuleJson.Default.RulesChanged));
        _options.OnChange?.Invoke(new RuleSetChange(operation, _state.Rules.Count, problems));
    }

    private void Reload()
    {
        lock (_gate)
        {
            var problems = new RuleProblems();
            var stamps = Stamps();
            var sources = LoadFiles(problems);
            sources.AddRange(_state.Sources.Where(x => x.Kind != RuleSourceKind.File));
            if (!problems.HasErrors && _failure is null && IsSame(sources))
            {
                return; // touched, or a file that is none of ours
            }

            if (!TryApply("reloaded", sources, stamps, problems))
            {
                var isNews = _failure is null || !_failure.Items.SequenceEqual(problems.Items);
                (_failure, _failedAt) = (problems, _environment.Time.GetUtcNow());
                if (isNews)
                {
                    Announce("reload_failed", problems);
                }
            }
        }
    }

    // Places are part of it: a comment put before a rule moves where its problems are.
    private bool IsSame(List<RuleSource> sources) =>
        sources.Count == _state.Sources.Count
        && sources.Zip(_state.Sources).All(x =>
            x.First.Rules.Select(y => y.Node.Location).SequenceEqual(x.Second.Rules.Select(y => y.Node.Location))
            && RuleLibrary.Print(x.First.Rules).AsSpan().SequenceEqual(RuleLibrary.Print(x.Second.Rules)));

    private List<RuleSource> LoadFiles(RuleProblems problems)
    {
        var sources = new List<RuleSource>();
        foreach (var file in _options.Files)
        {
            var document = RuleDocument.Load(file, problems);
            sources.Add(new(file, RuleSourceKind.File, document.Rules) { Files = document.Files, Folders = document.Folders });
        }

        return sources;
    }

    // Without a folder of its own a text cannot include files: whoever may set rules may not read files by that.
    internal IReadOnlyList<RuleDefinition> Parse(string text, string name, RuleProblems problems)
    {
        var rules = RuleDocument.Parse(text, name, problems).Rules;
        return _options.SandboxRoot is { } root ? [.. rules.Select(x => x with { BaseDirectory = root })] : rules;
    }

    private RuleSource LoadKept(RuleProblems problems)
    {
        if (!_options.KeepsRules || !File.Exists(_store.Path))
        {
            return new(RuleSource.Api, RuleSourceKind.Api, []);
        }

        try
        {
            return new(RuleSource.Api, RuleSourceKind.Api, Parse(File.ReadAllText(_store.Path), _store.Path, problems));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            problems.Add(new(ProblemSeverity.Error, "RULE-001", new(_store.Path, 1, 1), "$", $"The file cannot be read: {error.Message}"));
            return new(RuleSource.Api, RuleSourceKind.Api, []);
        }
    }

    private Dictionary<string, RuleWatcher.Stamp> Stamps() =>
        _options.Files.Concat(_state.Sources.SelectMany(x => x.Files)).Select(Path.GetFullPath).Distinct().ToDictionary(x => x, RuleWatcher.StampOf, StringComparer.Ordinal);

    // The catalog of filters and actions takes a while to set up; a proxy without rules starts without it.
    private RuleSet? Compile(List<(RuleDefinition Rule, RuleSource Source)> merged, RuleProblems problems) =>
        problems.HasErrors || merged.Count == 0 ? null : RuleSet.Compile([.. merged.Select(x => x.Rule)], _environment, problems);

    private List<RuleSource> With(IReadOnlyList<RuleDefinition> rules)
    {
        var api = _state.Sources.Single(x => x.Kind == RuleSourceKind.Api);
        return Replace(api with { Rules = RuleSources.Upsert(api.Rules, rules) });
    }

    private List<RuleSource> Replace(RuleSource api) => [.. _state.Sources.Select(x => x.Kind == RuleSourceKind.Api ? api : x)];

    // A rule of a file would be back at the next change of the file, so it is changed there.
    private RuleUpdate? Fixed(string id) =>
        _state.Rules.Find(x => x.Rule.Id == id) is { Source: { Kind: not RuleSourceKind.Api } source } found
            ? new(
                RuleOutcome.Fixed,
                source.Kind == RuleSourceKind.File
                    ? $"The rule '{id}' is of the file {found.Rule.Node.Location}; change it there."
                    : $"The rule '{id}' is of the {source.Name}; it stays as long as the proxy runs.",
                new())
            : null;

    private static string Word(RuleSourceKind kind) => kind switch { RuleSourceKind.File => "file", RuleSourceKind.Api => "api", _ => "command_line" };

    private sealed record State(
        IReadOnlyList<RuleSource> Sources, List<(RuleDefinition Rule, RuleSource Source)> Rules, RuleSet? Set, RuleProblems Problems, DateTimeOffset LoadedAt)
    {
        public static readonly State Empty = new([new(RuleSource.Api, RuleSourceKind.Api, [])], [], null, new(), default);
    }
}

/// <summary>What became of a change of the rules.</summary>
/// <param name="Outcome">What.</param>
/// <param name="Detail">One sentence; empty when it is done.</param>
/// <param name="Problems">Everything wrong with the rules; warnings when it is done.</param>
public sealed record RuleUpdate(RuleOutcome Outcome, string Detail, RuleProblems Problems)
{
    /// <summary>Rules changed.</summary>
    public IReadOnlyList<string> Ids { get; init; } = [];
}

/// <summary>What became of a change of the rules.</summary>
public enum RuleOutcome
{
    /// <summary>They are in force.</summary>
    Done,

    /// <summary>They cannot be used; see the problems.</summary>
    Invalid,

    /// <summary>There is no such rule.</summary>
    Unknown,

    /// <summary>The rule belongs to a file or the command line.</summary>
    Fixed,

    /// <summary>They cannot be kept.</summary>
    NotKept,
}

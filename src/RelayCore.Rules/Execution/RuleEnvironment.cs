using RelayCore.Core.Interception;
using RelayCore.Core.Messages;
using RelayCore.Rules.Memory;

namespace RelayCore.Rules.Execution;

/// <summary>What rules may use of the world around them; one for the life of the host. What rules remember (counters, buckets, cookies) survives new rule sets here.</summary>
public sealed class RuleEnvironment
{
    /// <summary>Clock.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Chance; seedable for tests. Called from many threads.</summary>
    public Random Random { get; init; } = Random.Shared;

    /// <summary>Content codings.</summary>
    public required IContentCodings Codings { get; init; }

    /// <summary>Folder outside of which no file is read for a client; <see langword="null"/>: the folder of the rule file.</summary>
    public string? SandboxRoot { get; init; }

    /// <summary>Largest file read for a client or a body, in octets. Default 64 MiB. Breach: the action fails.</summary>
    public long MaxLocalFile { get; init; } = 64L * 1024 * 1024;

    /// <summary>Environment variables templates may read.</summary>
    public IReadOnlySet<string> EnvironmentAllowed { get; init; } = new HashSet<string>();

    /// <summary>Pauses flows for a person; <see langword="null"/> where nobody can answer, then a breakpoint lets go at once and says so.</summary>
    public IBreakpoints? Breakpoints { get; init; }

    /// <summary>Functions rules may call by name: a program's, or scripts'.</summary>
    public IRuleFunctions? Functions { get; init; }

    /// <summary>Counters, buckets, cookies, credentials: what outlives a rule set.</summary>
    internal RuleMemory Memory { get; } = new();
}

/// <summary>Pauses flows until a person decides.</summary>
public interface IBreakpoints
{
    /// <summary>Pauses.</summary>
    /// <param name="context">The flow; the person's edits are applied to it.</param>
    /// <param name="key">Key of the pause: <c>&lt;flow&gt;:request_headers</c>, …, <c>&lt;flow&gt;:ws_msg:&lt;message&gt;</c> (reference: rules §5).</param>
    /// <param name="timeout">After which it goes on unchanged.</param>
    /// <param name="cancellationToken">The flow is given up.</param>
    /// <returns>The decision: <see cref="Verdict.Continue"/>, a drop, or an answer; with what happened in one line.</returns>
    ValueTask<(Verdict Verdict, string Detail)> PauseAsync(RuleContext context, string key, TimeSpan timeout, CancellationToken cancellationToken);
}

/// <summary>Functions rules may call by name.</summary>
public interface IRuleFunctions
{
    /// <summary>Whether there is one of that name.</summary>
    bool Contains(string name);

    /// <summary>Calls it.</summary>
    ValueTask<Verdict> CallAsync(string name, RuleContext context, CancellationToken cancellationToken);
}

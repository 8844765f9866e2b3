using RelayCore.Engine;
using RelayCore.Runtime.Rules;

namespace RelayCore.Runtime;

/// <summary>What a <see cref="RelayCoreHost"/> is started with; one instance is a snapshot.</summary>
public sealed record RelayCoreOptions
{
    /// <summary>Folder of the CA and everything kept; made when missing, for its owner only. Default <c>~/.relay-core</c>.</summary>
    public string DataDirectory { get; init; } =
        Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".relay-core");

    /// <summary>PEM file of a CA of your own; needs <see cref="CaKeyFile"/>. Default: the CA of the data directory, made at the first start.</summary>
    public string? CaCertificateFile { get; init; }

    /// <summary>PEM file of its key.</summary>
    public string? CaKeyFile { get; init; }

    /// <summary>Listeners, limits, policies, interceptors.</summary>
    public EngineOptions Engine { get; init; } = new();

    /// <summary>Rules: files, texts, what they may use.</summary>
    public RuleOptions Rules { get; init; } = new();

    /// <summary>Told of a session that ended by a defect of the program; the proxy goes on. Called on I/O threads.</summary>
    public Action<Exception>? OnInternalFailure { get; init; }

    /// <summary>Told for how long an I/O thread has been stuck, once per incident; only with inline completions. Called on a thread-pool thread.</summary>
    public Action<TimeSpan>? OnIoThreadStuck { get; init; }

    /// <summary>Clock and timers.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}

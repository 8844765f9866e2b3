using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace RelayCore.Cli.Discovery;

/// <summary>Where a running proxy can be found: <c>daemon.json</c> in the data directory, readable by its owner only because it holds the token.</summary>
internal sealed record Manifest
{
    /// <summary>File name within the data directory.</summary>
    public const string FileName = "daemon.json";

    /// <summary>Process that runs the proxy.</summary>
    [JsonPropertyName("pid")]
    public required int Pid { get; init; }

    /// <summary>When that process started, in clock ticks since boot; tells it from a later process with the same number. Linux only.</summary>
    [JsonPropertyName("pid_start_ticks")]
    public long? PidStartTicks { get; init; }

    /// <summary>Version of the control API.</summary>
    [JsonPropertyName("api_version")]
    public string ApiVersion { get; init; } = "1";

    /// <summary>Version of RelayCore.</summary>
    [JsonPropertyName("engine_version")]
    public string EngineVersion { get; init; } = "";

    /// <summary>Port of the control API.</summary>
    [JsonPropertyName("api_port")]
    public int ApiPort { get; init; }

    /// <summary>URL of the control API, without <c>/api/v1</c>.</summary>
    [JsonPropertyName("api_url")]
    public string? ApiUrl { get; init; }

    /// <summary>Port of the first proxy listener.</summary>
    [JsonPropertyName("proxy_port")]
    public int? ProxyPort { get; init; }

    /// <summary>Every proxy listener, as host:port.</summary>
    [JsonPropertyName("proxy")]
    public IReadOnlyList<string> Proxy { get; init; } = [];

    /// <summary>Whether the API serves a web interface.</summary>
    [JsonPropertyName("serve_webui")]
    public bool ServeWebUi { get; init; }

    /// <summary>Bearer token of the API.</summary>
    [JsonPropertyName("token")]
    public string? Token { get; init; }

    /// <summary>Start, milliseconds since 1970 UTC.</summary>
    [JsonPropertyName("started_at_ms")]
    public long StartedAtMilliseconds { get; init; }

    /// <summary>The data directory.</summary>
    [JsonPropertyName("data_dir")]
    public string DataDirectory { get; init; } = "";

    /// <summary>Reads the manifest of a data directory.</summary>
    /// <param name="directory">The data directory.</param>
    /// <param name="manifest">The manifest of a process that still runs.</param>
    /// <param name="problem">Why there is none, a sentence.</param>
    public static bool TryFind(string directory, [NotNullWhen(true)] out Manifest? manifest, [NotNullWhen(false)] out string? problem)
    {
        (manifest, problem) = (null, null);
        var path = Path.Combine(directory, FileName);
        Manifest? read;
        try
        {
            read = JsonSerializer.Deserialize(File.ReadAllBytes(path), ManifestJson.Default.Manifest);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            problem = $"No proxy runs with the data directory {directory}; start one with `relay-core-cli run`, or name a running one with --api-url and RELAY_API_TOKEN.";
            return false;
        }
        catch (UnauthorizedAccessException)
        {
            problem = $"{path} belongs to another user; name the proxy with --api-url and RELAY_API_TOKEN.";
            return false;
        }
        catch (Exception error) when (error is JsonException or IOException)
        {
            problem = $"{path} cannot be read as a manifest; remove it, or name the proxy with --api-url and RELAY_API_TOKEN.";
            return false;
        }

        if (read is null || !ProcessIdentity.IsRunning(read.Pid, read.PidStartTicks))
        {
            problem = $"The proxy of {directory} (pid {read?.Pid ?? 0}) has ended without saying so; start it again with `relay-core-cli run`.";
            return false;
        }

        manifest = read;
        return true;
    }

    /// <summary>Writes the manifest atomically; the file is 0600 from its first moment.</summary>
    public void Write(string directory) =>
        AtomicFile.Write(Path.Combine(directory, FileName), JsonSerializer.SerializeToUtf8Bytes(this, ManifestJson.Default.Manifest), isPrivate: true);

    /// <summary>Removes the manifest if it is still ours: a proxy started later with the same data directory has its own.</summary>
    public void Remove(string directory)
    {
        var path = Path.Combine(directory, FileName);
        try
        {
            if (JsonSerializer.Deserialize(File.ReadAllBytes(path), ManifestJson.Default.Manifest) is { } current && current.Pid == Pid)
            {
                File.Delete(path);
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or JsonException)
        {
            // Somebody removed it, or the folder: then there is nothing left to do.
        }
    }
}

/// <summary>JSON of the manifest.</summary>
[JsonSourceGenerationOptions(DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, WriteIndented = true)]
[JsonSerializable(typeof(Manifest))]
internal sealed partial class ManifestJson : JsonSerializerContext;

using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace RelayCore.Cli.Discovery;

/// <summary>Where a running proxy can be found: <c>daemon.json</c> in the data directory, readable by its owner only because it holds the token.</summary>
internal sealed record Manifest
{
    /// <summary>File name within the data directory.</summary>
    public const string FileName = "daemon.json";

    /// <summary>Process that runs the proxy.</summary>
    public required int Pid { get; init; }

    /// <summary>When that process started, in clock ticks since boot; tells it from a later process with the same number. Linux only.</summary>
    public long? PidStartTicks { get; init; }

    /// <summary>Version of the control API.</summary>
    public string ApiVersion { get; init; } = "1";

    /// <summary>Version of RelayCore.</summary>
    public string EngineVersion { get; init; } = "";

    /// <summary>Port of the control API.</summary>
    public int ApiPort { get; init; }

    /// <summary>URL of the control API, without <c>/api/v1</c>.</summary>
    public string? ApiUrl { get; init; }

    /// <summary>Port of the first proxy listener.</summary>
    public int? ProxyPort { get; init; }

    /// <summary>Every proxy listener, as host:port.</summary>
    public IReadOnlyList<string> Proxy { get; init; } = [];

    /// <summary>Whether the API serves a web interface.</summary>
    public bool ServeWebUi { get; init; }

    /// <summary>Bearer token of the API.</summary>
    public string? Token { get; init; }

    /// <summary>Start, milliseconds since 1970 UTC.</summary>
    public long StartedAtMilliseconds { get; init; }

    /// <summary>The data directory.</summary>
    public string DataDirectory { get; init; } = "";

    /// <summary>Reads the manifest of a data directory.</summary>
    /// <param name="directory">The data directory.</param>
    /// <param name="manifest">The manifest of a process that still runs.</param>
    /// <param name="problem">Why there is none, a sentence.</param>
    public static bool TryFind(string directory, [NotNullWhen(true)] out Manifest? manifest, [NotNullWhen(false)] out string? problem)
    {
        (manifest, problem) = (null, null);
        var path = Path.Combine(directory, FileName);
        Manifest read;
        try
        {
            if (!File.Exists(path))
            {
                problem = NobodyRuns(directory); // what a start usually finds; an exception costs it milliseconds
                return false;
            }

            read = Parse(File.ReadAllBytes(path));
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            problem = NobodyRuns(directory);
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

        if (!ProcessIdentity.IsRunning(read.Pid, read.PidStartTicks))
        {
            problem = $"The proxy of {directory} (pid {read.Pid}) has ended without saying so; start it again with `relay-core-cli run`.";
            return false;
        }

        manifest = read;
        return true;
    }

    /// <summary>Writes the manifest atomically; the file is 0600 from its first moment.</summary>
    public void Write(string directory) =>
        AtomicFile.Write(Path.Combine(directory, FileName), ToUtf8(), isPrivate: true);

    /// <summary>Removes the manifest if it is still ours: a proxy started later with the same data directory has its own.</summary>
    public void Remove(string directory)
    {
        var path = Path.Combine(directory, FileName);
        try
        {
            if (Parse(File.ReadAllBytes(path)).Pid == Pid)
            {
                File.Delete(path);
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or JsonException)
        {
            // Somebody removed it, or the folder: then there is nothing left to do.
        }
    }

    private static string NobodyRuns(string directory) =>
        $"No proxy runs with the data directory {directory}; start one with `relay-core-cli run`, or name a running one with --api-url and RELAY_API_TOKEN.";

    // By hand: a serializer costs a fifth of the time to the ready line.
    private byte[] ToUtf8()
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(buffer, new() { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteNumber("pid"u8, Pid);
            if (PidStartTicks is { } ticks)
            {
                json.WriteNumber("pid_start_ticks"u8, ticks);
            }

            json.WriteString("api_version"u8, ApiVersion);
            json.WriteString("engine_version"u8, EngineVersion);
            json.WriteNumber("api_port"u8, ApiPort);
            json.WriteString("api_url"u8, ApiUrl);
            if (ProxyPort is { } port)
            {
                json.WriteNumber("proxy_port"u8, port);
            }

            json.WriteStartArray("proxy"u8);
            foreach (var address in Proxy)
            {
                json.WriteStringValue(address);
            }

            json.WriteEndArray();
            json.WriteBoolean("serve_webui"u8, ServeWebUi);
            json.WriteString("token"u8, Token);
            json.WriteNumber("started_at_ms"u8, StartedAtMilliseconds);
            json.WriteString("data_dir"u8, DataDirectory);
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>Reads what <see cref="Write"/> wrote; fields of later versions are ignored.</summary>
    /// <exception cref="JsonException">It is something else.</exception>
    private static Manifest Parse(byte[] json)
    {
        using var document = JsonDocument.Parse(json);
        var root = document.RootElement;
        try
        {
            return new()
            {
                Pid = root.GetProperty("pid").GetInt32(),
                PidStartTicks = Find("pid_start_ticks")?.GetInt64(),
                ApiVersion = Find("api_version")?.GetString() ?? "1",
                EngineVersion = Find("engine_version")?.GetString() ?? "",
                ApiPort = Find("api_port")?.GetInt32() ?? 0,
                ApiUrl = Find("api_url")?.GetString(),
                ProxyPort = Find("proxy_port")?.GetInt32(),
                Proxy = Find("proxy") is { } proxy ? [.. proxy.EnumerateArray().Select(x => x.GetString() ?? "")] : [],
                ServeWebUi = Find("serve_webui")?.GetBoolean() ?? false,
                Token = Find("token")?.GetString(),
                StartedAtMilliseconds = Find("started_at_ms")?.GetInt64() ?? 0,
                DataDirectory = Find("data_dir")?.GetString() ?? "",
            };
        }
        catch (Exception error) when (error is InvalidOperationException or KeyNotFoundException or FormatException)
        {
            throw new JsonException("It is not a manifest.", error);
        }

        JsonElement? Find(string name) => root.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;
    }
}

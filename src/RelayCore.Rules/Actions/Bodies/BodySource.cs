using System.Globalization;
using RelayCore.Rules.Catalog;
using RelayCore.Rules.Documents;
using RelayCore.Rules.Execution;
using RelayCore.Rules.Templates;

namespace RelayCore.Rules.Actions.Bodies;

/// <summary>Where the octets of a body come from (reference: rules §3, <c>BodySource</c>). Immutable but for the cache of a file.</summary>
internal abstract class BodySource
{
    private static readonly System.Buffers.SearchValues<char> s_base64 =
        System.Buffers.SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=");

    /// <summary>The octets, at once when nothing has to be read.</summary>
    /// <param name="contentType">Content-Type of the message, for the charset of text.</param>
    /// <param name="context">The flow.</param>
    /// <param name="cancellationToken">The flow is given up.</param>
    /// <exception cref="IOException">The file cannot be read or is larger than <see cref="RuleEnvironment.MaxLocalFile"/>.</exception>
    public abstract ValueTask<ReadOnlyMemory<byte>> GetAsync(string? contentType, RuleContext context, CancellationToken cancellationToken);

    /// <summary>The source as it is now, for an action that is put off: variables have the values of this moment.</summary>
    public virtual BodySource Now(RuleContext context) => this;

    /// <summary>Compiles a body source, <c>{type, value}</c> or a plain string.</summary>
    /// <returns><see langword="null"/> for what was reported.</returns>
    public static BodySource? Compile(RuleNode node, CompileScope scope)
    {
        var value = node.Kind == NodeKind.Map ? node["value"] ?? node : node;
        return (node.Kind == NodeKind.Map ? node["type"]?.Text ?? "Text" : "Text").ToUpperInvariant() switch
        {
            "TEXT" => new TextSource(Template.Parse(value, scope)),
            "FILE" => CompileFile(value, scope),
            "BASE64" => CompileBase64(value, scope),
            var type => Unknown(type, node, scope),
        };
    }

    private static FixedSource? Unknown(string type, RuleNode node, CompileScope scope)
    {
        scope.Problems.Error("RULE-506", node["type"] ?? node, $"'{type}' is no source of a body.", "Use Text, File or Base64.");
        return null;
    }

    internal static FixedSource? CompileBase64(RuleNode value, CompileScope scope)
    {
        var text = string.Concat(value.Text.Where(x => !char.IsWhiteSpace(x)));
        var octets = new byte[text.Length];
        if (Convert.TryFromBase64String(text, octets, out var length))
        {
            return new(octets.AsMemory(0, length));
        }

        var odd = text.AsSpan().IndexOfAnyExcept(s_base64);
        scope.Problems.Error("RULE-506", value, odd >= 0 ? $"'{text[odd]}' is not a character of base64 (RFC 4648 §4)." : "The base64 is not whole: its length, with padding, is a multiple of four.",
            odd >= 0 && text[odd] is '-' or '_' ? "This is base64url; write + for - and / for _." : null);
        return null;
    }

    private static FileSource? CompileFile(RuleNode value, CompileScope scope)
    {
        var path = Template.Parse(value, scope);
        if (value.Text.Length == 0)
        {
            scope.Problems.Error("RULE-506", value, "The name of the file is empty.");
            return null;
        }

        if (path.IsConstant && !File.Exists(Path.GetFullPath(value.Text, scope.BaseDirectory)))
        {
            scope.Problems.Warning("RULE-507", value, $"There is no file {Path.GetFullPath(value.Text, scope.BaseDirectory)} now; the action fails until there is one.");
        }

        return new(path, scope.BaseDirectory, isSandboxed: !path.IsConstant);
    }
}

/// <summary>Octets that are known.</summary>
internal sealed class FixedSource(ReadOnlyMemory<byte> octets) : BodySource
{
    public ReadOnlyMemory<byte> Octets => octets;

    public override ValueTask<ReadOnlyMemory<byte>> GetAsync(string? contentType, RuleContext context, CancellationToken cancellationToken) => new(octets);
}

/// <summary>Text, in the charset of the Content-Type when that has all its characters, otherwise UTF-8.</summary>
internal sealed class TextSource(Template text) : BodySource
{
    public override ValueTask<ReadOnlyMemory<byte>> GetAsync(string? contentType, RuleContext context, CancellationToken cancellationToken) =>
        new(ContentText.Encode(text.Expand(context), contentType));

    public override BodySource Now(RuleContext context) => text.IsConstant ? this : new TextSource(Template.Literal(text.Expand(context)));
}

/// <summary>
/// A file; read again when its time or size changed. A path without variables is the author's and may be anywhere; one with variables, which a peer
/// may choose, stays within the sandbox.
/// </summary>
internal sealed class FileSource(Template path, string baseDirectory, bool isSandboxed) : BodySource
{
    private Cached? _cached;

    public override ValueTask<ReadOnlyMemory<byte>> GetAsync(string? contentType, RuleContext context, CancellationToken cancellationToken)
    {
        var file = path.Expand(context);
        var (environment, root) = (context.Environment, !isSandboxed ? null : Path.GetFullPath(context.Environment.SandboxRoot ?? baseDirectory));
        var full = Path.GetFullPath(file, root ?? baseDirectory);
        if (root is not null && !full.StartsWith(Path.EndsInDirectorySeparator(root) ? root : root + Path.DirectorySeparatorChar, StringComparison.Ordinal))
        {
            throw new IOException($"the file '{file}' is outside of the sandbox {root}");
        }

        // Even to ask for its time may wait for a disk, and this may be an I/O thread.
        return new(Task.Run(() => ReadAsync(full, environment.MaxLocalFile, cancellationToken), cancellationToken));
    }

    public override BodySource Now(RuleContext context) => path.IsConstant ? this : new FileSource(Template.Literal(path.Expand(context)), baseDirectory, isSandboxed: true);

    private async Task<ReadOnlyMemory<byte>> ReadAsync(string file, long most, CancellationToken cancellationToken)
    {
        var info = new FileInfo(file);
        if (!info.Exists)
        {
            throw new FileNotFoundException($"there is no file {file}");
        }

        if (Volatile.Read(ref _cached) is { } cached && cached.Path == file && cached.Time == info.LastWriteTimeUtc && cached.Content.Length == info.Length)
        {
            return cached.Content;
        }

        var stream = new FileStream(file, new FileStreamOptions { Access = FileAccess.Read, Share = FileShare.ReadWrite | FileShare.Delete, Options = FileOptions.Asynchronous });
        await using (stream.ConfigureAwait(false))
        {
            var (time, length) = (File.GetLastWriteTimeUtc(stream.SafeFileHandle), stream.Length);
            if (length > Math.Min(most, Array.MaxLength))
            {
                throw new IOException(string.Create(CultureInfo.InvariantCulture, $"{file} has {length} octets; at most {most} are read"));
            }

            var content = new byte[length];
            var read = await stream.ReadAtLeastAsync(content, content.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
            if (read < content.Length)
            {
                return content.AsMemory(0, read); // it shrank while it was read; not kept
            }

            Volatile.Write(ref _cached, new(file, time, content));
            return content;
        }
    }

    private sealed record Cached(string Path, DateTime Time, byte[] Content);
}

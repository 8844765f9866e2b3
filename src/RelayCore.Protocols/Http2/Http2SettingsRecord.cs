using System.Globalization;
using System.Text;

namespace RelayCore.Protocols.Http2;

/// <summary>The parameters of a SETTINGS frame as they came: unknown ones, repetitions and order included. They tell clients apart.</summary>
public sealed class Http2SettingsRecord : IEquatable<Http2SettingsRecord>
{
    /// <summary>Parameters kept; more are left out and <see cref="IsTruncated"/> says so.</summary>
    public const int MaxKept = 64;

    private readonly Http2Setting[] _settings;

    private Http2SettingsRecord(Http2Setting[] settings, bool isTruncated) => (_settings, IsTruncated) = (settings, isTruncated);

    /// <summary>The parameters in the order received.</summary>
    public ReadOnlySpan<Http2Setting> Settings => _settings;

    /// <summary>Whether parameters were left out.</summary>
    public bool IsTruncated { get; }

    /// <summary>Copies what <paramref name="parameters"/> walks.</summary>
    public static Http2SettingsRecord From(Http2SettingsEnumerator parameters)
    {
        var isTruncated = parameters.Remaining > MaxKept;
        var settings = new Http2Setting[Math.Min(parameters.Remaining, MaxKept)];
        for (var i = 0; i < settings.Length && parameters.MoveNext(); i++)
        {
            settings[i] = parameters.Current;
        }

        return new(settings, isTruncated);
    }

    /// <summary>Reads the text form.</summary>
    /// <returns>The record, or <see langword="null"/> when the text is not <c>id:value;id:value</c> with at most <see cref="MaxKept"/> parts.</returns>
    public static Http2SettingsRecord? Parse(string text)
    {
        if (text.Length == 0)
        {
            return new([], isTruncated: false);
        }

        var parts = text.Split(';', MaxKept + 1);
        var settings = new Http2Setting[parts.Length];
        for (var i = 0; i < parts.Length; i++)
        {
            var colon = parts[i].IndexOf(':', StringComparison.Ordinal);
            if (parts.Length > MaxKept || colon < 0
                || !ushort.TryParse(parts[i].AsSpan(0, colon), NumberStyles.None, CultureInfo.InvariantCulture, out var id)
                || !uint.TryParse(parts[i].AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var value))
            {
                return null;
            }

            settings[i] = new((Http2SettingId)id, value);
        }

        return new(settings, isTruncated: false);
    }

    /// <summary>The text form, decimal: <c>1:65536;4:131072</c>.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        foreach (var (id, value) in _settings)
        {
            text.Append(text.Length == 0 ? "" : ";").Append(CultureInfo.InvariantCulture, $"{(ushort)id}:{value}");
        }

        return text.ToString();
    }

    /// <inheritdoc/>
    public bool Equals(Http2SettingsRecord? other) => other is not null && IsTruncated == other.IsTruncated && Settings.SequenceEqual(other.Settings);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as Http2SettingsRecord);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = default(HashCode);
        foreach (var setting in _settings)
        {
            hash.Add(setting);
        }

        return hash.ToHashCode();
    }
}

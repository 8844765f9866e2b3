namespace RelayCore.Rules.Catalog;

/// <summary>What a property of a <c>config</c> may be.</summary>
public enum PropertyKind
{
    /// <summary>A string, taken as it is.</summary>
    Text,

    /// <summary>A string in which <c>{{variables}}</c> are replaced.</summary>
    Template,

    /// <summary>An integer within <see cref="Property.Min"/> and <see cref="Property.Max"/>.</summary>
    Integer,

    /// <summary>A number within them.</summary>
    Number,

    /// <summary><c>true</c> or <c>false</c>.</summary>
    Boolean,

    /// <summary>One of <see cref="Property.Values"/>, case not significant.</summary>
    Choice,

    /// <summary>A matcher, <c>{mode, value, ignore_case?}</c>; a plain string is an exact one.</summary>
    Matcher,

    /// <summary>A filter, <c>{type, config}</c>.</summary>
    Filter,

    /// <summary>A body source, <c>{type: Text|File|Base64, value}</c>; a plain string is a text.</summary>
    BodySource,

    /// <summary>A mapping of names to templates, or a list of <c>[name, value]</c> pairs where names repeat.</summary>
    Fields,

    /// <summary>A list whose items are <see cref="Property.Items"/>.</summary>
    List,

    /// <summary>A mapping of the shape <see cref="Property.Shape"/>.</summary>
    Object,

    /// <summary>Any value; JSON written out.</summary>
    Any,
}

/// <summary>One property of a config: what validation, the JSON Schema and the documentation are made from.</summary>
/// <param name="Name">snake_case.</param>
/// <param name="Kind">What it may be.</param>
/// <param name="Summary">One sentence for the documentation, with unit.</param>
public sealed record Property(string Name, PropertyKind Kind, string Summary)
{
    /// <summary>Whether it must be there.</summary>
    public bool IsRequired { get; init; }

    /// <summary>What holds when it is absent, as JSON text, for the schema and the documentation.</summary>
    public string? Default { get; init; }

    /// <summary>Smallest number.</summary>
    public double? Min { get; init; }

    /// <summary>Largest number.</summary>
    public double? Max { get; init; }

    /// <summary>The choices.</summary>
    public IReadOnlyList<string> Values { get; init; } = [];

    /// <summary>What items of a list are.</summary>
    public Property? Items { get; init; }

    /// <summary>Members of an object.</summary>
    public Shape? Shape { get; init; }

    /// <summary>Whether <c>null</c> is a value of its own, as in <c>RequestHeader</c>'s presence.</summary>
    public bool MayBeNull { get; init; }
}

/// <summary>What a <c>config</c> looks like.</summary>
public sealed record Shape
{
    /// <summary>No config at all, or <c>null</c>, or <c>{}</c>.</summary>
    public static Shape None { get; } = new();

    /// <summary>Members of a mapping; empty when it is none.</summary>
    public IReadOnlyList<Property> Properties { get; init; } = [];

    /// <summary>The config is this value itself (<c>{"type":"SrcIp","config":"10.0.0.0/8"}</c>); its name is unused.</summary>
    public Property? Value { get; init; }

    /// <summary>A mapping.</summary>
    public static Shape Of(params Property[] properties) => new() { Properties = properties };

    /// <summary>A value instead of a mapping.</summary>
    public static Shape Single(PropertyKind kind, string summary) => new() { Value = new("config", kind, summary) { IsRequired = true } };
}

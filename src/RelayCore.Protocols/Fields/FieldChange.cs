namespace RelayCore.Protocols.Fields;

/// <summary>One edit of a message head, as logged by <see cref="FieldSection"/>.</summary>
/// <param name="Name">Field name as written, or a pseudo-name: <c>:method</c>, <c>:target</c>, <c>:status</c>, <c>:reason</c>.</param>
/// <param name="Before">Value before, Latin-1; <see langword="null"/> when the line was added.</param>
/// <param name="After">Value after, Latin-1; <see langword="null"/> when the line was removed.</param>
public readonly record struct FieldChange(string Name, string? Before, string? After);

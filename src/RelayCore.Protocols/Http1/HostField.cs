using RelayCore.Protocols.Fields;

namespace RelayCore.Protocols.Http1;

/// <summary>The Host field of a request (RFC 9112 §3.2).</summary>
public static class HostField
{
    /// <summary>Checks that a request has the Host it must have and that it can be read in one way.</summary>
    /// <param name="fields">Field lines of the request.</param>
    /// <param name="minorVersion">0 or 1; only HTTP/1.1 must have a Host.</param>
    /// <param name="form">Form of the target: one with an authority of its own may come with an empty Host, because it replaces it (§3.2.2).</param>
    /// <param name="index">The line of the Host, or -1.</param>
    /// <param name="authority">Its parts, relative to the value of that line; default when there is none or it is empty.</param>
    /// <returns><see cref="Http1Fault.MissingHost"/>, <see cref="Http1Fault.DuplicateHost"/>, <see cref="Http1Fault.InvalidHost"/>, or none.</returns>
    public static Http1Fault Check(FieldSection fields, int minorVersion, RequestTargetForm form, out int index, out Authority authority)
    {
        authority = default;
        index = fields.IndexOf(KnownField.Host);
        if (index < 0)
        {
            return minorVersion == 0 ? Http1Fault.None : Http1Fault.MissingHost;
        }

        if (fields.IndexOf(KnownField.Host, index + 1) >= 0)
        {
            return Http1Fault.DuplicateHost;
        }

        var value = fields.Value(index);
        return value.IsEmpty && form is RequestTargetForm.Absolute or RequestTargetForm.Authority ? Http1Fault.None
            : Authority.TryRead(value, out authority) ? Http1Fault.None
            : Http1Fault.InvalidHost;
    }
}

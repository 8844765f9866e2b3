namespace RelayCore.Runtime.Certificates;

/// <summary>What was found in a trust store by looking into it.</summary>
public enum TrustStoreState
{
    /// <summary>The certificate is there and trusted.</summary>
    Installed,

    /// <summary>The certificate is not there, or there without being trusted.</summary>
    NotInstalled,

    /// <summary>Another certificate of RelayCore is there instead: installing replaces it.</summary>
    Stale,

    /// <summary>The store is not on this machine, or its tool is missing; the remedy names the package.</summary>
    NotAvailable,

    /// <summary>The change was refused for lack of privileges; nothing was changed.</summary>
    NeedsRoot,
}

/// <summary>One trust store, as found after the operation.</summary>
/// <param name="Id">Stable name for programs: <c>system</c>, <c>nss</c>, <c>firefox:PROFILE</c>.</param>
/// <param name="Name">Name for people.</param>
/// <param name="Location">The file or directory that was looked into.</param>
/// <param name="State">What was found.</param>
/// <param name="Changed">Whether this operation changed the store; never for an inspection.</param>
/// <param name="Detail">One clause on why the state is what it is, or what failed; <see langword="null"/> when there is nothing to add.</param>
/// <param name="Remedy">What the user can do about it, often a command; <see langword="null"/> when there is nothing to do.</param>
public sealed record TrustStoreReport(
    string Id, string Name, string Location, TrustStoreState State, bool Changed = false, string? Detail = null, string? Remedy = null);

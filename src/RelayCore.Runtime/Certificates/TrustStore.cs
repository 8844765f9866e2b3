namespace RelayCore.Runtime.Certificates;

/// <summary>A place where programs look up whom to trust. Every answer comes from looking into it again.</summary>
internal abstract class TrustStore(string id, string name, string location)
{
    /// <summary>The file or directory that is looked into.</summary>
    protected string Location { get; } = location;

    /// <summary>Looks whether <paramref name="authority"/> is trusted, or, when <see langword="null"/>, whether any of ours is.</summary>
    public abstract Task<TrustStoreReport> InspectAsync(TrustedAuthority? authority, CancellationToken cancellationToken);

    /// <summary>Makes the store trust the authority and forget others of ours; does nothing when that is so already.</summary>
    public async Task<TrustStoreReport> InstallAsync(TrustedAuthority authority, CancellationToken cancellationToken)
    {
        var before = await InspectAsync(authority, cancellationToken).ConfigureAwait(false);
        return before.State is TrustStoreState.NotInstalled or TrustStoreState.Stale
            ? await ChangeAsync(before, authority, token => AddAsync(authority, token), cancellationToken).ConfigureAwait(false)
            : before;
    }

    /// <summary>Removes the authority and others of ours; does nothing when none is there.</summary>
    public async Task<TrustStoreReport> UninstallAsync(TrustedAuthority? authority, CancellationToken cancellationToken)
    {
        var before = await InspectAsync(authority, cancellationToken).ConfigureAwait(false);
        return before.State is TrustStoreState.Installed or TrustStoreState.Stale || (before.State == TrustStoreState.NotInstalled && HasRemains)
            ? await ChangeAsync(before, authority, token => RemoveAsync(authority, token), cancellationToken).ConfigureAwait(false)
            : before;
    }

    /// <summary>Whether something of ours lies there that does not make the store trust us.</summary>
    protected virtual bool HasRemains => false;

    /// <summary>The command that does the same by hand with privileges.</summary>
    protected abstract string Privileged(TrustedAuthority? authority);

    /// <returns>What failed, or <see langword="null"/>.</returns>
    protected abstract Task<string?> AddAsync(TrustedAuthority authority, CancellationToken cancellationToken);

    /// <inheritdoc cref="AddAsync"/>
    protected abstract Task<string?> RemoveAsync(TrustedAuthority? authority, CancellationToken cancellationToken);

    protected TrustStoreReport Report(TrustStoreState state, string? detail = null, string? remedy = null) =>
        new(id, name, Location, state, Changed: false, detail, remedy);

    private async Task<TrustStoreReport> ChangeAsync(
        TrustStoreReport before, TrustedAuthority? authority, Func<CancellationToken, Task<string?>> change, CancellationToken cancellationToken)
    {
        string? failure;
        try
        {
            failure = await change(cancellationToken).ConfigureAwait(false);
        }
        catch (UnauthorizedAccessException)
        {
            return before with { State = TrustStoreState.NeedsRoot, Detail = "only the administrator may change it", Remedy = Privileged(authority) };
        }
        catch (IOException error)
        {
            failure = error.Message;
        }

        var after = await InspectAsync(authority, cancellationToken).ConfigureAwait(false);
        return after with { Changed = failure is null || after.State != before.State, Detail = failure ?? after.Detail };
    }
}

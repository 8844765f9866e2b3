namespace RelayCore.Engine.Certificates;

/// <summary>
/// A certificate or key file cannot be used. <see cref="Exception.Message"/> is one sentence for the user that names the file, the reason
/// and what to do; it never contains key material.
/// </summary>
public sealed class CertificateFileException : Exception
{
    /// <summary>Says what is wrong with a file.</summary>
    /// <param name="path">The file (or directory) concerned.</param>
    /// <param name="reason">What is wrong, as a clause that follows the path: "has no certificate in it".</param>
    /// <param name="remedy">What to do, as a clause: "run `relay-core-cli ca generate`".</param>
    /// <param name="cause">The failure below, when there was one.</param>
    public CertificateFileException(string path, string reason, string remedy, Exception? cause = null)
        : base($"{path} {reason}; {remedy}.", cause) => (Path, Reason, Remedy) = (path, reason, remedy);

    /// <summary>The file or directory concerned.</summary>
    public string Path { get; }

    /// <summary>What is wrong with it.</summary>
    public string Reason { get; }

    /// <summary>What the user can do about it.</summary>
    public string Remedy { get; }
}

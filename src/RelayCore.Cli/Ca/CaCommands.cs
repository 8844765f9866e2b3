using System.CommandLine;
using RelayCore.Cli.Run;
using RelayCore.Cli.Text;
using RelayCore.Engine.Certificates;
using RelayCore.Runtime.Certificates;

namespace RelayCore.Cli.Ca;

/// <summary><c>ca generate|status|export|install|uninstall</c>: the words around <see cref="CertificateAuthorityService"/>.</summary>
internal sealed class CaCommands(CliEnvironment environment)
{
    private readonly Option<string?> _dataDir = RunOptions.DataDirOption();
    private readonly Option<string?> _caCert = new("--ca-cert")
    {
        Description = "Your own CA certificate instead of the one in the data directory (RELAY_CA_CERT)",
        HelpName = "FILE",
    };

    private readonly Option<string?> _caKey = new("--ca-key") { Description = "Its key (RELAY_CA_KEY)", HelpName = "FILE" };

    /// <summary>The commands.</summary>
    public static Command Create(CliEnvironment environment) => new CaCommands(environment).Create();

    private Command Create()
    {
        var force = new Option<bool>("--force") { Description = "Replace the present CA; whatever trusted it must be told again" };
        var output = new Option<string?>("--output", "-o") { Description = "File to write to [default: standard output]", HelpName = "FILE" };
        var der = new Option<bool>("--der") { Description = "DER instead of PEM, for phones and Windows" };
        var ca = new Command("ca", "Manage the certificate authority that signs what clients see.") { _dataDir, _caCert, _caKey };
        foreach (var option in ca.Options)
        {
            option.Recursive = true;
        }

        Add("generate", "Make the CA; an existing one is kept.", (line, stop) => GenerateAsync(line, line.GetValue(force), stop), force);
        Add("status", "Show the CA and where it is trusted.", StatusAsync);
        Add("export", "Write the certificate (never the key).", (line, _) => ExportAsync(line, line.GetValue(output), line.GetValue(der)), output, der);
        Add("install", "Make this machine and this user's browsers trust the CA.", InstallAsync);
        Add("uninstall", "Remove the CA from everything that trusts it.", UninstallAsync);
        return ca;

        void Add(string name, string description, Func<ParseResult, CancellationToken, Task<int>> action, params Option[] options)
        {
            var command = new Command(name, description);
            foreach (var option in options)
            {
                command.Add(option);
            }

            command.SetAction(async (line, cancellationToken) =>
            {
                try
                {
                    return await action(line, cancellationToken);
                }
                catch (CertificateFileException error)
                {
                    throw new CliException(error.Message, inner: error);
                }
            });
            ca.Add(command);
        }
    }

    private async Task<int> GenerateAsync(ParseResult line, bool force, CancellationToken cancellationToken)
    {
        DataDirectory.Prepare(DataDirectory.Resolve(line.GetValue(_dataDir), environment));
        var made = await Service(line).GenerateAsync(force, cancellationToken);
        var output = environment.Output;
        output.WriteLine(made.Created ? "Made a new CA." : "There is a CA already; it is kept. Replace it with --force.");
        WriteFacts(made.Facts);
        output.WriteLine($"  certificate  {made.CertificatePath}");
        output.WriteLine($"  key          {made.KeyPath} (readable by you only; never give it away)");
        if (made.Created)
        {
            output.WriteLine(environment.Advice("Trust it with `relay-core-cli ca install`."));
        }

        return ExitCode.Success;
    }

    private async Task<int> StatusAsync(ParseResult line, CancellationToken cancellationToken)
    {
        var status = await Service(line).GetStatusAsync(cancellationToken);
        environment.Output.WriteLine($"CA {status.CertificatePath}");
        if (status.Facts is { } facts)
        {
            WriteFacts(facts);
        }

        if (status.IsKeyExposed == true)
        {
            environment.Output.WriteLine($"  warning: others can read {status.KeyPath}; whoever has it can impersonate every site to you. Run: chmod 600 {status.KeyPath}");
        }

        environment.Output.WriteLine();
        WriteStores(status.Stores, showsChange: false);
        return status.Problem is null ? ExitCode.Success : throw new CliException(status.Problem);
    }

    private async Task<int> ExportAsync(ParseResult line, string? file, bool der)
    {
        var octets = Service(line).Export(der);
        if (file is null)
        {
            await using var stream = environment.OpenOutput();
            await stream.WriteAsync(octets);
            return ExitCode.Success;
        }

        try
        {
            AtomicFile.Write(Path.GetFullPath(file), octets, isPrivate: false);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            var reason = error is UnauthorizedAccessException ? "permission is denied" : "there is no such folder, or no room";
            throw new CliException($"{file} cannot be written: {reason}.", inner: error);
        }

        environment.Error.WriteLine($"Wrote {file}.");
        return ExitCode.Success;
    }

    private async Task<int> InstallAsync(ParseResult line, CancellationToken cancellationToken)
    {
        var service = Service(line);
        if (!File.Exists(service.CertificatePath) && line.GetValue(_caCert) is null)
        {
            // Installing before the first run is what people do; there is nothing to ask.
            DataDirectory.Prepare(DataDirectory.Resolve(line.GetValue(_dataDir), environment));
            await service.GenerateAsync(force: false, cancellationToken);
        }

        var stores = await service.InstallAsync(cancellationToken);
        WriteStores(stores, showsChange: true);
        environment.Output.WriteLine();
        if (stores.Any(x => x.State == TrustStoreState.Installed))
        {
            environment.Output.WriteLine("Programs that run already may need a restart. Programs with a store of their own:");
        }
        else
        {
            environment.Output.WriteLine("No store of this machine could be changed. By hand:");
        }

        foreach (var manual in service.GetInstructions())
        {
            environment.Output.WriteLine($"  {manual.Title}");
            foreach (var step in manual.Steps)
            {
                environment.Output.WriteLine($"    {step}");
            }
        }

        return stores.Any(x => x.State == TrustStoreState.Installed) ? ExitCode.Success : ExitCode.Failure;
    }

    private async Task<int> UninstallAsync(ParseResult line, CancellationToken cancellationToken)
    {
        var stores = await Service(line).UninstallAsync(cancellationToken);
        WriteStores(stores, showsChange: true);
        return stores.Any(x => x.State is TrustStoreState.Installed or TrustStoreState.Stale or TrustStoreState.NeedsRoot) ? ExitCode.Failure : ExitCode.Success;
    }

    private void WriteFacts(CertificateAuthorityFacts facts)
    {
        environment.Output.WriteLine($"  subject      {Printable.Line(facts.Subject)}");
        environment.Output.WriteLine($"  sha256       {facts.Sha256}");
        environment.Output.WriteLine($"  valid        {facts.NotBefore:yyyy-MM-dd} to {facts.NotAfter:yyyy-MM-dd}");
    }

    private void WriteStores(IReadOnlyList<TrustStoreReport> stores, bool showsChange)
    {
        var table = new TextTable("STORE", "STATE", "WHERE");
        foreach (var store in stores)
        {
            table.Add(store.Name, State(store.State) + (showsChange && store.Changed ? " (changed now)" : ""), store.Location);
        }

        table.Write(environment.Output, environment.Width, new(environment.HasColor));
        foreach (var store in stores.Where(x => x.Detail is not null || x.Remedy is not null))
        {
            environment.Output.WriteLine(environment.Advice($"{store.Name}: {Printable.Line(string.Join("; ", new[] { store.Detail, store.Remedy }.OfType<string>()))}"));
        }
    }

    private static string State(TrustStoreState state) => state switch
    {
        TrustStoreState.Installed => "trusted",
        TrustStoreState.NotInstalled => "not trusted",
        TrustStoreState.Stale => "another CA of ours",
        TrustStoreState.NeedsRoot => "needs root",
        _ => "not available",
    };

    private CertificateAuthorityService Service(ParseResult line)
    {
        var (certificate, key) = (line.GetValue(_caCert), line.GetValue(_caKey));
        if (certificate is null && key is null)
        {
            (certificate, key) = (environment["RELAY_CA_CERT"], environment["RELAY_CA_KEY"]);
        }

        return (certificate is null) == (key is null)
            ? new(
                new() { DataDirectory = DataDirectory.Resolve(line.GetValue(_dataDir), environment), OwnCertificatePath = certificate, OwnKeyPath = key },
                environment.Time)
            : throw new CliException("A CA needs both its certificate and its key: give --ca-cert and --ca-key together.", ExitCode.Usage);
    }
}

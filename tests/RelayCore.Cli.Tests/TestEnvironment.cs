namespace RelayCore.Cli.Tests;

/// <summary>A command's surroundings, owned by a test: variables, what was written, a folder of its own.</summary>
internal sealed class TestEnvironment : IDisposable
{
    private readonly StringWriter _output = new() { NewLine = "\n" };
    private readonly StringWriter _error = new() { NewLine = "\n" };
    private readonly MemoryStream _octets = new();

    public TestEnvironment(bool isTerminal = false)
    {
        Folder = Directory.CreateTempSubdirectory("relay-core-test-").FullName;
        Variables["RELAY_DATA_DIR"] = Folder;
        Cli = new(Variables.GetValueOrDefault, _output, _error) { IsTerminal = isTerminal, OpenOutput = () => _octets, OpenInput = () => new MemoryStream(Input) };
    }

    public Dictionary<string, string> Variables { get; } = new(StringComparer.Ordinal);

    public string Folder { get; }

    public byte[] Input { get; set; } = [];

    public CliEnvironment Cli { get; }

    public string Output => _output.ToString();

    public string Error => _error.ToString();

    public byte[] Octets => _octets.ToArray();

    public Task<int> RunAsync(params string[] arguments) => CommandLine.RunAsync(arguments, Cli).WaitAsync(TimeSpan.FromSeconds(30));

    public string Write(string name, string content)
    {
        var path = Path.Combine(Folder, name);
        File.WriteAllText(path, content);
        return path;
    }

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}

using System.Globalization;
using RelayCore.Fuzz;
using SharpFuzz;

// --smoke SECONDS TARGET [--seed N]   mutates the corpus in this process
// --afl TARGET                        the child of afl-fuzz; RelayCore.Protocols.dll must have been instrumented
// --replay TARGET FILE...             runs inputs once, for looking at a finding
// --list                              names of the targets
IFuzzTarget[] targets = [new Http1HeadTarget(), new ChunkedTarget()];

switch (args)
{
    case ["--list"]:
        Array.ForEach(targets, x => Console.WriteLine(x.Name));
        return 0;

    case ["--smoke", var seconds, var name, .. var rest] when Find(name) is { } target
        && double.TryParse(seconds, CultureInfo.InvariantCulture, out var duration) && rest is [] or ["--seed", _]:
        var seed = rest is [_, var given] ? int.Parse(given, CultureInfo.InvariantCulture) : Random.Shared.Next();
        return new Smoke(target, Corpus(target), FuzzDictionary.Read(Path.Combine(AppContext.BaseDirectory, "dictionaries", target.Name + ".dict")), seed)
            .Run(TimeSpan.FromSeconds(duration), Console.Out);

    case ["--afl", var name] when Find(name) is { } target:
        Fuzzer.OutOfProcess.Run(stream =>
        {
            using var input = new MemoryStream();
            stream.CopyTo(input);
            target.Run(input.GetBuffer().AsSpan(0, (int)input.Length));
        });
        return 0;

    case ["--replay", var name, .. var files] when Find(name) is { } target:
        foreach (var file in files)
        {
            target.Run(File.ReadAllBytes(file));
            Console.WriteLine($"{file}: no finding");
        }

        return 0;

    default:
        Console.Error.WriteLine("usage: RelayCore.Fuzz --smoke SECONDS TARGET [--seed N] | --afl TARGET | --replay TARGET FILE... | --list");
        Console.Error.WriteLine("targets: " + string.Join(", ", targets.Select(x => x.Name)));
        return 2;
}

IFuzzTarget? Find(string name) => Array.Find(targets, x => x.Name == name);

static List<byte[]> Corpus(IFuzzTarget target)
{
    var files = Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "corpora", target.Name));
    Array.Sort(files, StringComparer.Ordinal); // the same seed picks the same inputs everywhere
    return [.. files.Select(File.ReadAllBytes)];
}

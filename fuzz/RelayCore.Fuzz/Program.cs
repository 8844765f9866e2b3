using System.Globalization;
using RelayCore.Fuzz;
using SharpFuzz;

// --smoke SECONDS TARGET [--seed N]   mutates the corpus in this process
// --afl TARGET                        the child of afl-fuzz; RelayCore.Protocols.dll must have been instrumented
// --replay TARGET FILE...             runs inputs once, for looking at a finding
// --list                              names of the targets
// Made on first use: instrumented code cannot run before afl has handed over its map.
(string Name, Func<IFuzzTarget> Create)[] targets =
[
    ("http1-head", () => new Http1HeadTarget()),
    ("chunked", () => new ChunkedTarget()),
    ("client-hello", () => new ClientHelloTarget()),
    ("http2-frames", () => new Http2FramesTarget()),
    ("hpack", () => new HpackTarget()),
    ("websocket-frames", () => new WebSocketFramesTarget()),
    ("websocket-deflate", () => new WebSocketDeflateTarget()),
    ("sse", () => new SseTarget()),
    ("grpc", () => new GrpcTarget()),
];

switch (args)
{
    case ["--list"]:
        Array.ForEach(targets, x => Console.WriteLine(x.Name));
        return 0;

    case ["--smoke", var seconds, var name, .. var rest] when Find(name) is { } target
        && double.TryParse(seconds, CultureInfo.InvariantCulture, out var duration) && rest is [] or ["--seed", _]:
        var seed = rest is [_, var given] ? int.Parse(given, CultureInfo.InvariantCulture) : Random.Shared.Next();
        return new Smoke(target(), Corpus(name), FuzzDictionary.Read(Path.Combine(AppContext.BaseDirectory, "dictionaries", name + ".dict")), seed)
            .Run(TimeSpan.FromSeconds(duration), Console.Out);

    case ["--afl", var name] when Find(name) is { } target:
        IFuzzTarget? fuzzed = null;
        Fuzzer.OutOfProcess.Run(stream =>
        {
            fuzzed ??= target();
            using var input = new MemoryStream();
            stream.CopyTo(input);
            fuzzed.Run(input.GetBuffer().AsSpan(0, (int)input.Length));
        });
        return 0;

    case ["--replay", var name, .. var files] when Find(name) is { } target:
        var replayed = target();
        foreach (var file in files)
        {
            replayed.Run(File.ReadAllBytes(file));
            Console.WriteLine($"{file}: no finding");
        }

        return 0;

    default:
        Console.Error.WriteLine("usage: RelayCore.Fuzz --smoke SECONDS TARGET [--seed N] | --afl TARGET | --replay TARGET FILE... | --list");
        Console.Error.WriteLine("targets: " + string.Join(", ", targets.Select(x => x.Name)));
        return 2;
}

Func<IFuzzTarget>? Find(string name) => Array.Find(targets, x => x.Name == name).Create;

static List<byte[]> Corpus(string name)
{
    var files = Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "corpora", name));
    Array.Sort(files, StringComparer.Ordinal); // the same seed picks the same inputs everywhere
    return [.. files.Select(File.ReadAllBytes)];
}

using BenchmarkDotNet.Running;

// dotnet run -c Release --project benchmarks/RelayCore.Microbenchmarks -- --filter '*Http1*'
BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);

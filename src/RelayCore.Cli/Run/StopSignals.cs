using System.Runtime.InteropServices;

namespace RelayCore.Cli.Run;

/// <summary>SIGINT, SIGTERM and SIGHUP: the first asks to stop, the second stops now.</summary>
internal sealed class StopSignals : IDisposable
{
    private readonly TaskCompletionSource _asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<PosixSignalRegistration> _registrations = [];
    private readonly Action<int> _stopNow;
    private int _count;

    /// <summary>Registers at once: a signal during start counts.</summary>
    /// <param name="stopNow">Called at the second signal with the exit code, 128 + the signal's number.</param>
    public StopSignals(Action<int> stopNow)
    {
        _stopNow = stopNow;
        Register(PosixSignal.SIGINT, 2);
        Register(PosixSignal.SIGTERM, 15);
        if (!OperatingSystem.IsWindows())
        {
            Register(PosixSignal.SIGHUP, 1);
        }
    }

    /// <summary>Completes at the first signal.</summary>
    public Task Asked => _asked.Task;

    /// <inheritdoc/>
    public void Dispose() => _registrations.ForEach(x => x.Dispose());

    private void Register(PosixSignal signal, int number) => _registrations.Add(PosixSignalRegistration.Create(signal, context =>
    {
        context.Cancel = true;
        if (Interlocked.Increment(ref _count) == 1)
        {
            _asked.TrySetResult();
        }
        else
        {
            _stopNow(128 + number);
        }
    }));
}

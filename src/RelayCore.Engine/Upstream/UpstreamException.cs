using RelayCore.Core.Faults;

namespace RelayCore.Engine.Upstream;

/// <summary>A server that cannot be reached. Carries the fault to the exchange that wanted it.</summary>
internal sealed class UpstreamException(FlowFault fault, Exception? inner = null) : Exception(fault.Detail, inner)
{
    public FlowFault Fault => fault;
}

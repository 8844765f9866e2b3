using RelayCore.Core.Faults;
using RelayCore.Engine.Http.Exchanges;

namespace RelayCore.Engine.Http.Impairments;

/// <summary>A message ends here on purpose.</summary>
/// <param name="fault">Why.</param>
/// <param name="isCut">Whether in order; otherwise the receiver is to be reset.</param>
internal sealed class ImpairedException(FlowFault fault, bool isCut) : MessageFaultException(fault)
{
    /// <summary>Whether in order; otherwise the receiver is to be reset.</summary>
    public bool IsCut => isCut;
}

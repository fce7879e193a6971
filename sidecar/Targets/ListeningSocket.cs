using System.Net;

namespace Premortem.Sidecar.Targets;

/// <param name="EndPoint">
/// Where it can be reached from this host: the loopback address of its family where it listens on every address.
/// </param>
/// <param name="IsWildcard">Whether it listens on every address.</param>
internal sealed record ListeningSocket(IPEndPoint EndPoint, bool IsWildcard);

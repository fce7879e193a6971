using Xunit;

namespace Premortem.Integration.Tests;

/// <summary>Tests that take every core there is: one at a time, and none beside them, so that they slow no test that measures time.</summary>
[CollectionDefinition(nameof(WholeMachine), DisableParallelization = true)]
public sealed class WholeMachine;

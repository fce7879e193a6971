namespace Premortem.Sidecar.Memory;

/// <summary>A row of <c>memory.csv</c>, read back.</summary>
/// <param name="Line">Where it stands, counted from 1.</param>
/// <param name="Events">The words of the column <c>event</c>, joined by <c>+</c>; empty: none.</param>
/// <param name="BeginsFile">The first row after a header: what follows may be of another run of the sidecar.</param>
internal readonly record struct MemoryRow(long Line, MemorySample Sample, string Events, bool BeginsFile)
{
    public bool Has(string name) => Events.Length > 0 && Events.Split('+').Contains(name, StringComparer.Ordinal);
}

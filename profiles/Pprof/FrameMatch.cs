using System.Text.RegularExpressions;

namespace Premortem.Profiles.Pprof;

/// <summary>What an expression finds in the functions, files and binaries of a profile; each is asked once.</summary>
internal sealed class FrameMatch(PprofProfile profile, Regex expression)
{
    private readonly sbyte[] _functions = new sbyte[profile.Functions.Length];
    private readonly sbyte[] _mappings = new sbyte[profile.Mappings.Count];

    /// <summary>Whether it finds the function by its name or file; one that is not known is never found.</summary>
    internal bool Finds(LineEntry line)
    {
        if (line.Function < 0)
            return false;
        ref var known = ref _functions[line.Function];
        if (known == 0)
        {
            var function = profile.Functions[line.Function];
            known = expression.IsMatch(profile.StringAt(function.Name)) || expression.IsMatch(profile.StringAt(function.FileName)) ? (sbyte)1 : (sbyte)-1;
        }
        return known > 0;
    }

    internal bool FindsBinary(in LocationEntry location)
    {
        if (location.Mapping < 0)
            return false;
        ref var known = ref _mappings[location.Mapping];
        if (known == 0)
            known = expression.IsMatch(Place.FileOf(profile.Mappings[location.Mapping])) ? (sbyte)1 : (sbyte)-1;
        return known > 0;
    }

    internal bool FindsAny(in LocationEntry location, ReadOnlySpan<LineEntry> lines)
    {
        foreach (var line in lines)
            if (Finds(line))
                return true;
        return FindsBinary(location);
    }
}

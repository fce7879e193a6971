namespace Premortem.Profiles.Pprof;

/// <summary>A piece of the profile's bytes.</summary>
internal readonly record struct Slice(int Start, int Length);

/// <summary>A function; its strings are numbers in the string table.</summary>
internal readonly record struct FunctionEntry(int Name, int SystemName, int FileName, long StartLine);

/// <summary>A line of a location. Function −1: not known.</summary>
internal readonly record struct LineEntry(int Function, int Line);

/// <summary>A place in the code. Mapping −1: none. The first of its lines is the innermost inlined function.</summary>
internal readonly record struct LocationEntry(ulong Address, int Mapping, int FirstLine, int LineCount);

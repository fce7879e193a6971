using System.Globalization;

namespace Premortem.Testing;

/// <summary>A server's version, without what vendors add.</summary>
public readonly record struct KubeVersion(int Major, int Minor) : IComparable<KubeVersion>
{
    /// <param name="text"><c>1.29</c>, <c>v1.29.3</c> or, as some vendors say, <c>1.29+</c>.</param>
    public static KubeVersion Parse(string text)
    {
        var parts = text.TrimStart('v').Split('.');
        return new KubeVersion(Number(parts[0]), Number(parts[1]));

        static int Number(string part) => int.Parse(string.Concat(part.TakeWhile(char.IsAsciiDigit)), CultureInfo.InvariantCulture);
    }

    public int CompareTo(KubeVersion other) => (Major, Minor).CompareTo((other.Major, other.Minor));

    public static bool operator <(KubeVersion left, KubeVersion right) => left.CompareTo(right) < 0;

    public static bool operator >(KubeVersion left, KubeVersion right) => left.CompareTo(right) > 0;

    public static bool operator <=(KubeVersion left, KubeVersion right) => left.CompareTo(right) <= 0;

    public static bool operator >=(KubeVersion left, KubeVersion right) => left.CompareTo(right) >= 0;

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Major}.{Minor}");
}

namespace Premortem.Operator;

internal static class Program
{
    private static int Main() => 1;
}

using System.CommandLine;

namespace Premortem.Cli;

/// <summary>What arguments of several verbs have in common.</summary>
internal static class Arguments
{
    /// <summary>A flag that is not known would be taken for the argument, and be a flag of kubectl's.</summary>
    internal static Argument<string> RefusingFlags(this Argument<string> argument)
    {
        argument.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: ['-', ..] flag }])
                result.AddError($"there is no flag {flag}");
        });
        return argument;
    }

    /// <summary>The same of a file, which may be called so, and for which a dash alone is standard input.</summary>
    internal static Argument<string> OfFileRefusingFlags(this Argument<string> argument)
    {
        argument.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: ['-', _, ..] flag }])
                result.AddError($"there is no flag {flag}; a file of that name is ./{flag}");
        });
        return argument;
    }
}

namespace Premortem.Runtime.Certificates;

/// <summary>What is to be done with the Secret of the authority.</summary>
internal abstract record CaDecision
{
    /// <summary>Nothing.</summary>
    internal sealed record Keep : CaDecision;

    /// <summary>Make one that signs at once.</summary>
    internal sealed record Create(string Reason) : CaDecision;

    /// <summary>Make the next one and have it trusted; the current one goes on signing.</summary>
    internal sealed record AddNext(string Reason) : CaDecision;

    /// <summary>The next one signs from now on; the current one stays trusted until it expires.</summary>
    internal sealed record UseNext(string Reason) : CaDecision;

    /// <summary>Write the bundle that it should have.</summary>
    internal sealed record WriteBundle(string Reason) : CaDecision;

    /// <param name="nextIsPublished">Whether the API server has been given the next one to trust.</param>
    public static CaDecision Decide(DateTimeOffset now, CaContent has, bool nextIsPublished, CertificateOptions options)
    {
        if (has.Current is not { } current)
            return new Create(has.Problem ?? "there is none yet");
        if (current.Until <= now)
            return has.Next is { } spare && spare.Until > now
                ? new UseNext($"the one that signs expired at {current.Until:u}")
                : new Create($"it expired at {current.Until:u}");
        if (has.Next is { } next && next.Until > now)
        {
            if (nextIsPublished && now >= next.Since + options.Overlap)
                return new UseNext($"it has been trusted for {options.Overlap}");
        }
        else if (now >= current.Since + ((current.Until - current.Since) * 2 / 3))
            return new AddNext($"two thirds of its time have passed, it expires at {current.Until:u}");
        var wanted = has.WithBundle(now).Bundle.Select(certificate => certificate.Thumbprint);
        return has.Problem is null && has.Bundle.Select(certificate => certificate.Thumbprint).SequenceEqual(wanted)
            ? new Keep()
            : new WriteBundle(has.Problem ?? "the bundle is not what it should be");
    }

    /// <summary>The content with this done. New keys are made here.</summary>
    public CaContent Apply(CaContent has, DateTimeOffset now, CertificateOptions options) => this switch
    {
        Create => (has with { Current = CertificateAuthority.Create(options.AuthorityName, now, options.AuthorityLifetime), Next = null, Problem = null }).WithBundle(now),
        AddNext => (has with { Next = CertificateAuthority.Create(options.AuthorityName, now, options.AuthorityLifetime) }).WithBundle(now),
        UseNext => (has with { Current = has.Next, Next = null, Bundle = has.Current is { } old ? [.. has.Bundle, old.Certificate] : has.Bundle }).WithBundle(now),
        WriteBundle => has.WithBundle(now),
        _ => has,
    };

    public string Why => this switch
    {
        Create create => create.Reason,
        AddNext add => add.Reason,
        UseNext use => use.Reason,
        WriteBundle write => write.Reason,
        _ => "",
    };
}

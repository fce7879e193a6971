namespace Premortem.Operator.Records;

/// <param name="Reason">One word from <see cref="RecordReasons"/>, <c>SkipReasons</c> or the contracts' <c>Reasons</c>.</param>
/// <param name="Detail">In words, with what to do about it.</param>
internal sealed record Explanation(string Reason, string Detail);

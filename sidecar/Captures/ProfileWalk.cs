namespace Premortem.Sidecar.Captures;

/// <summary>
/// Walks the top-level fields of a profile.proto message as its bytes come, keeping none of them. The message is described in
/// github.com/google/pprof, proto/profile.proto.
/// </summary>
internal sealed class ProfileWalk
{
    private const int SampleType = 1;
    private const int StringTable = 6;

    // The wire types of fields 1 to 15: V a number, L length-delimited, B either (repeated numbers, packed or not).
    private const string KnownFields = "LLLLLLVVVVLVBVV";
    private const int Varint = 0;
    private const int Fixed64 = 1;
    private const int Delimited = 2;
    private const int Fixed32 = 5;

    private State _state = State.Tag;
    private ulong _number;
    private int _shift;
    private int _field;
    private ulong _skip;
    private bool _hasSampleType;
    private bool _hasString;

    private enum State
    {
        Tag,
        Value,
        Length,
        Skip,
    }

    /// <summary>What is wrong so far; null where nothing is.</summary>
    internal string? Problem { get; private set; }

    /// <summary>What is wrong if the message ends here; null where it is whole.</summary>
    internal string? ProblemAtEnd =>
        Problem is not null ? Problem
        : _state != State.Tag || _shift != 0 ? "the profile ends in the middle of a field"
        : !_hasSampleType ? "the profile has no sample type"
        : !_hasString ? "the profile has no string table"
        : null;

    /// <returns>False where the bytes cannot be a profile.</returns>
    internal bool Feed(ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0 && Problem is null)
        {
            if (_state == State.Skip)
            {
                var count = (int)Math.Min((ulong)bytes.Length, _skip);
                bytes = bytes[count..];
                _skip -= (ulong)count;
                if (_skip == 0)
                    _state = State.Tag;
                continue;
            }
            var b = bytes[0];
            bytes = bytes[1..];
            if (_shift == 63 && b > 1)
            {
                Problem = "a number in the profile is too long";
                break;
            }
            _number |= (ulong)(b & 0x7f) << _shift;
            if ((b & 0x80) != 0)
            {
                _shift += 7;
                continue;
            }
            var number = _number;
            (_number, _shift) = (0, 0);
            Take(number);
        }
        return Problem is null;
    }

    private void Take(ulong number)
    {
        switch (_state)
        {
            case State.Tag:
                TakeTag(number);
                break;
            case State.Value:
                _state = State.Tag;
                break;
            default:
                TakeLength(number);
                break;
        }
    }

    private void TakeTag(ulong tag)
    {
        var wire = (int)(tag & 7);
        _field = tag >> 3 <= int.MaxValue ? (int)(tag >> 3) : 0;
        var known = _field >= 1 && _field <= KnownFields.Length ? KnownFields[_field - 1] : ' ';
        var fits = known switch
        {
            'L' => wire == Delimited,
            'V' => wire == Varint,
            'B' => wire is Delimited or Varint,
            // A later version may have more of them; the groups of old are in none.
            _ => _field > 0 && wire is Varint or Fixed64 or Delimited or Fixed32,
        };
        if (!fits)
        {
            Problem = $"it is no profile: field {_field} with wire type {wire}";
            return;
        }
        (_state, _skip) = wire switch
        {
            Varint => (State.Value, 0UL),
            Fixed64 => (State.Skip, 8UL),
            Fixed32 => (State.Skip, 4UL),
            _ => (State.Length, 0UL),
        };
    }

    private void TakeLength(ulong length)
    {
        _hasSampleType |= _field == SampleType;
        if (_field == StringTable && !_hasString)
        {
            _hasString = true;
            if (length != 0)
                Problem = "it is no profile: its first string is not empty";
        }
        _skip = length;
        _state = length == 0 ? State.Tag : State.Skip;
    }
}

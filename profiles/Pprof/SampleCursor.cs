using System.Runtime.InteropServices;

namespace Premortem.Profiles.Pprof;

/// <summary>
/// Walks the samples of a profile. They are decoded as they are walked, into the same few arrays, so that a profile with millions of
/// them needs no more memory than its bytes.
/// </summary>
internal sealed class SampleCursor(PprofProfile profile)
{
    private readonly List<long> _values = [];
    private readonly List<int> _locations = [];
    private int _next;

    internal ReadOnlySpan<long> Values => CollectionsMarshal.AsSpan(_values);

    /// <summary>The places of the sample's locations in <see cref="PprofProfile.Locations"/>, the innermost frame's first.</summary>
    internal ReadOnlySpan<int> Locations => CollectionsMarshal.AsSpan(_locations);

    /// <summary>How many samples have been walked.</summary>
    internal int Count => _next;

    internal bool Next()
    {
        if (_next == profile.SampleOffsets.Length)
            return false;
        _values.Clear();
        _locations.Clear();
        var message = Message(_next++);
        while (message.Next())
            switch (message.Field)
            {
                case 1 when message.WireType == ProtoReader.Bytes:
                    var ids = message.MessageOf("a sample's locations");
                    while (!ids.AtEnd)
                        AddLocation(ids.ReadVarint(), message.FieldStart);
                    break;
                case 1:
                    AddLocation(message.NumberOf("a sample's location"), message.FieldStart);
                    break;
                case 2 when message.WireType == ProtoReader.Bytes:
                    var values = message.MessageOf("a sample's values");
                    while (!values.AtEnd)
                        AddValue((long)values.ReadVarint(), message.FieldStart);
                    break;
                case 2:
                    AddValue((long)message.NumberOf("a sample's value"), message.FieldStart);
                    break;
            }
        if (_values.Count != profile.SampleTypes.Count)
            throw new ProfileFormatException(
                $"a sample has {_values.Count} values where there are {profile.SampleTypes.Count} sample types", profile.SampleOffsets[_next - 1]);
        return true;
    }

    /// <summary>The labels of the current sample, in the file's order.</summary>
    internal List<SampleLabel> Labels()
    {
        var labels = new List<SampleLabel>();
        var message = Message(_next - 1);
        while (message.Next())
        {
            if (message.Field != 3)
                continue;
            var (key, text, number, unit) = ReadLabel(message.MessageOf("a label"));
            labels.Add(new SampleLabel(profile.StringAt(key), text == 0 ? null : profile.StringAt(text), number, profile.StringAt(unit)));
        }
        return labels;
    }

    /// <summary>Reads the labels of the current sample to see whether they can be read.</summary>
    internal void CheckLabels()
    {
        var message = Message(_next - 1);
        while (message.Next())
            if (message.Field == 3)
                ReadLabel(message.MessageOf("a label"));
    }

    /// <summary>Whether the current sample has the text label.</summary>
    internal bool HasLabel(ReadOnlySpan<byte> key, ReadOnlySpan<byte> text)
    {
        var message = Message(_next - 1);
        while (message.Next())
            if (message.Field == 3)
            {
                var label = ReadLabel(message.MessageOf("a label"));
                if (profile.Utf8At(label.Key).SequenceEqual(key) && profile.Utf8At(label.Text).SequenceEqual(text))
                    return true;
            }
        return false;
    }

    private (int Key, int Text, long Number, int Unit) ReadLabel(ProtoReader message)
    {
        var (key, text, number, unit) = (0, 0, 0L, 0);
        while (message.Next())
            switch (message.Field)
            {
                case 1: key = profile.StringIndex(message, "a label's key"); break;
                case 2: text = profile.StringIndex(message, "a label's text"); break;
                case 3: number = (long)message.NumberOf("a label's number"); break;
                case 4: unit = profile.StringIndex(message, "a label's unit"); break;
            }
        return (key, text, number, unit);
    }

    private void AddLocation(ulong id, int offset)
    {
        var index = profile.LocationIds.IndexOf(id);
        if (index < 0)
            throw new ProfileFormatException($"a sample is at location {id}, which the profile does not have", offset);
        _locations.Add(index);
    }

    private void AddValue(long value, int offset)
    {
        // A sample with a million values is stopped here, not after it has been kept.
        if (_values.Count == profile.SampleTypes.Count)
            throw new ProfileFormatException($"a sample has more values than the {profile.SampleTypes.Count} sample types", offset);
        _values.Add(value);
    }

    private ProtoReader Message(int sample)
    {
        var field = new ProtoReader(profile.Data, profile.SampleOffsets[sample], profile.Data.Length - profile.SampleOffsets[sample]);
        field.Next();
        return field.MessageOf("a sample");
    }
}

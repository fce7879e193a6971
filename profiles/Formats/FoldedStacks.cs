using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Premortem.Profiles.Pprof;

namespace Premortem.Profiles.Formats;

/// <summary>
/// Folded stacks, which flamegraph.pl, speedscope and others read: a line for each stack, its frames from the outermost on with semicolons
/// between them, a blank and the value. A semicolon in a name becomes a colon.
/// </summary>
public static class FoldedStacks
{
    /// <summary>Writes those of one sample type.</summary>
    /// <exception cref="ArgumentException">An option does not fit the profile, or a value is negative, as in differences.</exception>
    public static void Write(PprofProfile profile, TextWriter writer, TopOptions? options = null)
    {
        options ??= new TopOptions();
        var samples = new ShownSamples(profile, options);
        var names = new FrameNames(samples, options);
        // Each stack by that of its caller, so that stacks that begin alike share it.
        var numbers = new Dictionary<(int Caller, int Name), int>();
        var stacks = new List<(int Caller, int Name, long Value)> { (0, 0, 0) };
        var frames = new List<int>();
        while (samples.Next())
        {
            if (samples.Value == 0)
                continue;
            names.Read(frames);
            var stack = 0;
            foreach (var frame in frames)
            {
                ref var number = ref CollectionsMarshal.GetValueRefOrAddDefault(numbers, (stack, frame), out var isKnown);
                if (!isKnown)
                {
                    number = stacks.Count;
                    stacks.Add((stack, frame, 0));
                }
                stack = number;
            }
            ref var last = ref CollectionsMarshal.AsSpan(stacks)[stack];
            last.Value = unchecked(last.Value + samples.Value);
        }
        if (stacks.Exists(stack => stack.Value < 0))
            throw new ArgumentException("folded stacks cannot say that something has become less; 'premortem diff' can");
        var folded = names.All.Select(name => name.Replace(';', ':')).ToList();
        var line = new StringBuilder();
        for (var i = 1; i < stacks.Count; i++)
        {
            if (stacks[i].Value == 0)
                continue;
            frames.Clear();
            for (var stack = i; stack != 0; stack = stacks[stack].Caller)
                frames.Add(stacks[stack].Name);
            line.Clear();
            for (var frame = frames.Count - 1; frame >= 0; frame--)
                line.Append(folded[frames[frame]]).Append(frame > 0 ? ';' : ' ');
            writer.Write(line.Append(CultureInfo.InvariantCulture, $"{stacks[i].Value}\n"));
        }
    }
}

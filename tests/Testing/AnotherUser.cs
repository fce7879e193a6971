using System.Runtime.ExceptionServices;

namespace Premortem.Testing;

/// <summary>Runs code that may not read what root's processes keep to themselves. Needs root, which a test usually is.</summary>
public static class AnotherUser
{
    private const int Nobody = 65534;

    public static T Runs<T>(Func<T> code)
    {
        Need.Part(Environment.UserName == "root", "only root can step down to another user");
        T result = default!;
        ExceptionDispatchInfo? failure = null;
        // The file system's user is a thread's own, and so is this thread.
        var thread = new Thread(() =>
        {
            _ = Native.SetFileSystemUser(Nobody);
            try
            {
                result = code();
            }
            catch (Exception e)
            {
                failure = ExceptionDispatchInfo.Capture(e);
            }
        });
        thread.Start();
        thread.Join();
        failure?.Throw();
        return result;
    }
}

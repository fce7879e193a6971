using System.Diagnostics;
using System.Net;
using k8s;
using k8s.Autorest;
using Xunit;

namespace Premortem.EndToEnd.Tests;

/// <summary>Looks at a namespace's pods and captures until they are what a story waits for, and says what they were where they never are.</summary>
public sealed class PodWatcher(Cluster cluster, string ns)
{
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(200);

    public async Task<IReadOnlyList<PodView>> PodsAsync(string? app = null) =>
        [.. (await cluster.Client.CoreV1.ListNamespacedPodAsync(ns, labelSelector: app is null ? null : $"app={app}")).Items
            .Select(pod => new PodView(pod))
            .OrderBy(pod => pod.Name, StringComparer.Ordinal)];

    public async Task<IReadOnlyList<CaptureView>> CapturesAsync(string? pod = null)
    {
        var list = await cluster.Client.CustomObjects.ListNamespacedCustomObjectAsync<CaptureList>("premortem.dev", "v1alpha1", ns, "profilecaptures");
        return [.. list.Items.Select(item => new CaptureView(item)).Where(capture => pod is null || capture.Pod == pod).OrderBy(capture => capture.StartedAt)];
    }

    /// <summary>Waits until the pods of an app are as asked, all of them or one, as the condition says.</summary>
    public Task<IReadOnlyList<PodView>> UntilPodsAsync(string? app, Func<IReadOnlyList<PodView>, bool> condition, string what, TimeSpan? timeout = null) =>
        UntilAsync(() => PodsAsync(app), condition, what, timeout);

    /// <summary>Waits until one pod of an app is as asked.</summary>
    public async Task<PodView> UntilPodAsync(string app, Func<PodView, bool> condition, string what, TimeSpan? timeout = null) =>
        (await UntilPodsAsync(app, pods => pods.Any(condition), what, timeout)).First(condition);

    public Task<PodView> UntilRunningAsync(string app, string container = "app", TimeSpan? timeout = null) =>
        UntilPodAsync(app, pod => !pod.IsDeleting && pod.IsRunning(container), $"container {container} of {app} runs", timeout);

    public Task<PodView> UntilOomKilledAsync(string app, string container = "app", TimeSpan? timeout = null) =>
        UntilPodAsync(app, pod => pod.WasOomKilled(container), $"container {container} of {app} is OOMKilled", timeout);

    public Task<PodView> UntilRestartedAsync(string app, int restarts, string container = "app", TimeSpan? timeout = null) =>
        UntilPodAsync(app, pod => pod.Restarts(container) >= restarts && pod.IsRunning(container), $"container {container} of {app} runs again after {restarts} restarts", timeout);

    /// <summary>Waits until a pod has a capture that is over and as asked.</summary>
    /// <param name="pod">null: any.</param>
    public async Task<CaptureView> UntilCaptureAsync(string? pod, Func<CaptureView, bool> condition, string what, TimeSpan? timeout = null)
    {
        return (await UntilCapturesAsync(pod, captures => captures.Any(Fits), what, timeout)).First(Fits);

        bool Fits(CaptureView capture) => capture.IsOver && condition(capture);
    }

    public Task<IReadOnlyList<CaptureView>> UntilCapturesAsync(string? pod, Func<IReadOnlyList<CaptureView>, bool> condition, string what, TimeSpan? timeout = null) =>
        UntilAsync(() => CapturesAsync(pod), condition, what, timeout);

    private static async Task<IReadOnlyList<T>> UntilAsync<T>(Func<Task<IReadOnlyList<T>>> ask, Func<IReadOnlyList<T>, bool> condition, string what, TimeSpan? timeout)
    {
        var within = timeout ?? TimeSpan.FromSeconds(90);
        var clock = Stopwatch.StartNew();
        while (true)
        {
            string last;
            try
            {
                var found = await ask();
                if (condition(found))
                    return found;
                last = found.Count == 0 ? "there is none" : string.Join('\n', found);
            }
            catch (Exception e) when (e is HttpRequestException or HttpOperationException { Response.StatusCode: >= HttpStatusCode.InternalServerError or HttpStatusCode.NotFound } or IOException)
            {
                last = e.Message;
            }
            if (clock.Elapsed > within)
                Assert.Fail($"{what}: not within {within.TotalSeconds:0.#} s; last:\n{last}");
            await Task.Delay(s_pause, TimeProvider.System);
        }
    }
}

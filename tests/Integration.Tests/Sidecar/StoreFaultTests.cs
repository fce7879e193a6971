using Premortem.Contracts;
using Premortem.Testing;
using Xunit;

namespace Premortem.Integration.Tests.Sidecar;

/// <summary>The sidecar and a real S3 server, in good times and bad. What is in the bucket is read back and compared.</summary>
public sealed class StoreFaultTests
{
    private const string Never = "[{name: never, memoryUsage: {threshold: 1Ti}}]";

    [Fact]
    public async Task The_whole_story_ends_in_the_bucket()
    {
        await using var bucket = await S3Server.NewBucketAsync();
        using var ground = Ground(bucket, bucket.Server.Endpoint, "[{name: near-limit, memoryUsage: {threshold: 50%}}]");
        using var cgroup = MemoryCgroup.Create(128 << 20);
        await using var sidecar = Start(ground, bucket, ["--cgroup", cgroup.Path]);
        await using var leak = await GoLeak.StartAsync(cgroup.Path, flags: ["-rate", "60", "-delay", "500ms"]);
        await leak.Process.WaitForExitAsync();
        await sidecar.WaitForAsync(601);
        Assert.Equal(0, await sidecar.StopAsync());
        var capture = await ReadBackAsync(bucket, ground);
        Assert.Equal(CaptureOutcome.OOMKilled, capture.Record.Outcome);
        Assert.Contains("main.MemoryIntensiveFunc", await Pprof.TopAsync(capture.PathOf("heap.pb.gz")));
        Assert.StartsWith($"prod/{capture.Record.Folder}", (await bucket.KeysAsync())[0]);
    }

    [Theory]
    [InlineData("down", Reasons.StoreUnreachable)]
    [InlineData("503", Reasons.StoreUnreachable)]
    [InlineData("cut", Reasons.StoreUnreachable)]
    [InlineData("slow", null)]
    public async Task What_the_network_does_not_let_through_waits_in_the_spool_and_is_stored_when_it_is_back(string fault, string? reason)
    {
        await using var bucket = await S3Server.NewBucketAsync();
        await using var proxy = FaultProxy.Before(bucket.Server.Endpoint);
        using var ground = Ground(bucket, proxy.Endpoint);
        await using var target = await GoLeak.StartAsync(flags: ["-mode", "hold", "-size", "20", "-goroutines", "200"]);
        await using var sidecar = Start(ground, bucket, ["--pid", $"{target.Process.Id}"]);
        await sidecar.ReadyAsync();
        switch (fault)
        {
            case "down":
                await proxy.GoDownAsync();
                break;
            case "503":
                proxy.AnswerUnavailable(int.MaxValue);
                break;
            case "cut":
                proxy.CutBodies(int.MaxValue, 100);
                break;
            case "slow":
                proxy.Slow(4_000);
                break;
        }
        sidecar.Signal(SidecarProcess.SigUsr1);
        await sidecar.WaitForAsync(500, line => line["Type"] == "Process");
        if (reason is not null)
        {
            await sidecar.WaitForAsync(602, timeout: TimeSpan.FromSeconds(60));
            Assert.Equal(1, ground.Waiting);
            Assert.Empty(await bucket.KeysAsync());
        }
        switch (fault)
        {
            case "down":
                proxy.ComeBack();
                break;
            case "503":
                proxy.AnswerUnavailable(0);
                break;
            case "cut":
                proxy.CutBodies(0, 0);
                break;
        }
        Assert.Equal(0, await sidecar.StopAsync());
        Assert.Equal(0, ground.Waiting);
        Assert.Equal(CapturePhase.Completed, (await ReadBackAsync(bucket, ground)).Record.Phase);
        Assert.Empty(await bucket.UnfinishedAsync());
    }

    [Fact]
    public async Task An_outage_that_outlives_the_sidecar_and_the_target_loses_nothing()
    {
        await using var bucket = await S3Server.NewBucketAsync();
        await using var proxy = FaultProxy.Before(bucket.Server.Endpoint);
        using var ground = Ground(bucket, proxy.Endpoint);
        await proxy.GoDownAsync();
        await using (var target = await GoLeak.StartAsync(flags: ["-mode", "hold", "-size", "20"]))
        {
            await using var first = Start(ground, bucket, ["--pid", $"{target.Process.Id}", "--grace-period", "2s"]);
            await first.ReadyAsync();
            first.Signal(SidecarProcess.SigUsr1);
            await first.WaitForAsync(500, line => line["Type"] == "Process");
            target.Process.Signal(SidecarProcess.SigKill);
            Assert.Equal(5, await first.ExitAsync());
        }
        // The next one watches something else, and takes over what is there.
        await using var next = ChildProcess.Start("sleep", ["120"]);
        await using var second = Start(ground, bucket, ["--pid", $"{next.Id}"]);
        await Eventually.IsTrue(() => second.Events(602).Count >= 3, "retries", TimeSpan.FromSeconds(60));
        proxy.ComeBack();
        await second.WaitForAsync(601, timeout: TimeSpan.FromSeconds(60));
        Assert.Equal(0, await second.StopAsync());
        var capture = await ReadBackAsync(bucket, ground);
        Assert.Equal(CaptureOutcome.Exited, capture.Record.Outcome);
    }

    [Theory]
    [InlineData("wrong key", Reasons.AccessDenied)]
    [InlineData("no bucket", Reasons.BucketNotFound)]
    public async Task What_the_server_refuses_is_said_and_kept_until_somebody_mends_it(string fault, string reason)
    {
        await using var bucket = await S3Server.NewBucketAsync();
        using var ground = Ground(bucket, bucket.Server.Endpoint);
        await using var target = await GoLeak.StartAsync(flags: ["-mode", "hold", "-size", "20"]);
        if (fault == "no bucket")
            ground.WritePolicy(Never, storage: Storage("premortem-nowhere", bucket.Server.Endpoint));
        await using (var sidecar = Start(ground, bucket, ["--pid", $"{target.Process.Id}", "--grace-period", "2s"], fault == "wrong key" ? "wrong" : null))
        {
            await sidecar.ReadyAsync();
            sidecar.Signal(SidecarProcess.SigUsr1);
            Assert.Equal(reason, (await sidecar.WaitForAsync(602))["Reason"]);
            await sidecar.WaitForAsync(500, line => line["Type"] == "Process");
            Assert.Equal(5, await sidecar.StopAsync());
            Assert.DoesNotContain(bucket.Server.SecretKey, sidecar.Output);
        }
        ground.WritePolicy(Never, storage: Storage(bucket.Name, bucket.Server.Endpoint));
        await using var mended = Start(ground, bucket, ["--pid", $"{target.Process.Id}"]);
        await mended.WaitForAsync(601);
        Assert.Equal(0, await mended.StopAsync());
        await ReadBackAsync(bucket, ground);
    }

    private static SidecarGround Ground(TestBucket bucket, Uri endpoint, string triggers = Never) =>
        new(triggers, storage: Storage(bucket.Name, endpoint));

    private static string Storage(string bucket, Uri endpoint) =>
        $"{{s3: {{bucket: {bucket}, prefix: prod, region: {S3Server.Region}, endpoint: '{endpoint}', forcePathStyle: true}}}}";

    private static SidecarProcess Start(SidecarGround ground, TestBucket bucket, string[] arguments, string? secret = null) =>
        SidecarProcess.Start(ground, arguments, environment: new Dictionary<string, string?>
        {
            ["AWS_ACCESS_KEY_ID"] = bucket.Server.AccessKey,
            ["AWS_SECRET_ACCESS_KEY"] = secret ?? bucket.Server.SecretKey,
        });

    /// <summary>Reads everything in the bucket back, and holds it against the only manifest in it.</summary>
    private static async Task<StoredCapture> ReadBackAsync(TestBucket bucket, SidecarGround ground)
    {
        foreach (var key in await bucket.KeysAsync())
        {
            using var response = await bucket.Client.GetObjectAsync(bucket.Name, key);
            var path = Path.Combine(ground.Store, key);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            await using var file = File.Create(path);
            await response.ResponseStream.CopyToAsync(file);
        }
        return await ground.StoredAsync();
    }
}

# In the guest: go-leak writes a file larger than its v2 cgroup of 128 MiB; what the kernel says meanwhile goes to /out/page-cache.
set -eu
cgroup=/sys/fs/cgroup/writer
mkdir "$cgroup" /out/page-cache
echo $((128 << 20)) > "$cgroup/memory.max"
sh -c "echo \$\$ > $cgroup/cgroup.procs && exec /bin/go-leak -mode pagecache -file /disk/file -size 200" &
pid=$!

while kill -0 $pid && [ "$(cat $cgroup/memory.current)" -lt $((120 << 20)) ]; do sleep 0.05; done
kill -STOP $pid
for file in memory.stat memory.current memory.max memory.events memory.pressure; do cat $cgroup/$file > /out/page-cache/$file; done
kill -KILL $pid

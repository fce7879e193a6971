# In the guest: lets go-leak die in a v2 cgroup of 128 MiB and keeps what the kernel had to say before (/out/before) and after.
set -eu
cgroup=/sys/fs/cgroup/leak

record() {
    mkdir -p "/out/$1"
    for file in "$cgroup"/memory.* "$cgroup"/cgroup.events "$cgroup"/cgroup.procs; do
        # The one can only be written, the other is long and of no use here.
        case $file in *.reclaim | *.numa_stat) continue ;; esac
        cat "$file" > "/out/$1/$(basename "$file")"
    done
}

mkdir "$cgroup"
echo $((128 << 20)) > "$cgroup/memory.max"
sh -c "echo \$\$ > $cgroup/cgroup.procs && exec /bin/go-leak -rate 20" &
pid=$!

while kill -0 $pid && [ "$(cat $cgroup/memory.current)" -lt $((64 << 20)) ]; do sleep 0.1; done
kill -STOP $pid
record before
for file in cgroup mountinfo; do cat /proc/$pid/$file > /out/before/$file; done
kill -CONT $pid

status=0
wait $pid || status=$?
record after
echo $status > /out/after/exit-code

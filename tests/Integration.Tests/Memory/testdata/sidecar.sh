# In the guest: go-leak dies in a v2 cgroup of 128 MiB while the sidecar, in a cgroup of its own, watches. Leaves the store in /out/store.
set -eu
leak=/sys/fs/cgroup/leak
sidecar=/sys/fs/cgroup/sidecar
mkdir $leak $sidecar /out/store /disk/spool
echo $((128 << 20)) > $leak/memory.max
# As the kubelet does.
echo 1 > $leak/memory.oom.group

cat > /tmp/policy.yaml <<'END'
apiVersion: premortem.dev/v1alpha1
kind: ProfilePolicy
metadata: {name: v2}
spec:
  triggers:
    # Early: the emulated processor is some ten times slower than the leak's pace is made for.
    - {name: near-limit, memoryUsage: {threshold: 60%}}
  captures:
    - {type: Heap}
    - {type: Process}
  storage:
    directory: {path: /out/store}
END

# For use with &: the program keeps the pid that $! gives.
inside() { exec sh -c 'echo $$ > "$0/cgroup.procs" && exec "$@"' "$@"; }

inside $sidecar /bin/premortem-sidecar run --policy /tmp/policy.yaml --cgroup $leak --spool /disk/spool &
sidecar_pid=$!
inside $leak /bin/go-leak -rate 20 -delay 3s &
leak_pid=$!

status=0
wait $leak_pid || status=$?
echo $status > /out/leak-exit-code
cat $leak/memory.events

# The manifest is stored last. 60 s, which no sound run needs.
tries=600
until find /out/store -name manifest.json | grep -q .; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] && kill -0 $sidecar_pid || { echo "no manifest was stored"; find /out/store /disk/spool; exit 1; }
    sleep 0.1
done
cat $sidecar/memory.peak > /out/sidecar-memory.peak

kill -TERM $sidecar_pid
status=0
wait $sidecar_pid || status=$?
echo $status > /out/sidecar-exit-code

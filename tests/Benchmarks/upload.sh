#!/bin/bash
#
# How long the sidecar's store takes for one file, against `rclone copyto` to the same server: A B A B …, the medians and their ratio.
#
#   tests/Benchmarks/upload.sh [ROUNDS] [MEBIBYTES]      default: 5 rounds of 512 MiB
#
# The server is TEST_S3_ENDPOINT's, else that of tests/s3/s3. Needs rclone, and the .NET SDK to build the program once.
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=${1:-5} mebibytes=${2:-512}

command -v rclone >/dev/null || { echo "upload.sh: needs rclone: apt-get install rclone" >&2; exit 1; }
[[ -n ${TEST_S3_ENDPOINT:-} ]] || eval "$(tests/s3/s3 up)"
dotnet publish tests/Benchmarks/UploadBench -c Release -v quiet --nologo
program=artifacts/publish/Premortem.UploadBench/release/Premortem.UploadBench

work=$(mktemp -d)
bucket=bench-upload-$RANDOM$RANDOM
# rclone refuses to start with AWS_CA_BUNDLE set.
unset AWS_CA_BUNDLE
export RCLONE_CONFIG_SERVER_TYPE=s3 RCLONE_CONFIG_SERVER_PROVIDER=Ceph RCLONE_CONFIG_SERVER_ENV_AUTH=true \
    RCLONE_CONFIG_SERVER_ENDPOINT=$TEST_S3_ENDPOINT RCLONE_CONFIG=/dev/null
trap 'rclone -q purge "server:$bucket" || true; rm -rf "$work"' EXIT
rclone -q mkdir "server:$bucket"
head -c $((mebibytes * 1024 * 1024)) /dev/urandom >"$work/file"
cat "$work/file" >/dev/null # both find it in the page cache

median() { sort -n | awk '{v[NR] = $1} END {print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2}'; }

printf '%-6s %12s %12s %14s %14s\n' round store/s rclone/s store/peak-MiB rclone/peak-MiB
for ((round = 1; round <= rounds; round++)); do
    said=$("$program" "$work/file" "$bucket" "store-$round")
    [[ $said =~ seconds=([0-9.]+)\ peak_rss_kib=([0-9]+) ]]
    ours=${BASH_REMATCH[1]} our_peak=${BASH_REMATCH[2]}
    # TIMEFORMAT alone would not tell the peak: rclone's own process is asked while it runs.
    begin=$EPOCHREALTIME
    rclone -q copyto "$work/file" "server:$bucket/rclone-$round" &
    their_peak=0
    while kill -0 $! 2>/dev/null; do
        now=$(awk '/VmHWM/ {print $2}' /proc/$!/status 2>/dev/null || true)
        ((${now:-0} <= their_peak)) || their_peak=$now
        sleep 0.05
    done
    wait $!
    theirs=$(awk "BEGIN {print $EPOCHREALTIME - $begin}")
    echo "$ours" >>"$work/ours"
    echo "$theirs" >>"$work/theirs"
    echo "$our_peak" >>"$work/our_peak"
    printf '%-6s %12.2f %12.2f %14.1f %14.1f\n' $round "$ours" "$theirs" "$(awk "BEGIN {print $our_peak / 1024}")" "$(awk "BEGIN {print $their_peak / 1024}")"
    # What was fast has to be right as well.
    rclone -q cat "server:$bucket/store-$round" | cmp - "$work/file"
    rclone -q delete "server:$bucket"
done
a=$(median <"$work/ours") b=$(median <"$work/theirs")
awk "BEGIN {printf \"median: store %.2f s (%.0f MB/s), rclone %.2f s (%.0f MB/s), ratio %.2f; store's peak %.1f MiB\n\", \
    $a, $mebibytes * 1.048576 / $a, $b, $mebibytes * 1.048576 / $b, $a / $b, $(sort -n "$work/our_peak" | tail -1) / 1024}"

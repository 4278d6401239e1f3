#!/usr/bin/env bash
# Builds the image and runs the example in it, alone and as a folder, as a user nobody knows, without a home, with
# a read-only root, no network and 64 MB of shared memory: docker/test.sh [BUILD OPTIONS]. Uses Docker where an engine
# answers, else buildah, as root.
set -euo pipefail

checkout=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
out=$(mktemp --directory)
trap 'rm -rf "$out"' EXIT
chown 12345:12345 "$out" 2>/dev/null || chmod 777 "$out"

build_with_docker() { docker build --tag glomspike:test "$@" "$checkout"; }

run_with_docker() {
    docker run --rm --user 12345:12345 --read-only --network none --shm-size 64m \
        --volume "$checkout/examples:/examples:ro" --volume "$out:/out" glomspike:test "$@"
}

build_with_buildah() {
    buildah build --layers --isolation chroot --tag glomspike:test "$@" "$checkout"
    container=$(buildah from --pull-never glomspike:test)
    root=$(buildah mount "$container")
    trap 'buildah rm "$container" >/dev/null; rm -rf "$out"' EXIT
    mapfile -t variables < <(buildah inspect --format '{{range .OCIv1.Config.Env}}{{println .}}{{end}}' "$container" | sed '/^$/d')
    mkdir -p "$root/examples" "$root/out"
}

# buildah's own `run` has no read-only root, so the image is entered by namespaces and chroot.
run_with_buildah() {
    # shellcheck disable=SC2016  # the inner shell expands these
    unshare --mount --net --pid --fork bash -euc '
        root=$1 examples=$2 out=$3
        shift 3
        mount --bind "$root" "$root"
        mount --bind -o ro "$examples" "$root/examples"
        mount --bind "$out" "$root/out"
        mount -t proc proc "$root/proc"
        mount --rbind /dev "$root/dev"
        mount -t tmpfs -o size=64m,mode=1777 tmpfs "$root/dev/shm"
        mount -o remount,ro,bind "$root"
        cd /
        umask 027
        exec env -i "$@"
    ' - "$root" "$checkout/examples" "$out" "${variables[@]}" chroot --userspec=12345:12345 "$root" glomspike "$@"
}

if docker info >/dev/null 2>&1; then engine=docker; else engine=buildah; fi
"build_with_$engine" "$@"
"run_with_$engine" /examples/phantom.svs /out/one --device cpu
"run_with_$engine" /examples /out/folder --device cpu --workers 1
for file in one/phantom/run.json one/phantom/phantom.xml folder/phantom/run.json folder/summary.csv folder/index.html; do
    test -s "$out/$file"
    test "$(stat --format %u:%g "$out/$file")" = 12345:12345
done
test "$engine" = docker || test "$(stat --format %a "$out/one/phantom/run.json")" = 640  # the umask is kept
for arguments in "/elsewhere/slide.svs /out" "/examples/phantom.svs /elsewhere"; do
    # shellcheck disable=SC2086  # two words
    said=$("run_with_$engine" $arguments 2>&1 || true)
    [[ $said == *"add -v /elsewhere:/elsewhere to docker run"* ]]
done
echo "docker/test.sh: the image works"

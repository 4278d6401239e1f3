#!/usr/bin/env bash
# Builds the image and runs the example in it as a user nobody knows, with a read-only root, no network and
# 64 MB of shared memory: docker/test.sh [BUILD OPTIONS]. Uses Docker where an engine answers, else buildah, as root.
set -euo pipefail

checkout=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
out=$(mktemp --directory)
trap 'rm -rf "$out"' EXIT
chown 12345:12345 "$out" 2>/dev/null || chmod 777 "$out"

run_with_docker() {
    docker build --tag glomspike:test "$@" "$checkout"
    docker run --rm --user 12345:12345 --read-only --network none --shm-size 64m \
        --volume "$checkout/examples:/examples:ro" --volume "$out:/out" \
        glomspike:test /examples/phantom.svs /out --device cpu
}

# buildah's own `run` has no read-only root, so the image is entered by namespaces and chroot.
run_with_buildah() {
    local container root variables
    buildah build --layers --isolation chroot --tag glomspike:test "$@" "$checkout"
    container=$(buildah from --pull-never glomspike:test)
    root=$(buildah mount "$container")
    mapfile -t variables < <(buildah inspect --format '{{range .OCIv1.Config.Env}}{{println .}}{{end}}' "$container" | sed '/^$/d')
    mkdir -p "$root/examples" "$root/out"
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
        exec env -i "$@"
    ' - "$root" "$checkout/examples" "$out" "${variables[@]}" \
        chroot --userspec=12345:12345 "$root" glomspike /examples/phantom.svs /out --device cpu
    buildah rm "$container" >/dev/null
}

if docker info >/dev/null 2>&1; then run_with_docker "$@"; else run_with_buildah "$@"; fi
test -s "$out/phantom/run.json"
test -s "$out/phantom/phantom.xml"
echo "docker/test.sh: the image works"

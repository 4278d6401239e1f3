# shellcheck shell=bash
# glomspike in a Docker container that sees just the paths it is given, by their own names: sourced by run.sh.

commands=" run crops cases review samples train pretrain augment evaluate phantom weights doctor "
flags=" --overwrite --no-browser --mirrored --dicom --from-scratch --linear-probe --by-lesion --no-auxiliary --help --version "  # options without a value; of `weights`, --json is one too
declare -A mounts=()                    # path -> "readonly" or "writable"

# run_in_container CHECKOUT ARGUMENTS...: replaces this process with glomspike in a container, building the
# image where there is none of this state of the checkout.
run_in_container() {
    local checkout=$1 image options path port
    shift
    cd -P . || exit
    _find_paths "$@"
    image=$(_image_name "$checkout")
    if ! docker image inspect "$image" >/dev/null 2>&1; then
        echo "glomspike: building the image $image (once: some minutes, about 5 GB)" >&2
        docker build --tag "$image" --tag glomspike "$checkout" >&2
    fi
    options=(--rm --init --workdir "$PWD" --env GLOMSPIKE_CONTAINER=)
    if [ "${1-}" = review ]; then
        port=$(_port "$@")
        options+=(--publish "127.0.0.1:$port:$port") # for this machine's browser, and for nobody else
    else
        options+=(--network none)
    fi
    for path in "${!mounts[@]}"; do
        options+=(--mount "$(_mount "$path" "${mounts[$path]}")")
    done
    _add_user_and_gpu
    if [ -t 0 ] && [ -t 1 ] && [ -t 2 ]; then options+=(--tty); fi
    exec docker run "${options[@]}" "$image" "$@"
}

# Fills `mounts` from the command line: what is written to writable, all else that exists read-only.
_find_paths() {
    local command=run positional=0 argument input=
    if [[ $commands == *" ${1-} "* ]]; then command=$1 && shift; fi
    if [ "$command" = doctor ] && [ $# = 0 ]; then _see "$PWD" writable; fi
    while [ $# -gt 0 ]; do
        argument=$1
        shift
        case $command:$argument in
            *:--out=*) _make_folder "${argument#*=}" ;;
            *:--out) if [ $# -gt 0 ]; then _make_folder "$1" && shift; fi ;;
            run:--stage=*) _see "${argument#*=}" writable ;;
            run:--stage) if [ $# -gt 0 ]; then _see "$1" writable && shift; fi ;;
            evaluate:--json=* | evaluate:--worst=*) _make_folder "$(dirname -- "${argument#*=}")" ;;
            evaluate:--json | evaluate:--worst) if [ $# -gt 0 ]; then _make_folder "$(dirname -- "$1")" && shift; fi ;;
            weights:--json) ;;
            *:--*=*) _see "${argument#*=}" readonly ;;
            *:--*) if [[ $flags != *" $argument "* ]] && [ $# -gt 0 ]; then _see "$1" readonly && shift; fi ;;
            *)
                positional=$((positional + 1))
                case $command:$positional in
                    run:2 | crops:2 | cases:2) if [ -e "$input" ]; then _make_folder "$argument"; fi ;;
                    doctor:1 | review:1) _see "$argument" writable ;;
                    *) input=$argument && _see "$argument" readonly ;;
                esac
                ;;
        esac
    done
}

# Prints the port of the arguments of `review`: that of --port, else the usual one.
_port() {
    local port=8765
    while [ $# -gt 0 ]; do
        case $1 in
            --port=*) port=${1#*=} ;;
            --port) port=${2-$port} ;;
        esac
        shift
    done
    echo "$port"
}

# Mounts an existing path; of a file its folder, since cards and many slides' other files lie beside it.
_see() {
    local path real
    [ -e "$1" ] || return 0
    path=$(realpath --no-symlinks -- "$1")
    real=$(realpath -- "$1")
    if [ ! -d "$path" ]; then
        if [ "$path" != "$real" ]; then _see "$real" "$2"; fi
        if [ "$(dirname "$path")" != / ]; then path=$(dirname "$path"); fi
    fi
    if [ "${mounts[$path]-}" != writable ]; then mounts[$path]=$2; fi
}

_make_folder() {
    if ! mkdir -p -- "$1" 2>/dev/null; then
        echo "glomspike: $1: this folder cannot be created; choose another, or fix its parent's permissions" >&2
        exit 1
    fi
    _see "$1" writable
}

# Docker reads --mount as a line of CSV: fields are quoted, so that paths may hold commas and quotes.
_mount() {
    local field=${1//\"/\"\"} mode=
    if [ "$2" = readonly ]; then mode=,readonly; fi
    printf 'type=bind,"source=%s","target=%s"%s' "$field" "$field" "$mode"
}

_add_user_and_gpu() {
    local engine
    engine=$(docker info --format '{{json .SecurityOptions}} {{json .Runtimes}}' 2>/dev/null || true)
    # A rootless engine's root is the caller; with other engines files shall belong to the caller, too.
    if [[ $engine != *name=rootless* ]]; then options+=(--user "$(id -u):$(id -g)"); fi
    if ! nvidia-smi >/dev/null 2>&1; then return; fi
    if [[ $engine == *nvidia* ]]; then
        options+=(--gpus all)
    else
        echo "glomspike: Docker cannot use this machine's GPU; install the NVIDIA Container Toolkit to change that" >&2
    fi
}

# An image's name tells the state of the files it is made from, so that a changed checkout gets a new one.
_image_name() {
    local state
    state=$(cd "$1" && find Dockerfile .dockerignore README.md LICENSE docker/libraries.sh pyproject.toml requirements.lock \
        glomspike weights -type f ! -path '*/__pycache__/*' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum)
    echo "glomspike:${state:0:12}"
}

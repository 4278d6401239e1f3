#!/bin/sh
# Installs into an environment what glomspike needs, and removes what it never loads:
# docker/libraries.sh VENV LOCK [INDEX]. With INDEX, a package index that has PyTorch built without CUDA, PyTorch
# comes from there, in the version of the lock file, and all that is only for GPUs stays away.
set -eu

venv=$1 lock=$2 index=${3-}
only_for_gpus='^(torch|torchvision|triton|nvidia-[a-z0-9-]+|cuda-[a-z]+)=='
pip="$venv/bin/pip install --no-cache-dir --only-binary :all:"

if [ -n "$index" ]; then
    # shellcheck disable=SC2046  # one word for each pin
    $pip --no-deps --index-url "$index" $(grep -oE '^(torch|torchvision)==[^ ;]+' "$lock")
    awk -v drop="$only_for_gpus" '/^[^ #]/ { dropped = ($0 ~ drop) } !dropped' "$lock" >"$lock.cpu"
    lock=$lock.cpu
fi
$pip --no-deps --require-hashes --requirement "$lock"

cd "$venv"/lib/python3*/site-packages
# Triton compiles networks while they train (torch.compile), which glomspike does not do. Of CUDA: headers, static
# libraries, profilers, several GPUs for one equation, and GPUs that share memory over a network.
rm -rf triton triton-*.dist-info torch/include
find torch/bin -type f ! -name torch_shm_manager -delete
find nvidia -name include -prune -exec rm -rf {} + 2>/dev/null || true
find nvidia \( -name '*.a' -o -name 'libcusolverMg*' -o -name 'libnvperf*' -o -name 'libcheckpoint*' \
    -o -name 'libpcsamplingutil*' -o -name 'nvshmem_transport*' -o -name 'nvshmem_bootstrap*' \) -delete 2>/dev/null || true
# Of MapProxy, a map server, only the copy of OpenLayers in it is used: the page of `glomspike review` draws with it.
find mapproxy -type f ! -path '*/demo/static/ol.*' ! -path 'mapproxy/__init__.py' -delete
find mapproxy -type d -empty -delete
for package in scipy sklearn sympy networkx matplotlib; do
    find "$package" -type d -name tests -prune -exec rm -rf {} +
done

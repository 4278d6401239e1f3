# glomspike with its weights: docker build -t glomspike . && docker run --rm glomspike --help
# Any Debian bookworm will do as the base: --build-arg BASE_IMAGE=registry.example/debian:bookworm-slim
# Smaller, for machines without a GPU: --build-arg TORCH_INDEX=URL of an index with PyTorch built without CUDA
ARG BASE_IMAGE=debian:bookworm-slim

FROM ${BASE_IMAGE} AS python
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3.11-minimal python3.11 libstdc++6 \
    && rm -rf /var/lib/apt/lists/*

# What glomspike needs, exactly as pinned. Not below /opt, /srv or /data, where people mount their slides.
FROM python AS libraries
RUN apt-get update && apt-get install --yes --no-install-recommends python3.11-venv ca-certificates
RUN python3.11 -m venv /usr/lib/glomspike
ARG LOCK=requirements.lock
ARG TORCH_INDEX=
COPY ${LOCK} docker/libraries.sh /build/
RUN /build/libraries.sh /usr/lib/glomspike "/build/${LOCK}" "${TORCH_INDEX}"

# glomspike itself and its weights, apart from the libraries: a change of code makes a small layer.
FROM libraries AS package
COPY pyproject.toml README.md LICENSE /build/
COPY glomspike /build/glomspike
COPY weights /build/weights
RUN /usr/lib/glomspike/bin/pip install --no-index --no-deps --no-build-isolation --root /package /build

FROM python
COPY --from=libraries /usr/lib/glomspike /usr/lib/glomspike
COPY --from=package /package/usr/lib/glomspike /usr/lib/glomspike
# Libraries that want a home, a cache or a user's name get them with any --user and a read-only root:
# /dev/shm can always be written, and holds nothing but settings and fonts' lists here.
ENV PATH=/usr/lib/glomspike/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/dev/shm \
    TMPDIR=/dev/shm \
    USER=glomspike \
    LANG=C.UTF-8 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    GLOMSPIKE_CONTAINER=1
ARG VERSION=unreleased
ARG SOURCE=
LABEL org.opencontainers.image.title="glomspike" \
    org.opencontainers.image.description="Finds glomeruli in silver-stained kidney slides and scores them for membranous spikes. Research use only." \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.source="${SOURCE}" \
    org.opencontainers.image.licenses="Apache-2.0"
ENTRYPOINT ["glomspike"]
CMD ["--help"]

# The service on an NVIDIA GPU. Build from the root of the repository:
#   docker build -f deploy/docker/service-gpu.Dockerfile -t residuum-service-gpu:0.1.0 .
# CUDA 13 and cuDNN are Python wheels. The node provides the driver, 580 or newer.
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
# Without pip, so that nothing can be installed into the image's environment.
RUN python -m venv --without-pip /opt/venv
COPY . .
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/venv/bin/python install -c constraints.txt ".[service-gpu]"

FROM python:3.11-slim-bookworm
COPY --from=build /opt/venv /opt/venv
COPY deploy/bundles /bundles
# The loader does not search the folders of the wheels. The driver compiles kernels for which there
# is no binary and caches them; the cache must be on a writable file system.
# onnxruntime would otherwise send usage data, and keep a database of it in HOME.
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/tmp \
    LD_LIBRARY_PATH=/opt/venv/lib/python3.11/site-packages/nvidia/cu13/lib:/opt/venv/lib/python3.11/site-packages/nvidia/cudnn/lib \
    CUDA_CACHE_PATH=/tmp/cuda \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ORT_DISABLE_TELEMETRY=1 \
    RESIDUUM_BUNDLES=/bundles \
    RESIDUUM_PROVIDER=cuda
# A number, so that Kubernetes can verify that it is not root.
USER 10001:10001
EXPOSE 50051 9464
ENTRYPOINT ["residuum-serve"]

# The service on an NVIDIA GPU. From the root of the repository:
#   docker build -f deploy/docker/service-gpu.Dockerfile -t residuum-service-gpu:0.1.0 .
# CUDA 13 and cuDNN come as Python wheels; the node brings the driver, 580 or newer.
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
# pip stays outside: the environment that is shipped cannot install anything.
RUN python -m venv --without-pip /opt/venv
COPY . .
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/venv/bin/python install -c constraints.txt ".[service-gpu]"

FROM python:3.11-slim-bookworm
COPY --from=build /opt/venv /opt/venv
COPY deploy/bundles /bundles
# The loader does not search the wheels' folders by itself. The driver compiles kernels that it has
# no binary for and keeps them in a cache, which must not be in the read-only image.
# onnxruntime would report on its use to its makers, and keep a data base of that in HOME.
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
# By number, so that Kubernetes can see that it is not root.
USER 10001:10001
EXPOSE 50051 50052 9464
ENTRYPOINT ["residuum-serve"]

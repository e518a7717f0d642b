# The service on a CPU. Build from the root of the repository:
#   docker build -f deploy/docker/service.Dockerfile -t residuum-service:0.1.0 .
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
# Without pip, so that nothing can be installed into the image's environment.
RUN python -m venv --without-pip /opt/venv
COPY . .
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/venv/bin/python install -c constraints.txt ".[service]"

FROM python:3.11-slim-bookworm
COPY --from=build /opt/venv /opt/venv
COPY deploy/bundles /bundles
# onnxruntime would otherwise send usage data, and keep a database of it in HOME.
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ORT_DISABLE_TELEMETRY=1 \
    RESIDUUM_BUNDLES=/bundles \
    RESIDUUM_PROVIDER=cpu
# A number, so that Kubernetes can verify that it is not root.
USER 10001:10001
EXPOSE 50051 9464
ENTRYPOINT ["residuum-serve"]

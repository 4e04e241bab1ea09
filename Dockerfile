# Training and everything else, on a CPU; where maps alone are made, Dockerfile.predict is smaller. Built from this folder:
#   docker build -t hierars-geo .
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD":/data hierars-geo fit --config my.yaml
# torch's usual Linux wheels bring CUDA along. Those for CPUs are much smaller and lie in an index of their own, which
# PyTorch's page names: docker build --build-arg PIP_EXTRA_INDEX_URL=ADDRESS -t hierars-geo .
FROM python:3.11-slim
# rasterio's wheel takes libexpat from the system, and this base has none
RUN apt-get update && apt-get install -y --no-install-recommends libexpat1 && rm -rf /var/lib/apt/lists/*
ARG PIP_EXTRA_INDEX_URL
RUN --mount=type=bind,target=/tmp/source \
    pip install --no-cache-dir -c /tmp/source/constraints.txt "/tmp/source[log,onnx,view]"
# any user may have to write a cache
ENV HOME=/tmp
WORKDIR /data
ENTRYPOINT ["hierars-geo"]

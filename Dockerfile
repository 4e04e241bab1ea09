# Training and everything else, on a CPU; where maps alone are made, Dockerfile.predict is smaller. Built from this folder:
#   docker build -t hierars-geo .
#   docker run --rm -v "$PWD":/data hierars-geo fit --config my.yaml
# torch's usual Linux wheels bring CUDA along. Those for CPUs are much smaller and lie in an index of their own, which
# PyTorch's page names: docker build --build-arg PIP_EXTRA_INDEX_URL=ADDRESS -t hierars-geo .
FROM python:3.11-slim
ARG PIP_EXTRA_INDEX_URL
COPY . /tmp/source
RUN pip install --no-cache-dir -c /tmp/source/constraints.txt "/tmp/source[log,onnx,view]" \
    && rm -rf /tmp/source
WORKDIR /data
ENTRYPOINT ["hierars-geo"]

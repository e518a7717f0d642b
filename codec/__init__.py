"""The contract that training, exporter, service and offline clients share: bundle, record, score.

Reading order: manifest, bundle, images, quantise, tables, entropy, record, anomaly, pipeline.
Nothing here knows torch, and only `codec.graphs.onnx` knows onnxruntime.
"""

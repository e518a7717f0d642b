"""The gRPC protocol: .proto files, the code generated from them, and the generators."""

__all__: list[str] = []

"""Compiles the .proto files; `make protos` runs it in an environment with grpcio-tools 1.80.

Code from newer versions rejects protobuf 6, so the oldest supported version is used. Imports of the
generated code are relative, since our own protocol goes to two places: `protos.residuum.v1` for the
server and `residuum_client.v1` for the client. The Open Inference Protocol is for the server alone.
The first line of each file is the SHA-256 of its source, which a test compares.
"""

import hashlib
import importlib
import importlib.metadata
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent
SOURCE = ROOT / "residuum" / "v1"
TARGETS = (SOURCE, ROOT.parent / "clients" / "python" / "residuum_client" / "v1")
INFERENCE = ROOT / "inference"
# Where the code of the .proto files of a folder goes.
TREES = {SOURCE: TARGETS, INFERENCE: (INFERENCE,)}
TOOL = "1.80"

_ABSOLUTE_IMPORT = re.compile(r"^from (?:residuum\.v1|inference) import (\w+_pb2)", re.MULTILINE)


def main() -> None:
    """Writes the generated code to its places. Exits with a message on the wrong tool version."""
    version = importlib.metadata.version("grpcio-tools")
    if not version.startswith(TOOL + "."):
        raise SystemExit(f"grpcio-tools is {version}, expected {TOOL}.*")
    for source, targets in TREES.items():
        for proto in sorted(source.glob("*.proto")):
            for name, text in compiled(proto):
                for target in targets:
                    (target / name).write_text(text, encoding="utf-8")


def compiled(proto: Path) -> Iterator[tuple[str, str]]:
    """Yields the name and text of every file generated from one .proto."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        descriptors = out / "descriptors.binpb"
        outputs = [f"--{kind}_out={out}" for kind in ("python", "pyi", "grpc_python")]
        status = importlib.import_module("grpc_tools.protoc").main(
            ["protoc", *includes(), *outputs, f"--descriptor_set_out={descriptors}", str(proto)]
        )
        if status != 0:
            raise SystemExit(f"protoc failed on {proto.name}")
        services = _services(descriptors.read_bytes())
        for path in sorted((out / proto.parent.relative_to(ROOT)).iterdir()):
            if services or "_grpc" not in path.name:
                yield path.name, header(proto) + _adapted(path.read_text(encoding="utf-8"))
        if services:
            yield f"{proto.stem}_pb2_grpc.pyi", header(proto) + _grpc_stub(proto.stem, services)


def includes() -> list[str]:
    """Where protoc finds our files, those of google.rpc, and what these import."""
    rpc = Path(importlib.import_module("google.rpc").__path__[0]).parents[1]
    protobuf = Path(importlib.import_module("grpc_tools").__path__[0]) / "_proto"
    return [f"-I{folder}" for folder in (ROOT, rpc, protobuf)]


def header(proto: Path) -> str:
    """First line of every file generated from `proto`."""
    return (
        f"# Generated from {proto.name}, SHA-256 {hashlib.sha256(proto.read_bytes()).hexdigest()}\n"
    )


def _adapted(generated: str) -> str:
    """Makes imports relative and adds type arguments that strict mypy requires."""
    relative = _ABSOLUTE_IMPORT.sub(r"from . import \1", generated)
    return relative.replace("_Mapping]", "_Mapping[str, object]]")


def _services(descriptor_set: bytes) -> list[Any]:
    pb2 = importlib.import_module("google.protobuf.descriptor_pb2")
    return list(pb2.FileDescriptorSet.FromString(descriptor_set).file[0].service)


def _grpc_stub(module: str, services: list[Any]) -> str:
    """The types that protoc does not write: stub, servicer and registration."""
    blocks = ["# fmt: off", "# ruff: noqa", "from collections.abc import Iterator", "import grpc"]
    blocks += [f"from . import {module}_pb2 as pb2"]
    for service in services:
        blocks += [
            "",
            f"class {service.name}Stub:",
            "    def __init__(self, channel: grpc.Channel) -> None: ...",
        ]
        blocks += [_multi_callable(method) for method in service.method]
        blocks += ["", f"class {service.name}Servicer:"]
        blocks += [_handler(method) for method in service.method]
        blocks += ["", f"def add_{service.name}Servicer_to_server("]
        blocks += [f"    servicer: {service.name}Servicer, server: grpc.Server", ") -> None: ..."]
    return "\n".join(blocks) + "\n"


def _types(method: Any) -> tuple[str, str]:
    request, response = (
        f"pb2.{name.rsplit('.', 1)[1]}" for name in (method.input_type, method.output_type)
    )
    return request, response


def _multi_callable(method: Any) -> str:
    request, response = _types(method)
    kinds = [
        "Stream" if streams else "Unary"
        for streams in (method.client_streaming, method.server_streaming)
    ]
    return f"    {method.name}: grpc.{''.join(kinds)}MultiCallable[{request}, {response}]"


def _handler(method: Any) -> str:
    request, response = _types(method)
    if method.client_streaming:
        argument = f"request_iterator: Iterator[{request}]"
    else:
        argument = f"request: {request}"
    response = f"Iterator[{response}]" if method.server_streaming else response
    parameters = f"self, {argument}, context: grpc.ServicerContext"
    return f"    def {method.name}({parameters}) -> {response}: ..."


if __name__ == "__main__":
    main()

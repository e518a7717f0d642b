"""Writes REFERENCE.md, the page of all services, messages and enums; `make reference` runs it.

The text of the page is the comments of the .proto files, which protoc keeps in its descriptors.
"""

import importlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import (
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
)

from protos.generate import ROOT, SOURCE, includes

PAGE = ROOT / "REFERENCE.md"
PACKAGE = "residuum.v1"
HEADER = """\
# gRPC reference

<!-- Generated from protos/residuum/v1/*.proto: run `make reference` after a change. -->

The package `residuum.v1` has three services. Port numbers are in
[service/METRICS.md](../service/METRICS.md), a Python client is in
[clients/python](../clients/python/README.md).

Any call can also end with the usual gRPC codes `CANCELLED` and `DEADLINE_EXCEEDED`, and with
`INTERNAL` for a bug in the server: the message then has an id under which the server logged it.
"""
# Field numbers of FileDescriptorProto and its parts: the path to a comment has these and indices.
_FILE_MESSAGES, _FILE_ENUMS, _FILE_SERVICES = 4, 5, 6
_FIELDS, _METHODS, _VALUES, _ONE_OFS = 2, 2, 2, 8
_TYPES = {
    FieldDescriptorProto.Type.Value(f"TYPE_{name.upper()}"): name
    for name in ("double", "uint32", "uint64", "bool", "string", "bytes")
}


def main() -> None:
    """Writes the page."""
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """The page, made from the .proto files."""
    files = _parsed().file
    parts = [HEADER]
    for file in files:
        parts += _services(file)
    for file in files:
        parts += [f"## Messages of {Path(file.name).name}\n", *_messages(file), *_enums(file)]
    return "\n".join(parts)


def _parsed() -> FileDescriptorSet:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "descriptors.binpb"
        sources = map(str, sorted(SOURCE.glob("*.proto")))
        status = importlib.import_module("grpc_tools.protoc").main(
            [
                "protoc",
                *includes(),
                "--include_source_info",
                f"--descriptor_set_out={out}",
                *sources,
            ]
        )
        if status != 0:
            raise SystemExit("protoc failed")
        return FileDescriptorSet.FromString(out.read_bytes())


class _Comments:
    """The comments of a file, reflowed: each paragraph and each item of a list is one line."""

    def __init__(self, file: FileDescriptorProto) -> None:
        locations = file.source_code_info.location
        self._by_path = {tuple(one.path): one.leading_comments for one in locations}

    def paragraphs(self, *path: int) -> list[str]:
        """The paragraphs of the comment of one item."""
        lines = [line.strip() for line in self._by_path.get(path, "").splitlines()]
        paragraphs = "\n".join(lines).strip().split("\n\n")
        return [re.sub(r"\n(?!- )", " ", paragraph) for paragraph in paragraphs]

    def cell(self, *path: int) -> str:
        """The comment of one item for a cell of a table."""
        return " ".join(self.paragraphs(*path)).replace("|", "\\|")


def _services(file: FileDescriptorProto) -> Iterator[str]:
    comments = _Comments(file)
    for index, service in enumerate(file.service):
        path = (_FILE_SERVICES, index)
        yield f"## {service.name}\n"
        yield _text(comments.paragraphs(*path))
        for number, method in enumerate(service.method):
            yield f"### {service.name}.{method.name}\n"
            yield f"`{_signature(method)}`\n"
            yield _text(comments.paragraphs(*path, _METHODS, number))


def _messages(file: FileDescriptorProto) -> Iterator[str]:
    comments = _Comments(file)
    for index, message in enumerate(file.message_type):
        yield f"### {message.name}\n"
        yield _text(comments.paragraphs(_FILE_MESSAGES, index))
        for number, one_of in enumerate(message.oneof_decl):
            names = [f"`{field.name}`" for field in message.field if _is_in(field, number)]
            if names:
                comment = comments.cell(_FILE_MESSAGES, index, _ONE_OFS, number)
                yield f"`{one_of.name}` is one of {', '.join(names)}. {comment}\n"
        rows = [
            (
                field.name,
                field.number,
                _type(message, field),
                comments.cell(_FILE_MESSAGES, index, _FIELDS, number),
            )
            for number, field in enumerate(message.field)
        ]
        if rows:
            yield _table(("field", "number", "type", "meaning"), rows)


def _enums(file: FileDescriptorProto) -> Iterator[str]:
    comments = _Comments(file)
    for index, enum in enumerate(file.enum_type):
        yield f"### {enum.name}\n"
        yield _text(comments.paragraphs(_FILE_ENUMS, index))
        yield _table(("value", "number", "meaning"), _values(comments, index, enum))


def _values(comments: _Comments, index: int, enum: EnumDescriptorProto) -> list[tuple[Any, ...]]:
    return [
        (value.name, value.number, comments.cell(_FILE_ENUMS, index, _VALUES, number))
        for number, value in enumerate(enum.value)
    ]


def _signature(method: MethodDescriptorProto) -> str:
    request, response = (
        ("stream " if streaming else "") + name.rpartition(".")[2]
        for streaming, name in (
            (method.client_streaming, method.input_type),
            (method.server_streaming, method.output_type),
        )
    )
    return f"rpc {method.name}({request}) returns ({response})"


def _type(message: Any, field: FieldDescriptorProto) -> str:
    entries = {nested.name: nested for nested in message.nested_type}
    name = _TYPES.get(field.type) or field.type_name.lstrip(".")
    if name.startswith(f"{PACKAGE}."):
        name = name.rpartition(".")[2]
    if name in entries:
        key, value = entries[name].field
        return f"map<{_TYPES[key.type]}, {_TYPES[value.type]}>"
    if field.label == FieldDescriptorProto.LABEL_REPEATED:
        return f"repeated {name}"
    return f"optional {name}" if field.proto3_optional else name


def _is_in(field: FieldDescriptorProto, one_of: int) -> bool:
    # An optional field is the only member of a oneof that protoc adds.
    is_member = field.HasField("oneof_index") and field.oneof_index == one_of
    return is_member and not field.proto3_optional


def _text(paragraphs: list[str]) -> str:
    return "\n\n".join(paragraphs) + "\n"


def _table(header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = [header, tuple("---" for _ in header)]
    lines += [(f"`{row[0]}`", *row[1:]) for row in rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


if __name__ == "__main__":
    main()

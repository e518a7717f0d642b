"""The generated code of server and client is up to date, equal and works in one process."""

import subprocess
import sys

import pytest

from protos.generate import SOURCE, TARGETS, TREES, header

PROTOS = [proto for source in TREES for proto in sorted(source.glob("*.proto"))]


def generated(folder):
    return {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*_pb2*.py*")}


def test_server_and_client_hold_the_same_code():
    ours, theirs = map(generated, TARGETS)
    assert ours == theirs


@pytest.mark.parametrize("proto", PROTOS, ids=lambda proto: proto.name)
def test_the_code_is_up_to_date(proto):
    code = generated(proto.parent)
    files = [text for name, text in code.items() if name.startswith(f"{proto.stem}_pb2")]
    assert len(files) >= 2
    for text in files:
        assert text.startswith(header(proto)), f"{proto.name} has changed: run `make protos`"


@pytest.mark.parametrize("source", TREES, ids=lambda source: source.name)
def test_no_code_is_left_of_a_deleted_proto(source):
    stems = {proto.stem for proto in source.glob("*.proto")}
    assert {name.split("_pb2")[0] for name in generated(source)} == stems


def test_both_copies_live_in_one_process():
    code = (
        "import sys; sys.path.insert(0, 'clients/python')\n"
        "from protos.residuum.v1 import codec_pb2 as ours, codec_pb2_grpc\n"
        "from importlib import import_module\n"
        "theirs = import_module('residuum_client.v1.codec_pb2')\n"
        "sent = ours.EncodeRequest(quality=3).SerializeToString()\n"
        "assert theirs.EncodeRequest.FromString(sent).quality == 3\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=SOURCE.parents[2])

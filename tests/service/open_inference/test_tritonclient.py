"""NVIDIA's client, unchanged, gets from this server what the library computes."""

import hashlib
import io
import socket
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from PIL import Image
from processes import finished, started
from source_tree import ROOT

from codec import Rate

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent
REQUIREMENTS = HERE / "tritonclient.txt"
# For the environment, and for all calls of this file.
INSTALL_SECONDS, CALL_SECONDS = 150, 100


class TritonError(Exception):
    """Status and message that tritonclient raised."""


class Triton:
    """Calls a function of triton_calls.py, and returns its result or raises its error."""

    def __init__(self, address, pipe):
        self.address = address
        self._pipe = pipe

    def __getattr__(self, name):
        def call(*args, **options):
            self._pipe.send((name, args, options))
            result, error = self._pipe.recv()
            if error:
                raise TritonError(*error)
            return result

        return call


@pytest.fixture(scope="module")
def python():
    """The interpreter of an environment with tritonclient, installed once per list of versions."""
    version = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    folder = ROOT / "build" / f"tritonclient-{version}"
    if not folder.exists():
        folder.parent.mkdir(exist_ok=True)
        with TemporaryDirectory(dir=folder.parent) as scratch:
            new = Path(scratch, "new")
            install(new)
            if not folder.exists():
                new.rename(folder)
    return folder / "bin" / "python"


def install(folder):
    finished([sys.executable, "-m", "venv", folder], seconds=INSTALL_SECONDS)
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--disable-pip-version-check"]
    try:
        done = finished([*pip, "--retries", "1", "-r", REQUIREMENTS], seconds=INSTALL_SECONDS)
    except TimeoutError as error:
        pytest.skip(f"pip cannot install tritonclient: {error}")
    if done.returncode:
        lines = done.stderr.decode(errors="replace").splitlines()
        errors = [line for line in lines if line.startswith("ERROR")]
        pytest.skip(f"pip cannot install tritonclient: {['it does not say why', *errors][-1]}")


@pytest.fixture(scope="module")
def triton(python, oip):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        command = [python, HERE / "triton_calls.py", oip.address, str(theirs.fileno())]
        with started(command, seconds=CALL_SECONDS, pass_fds=[theirs.fileno()]):
            theirs.close()
            with Connection(ours.detach()) as pipe:
                yield Triton(oip.address, pipe)


@pytest.fixture
def images(pictures):
    return pictures(4)


def as_bytes(elements):
    return np.array(elements, object)


def png(image):
    out = io.BytesIO()
    Image.fromarray(image[..., 0]).save(out, "PNG")
    return out.getvalue()


def test_the_server_is_live_and_ready(triton):
    assert triton.method("is_server_live")
    assert triton.method("is_server_ready")
    assert triton.method("is_model_ready", "tiny/encode")
    assert not triton.method("is_model_ready", "absent")


def test_metadata_describes_server_and_models(triton, tiny):
    assert triton.method("get_server_metadata", as_json=True)["name"] == "residuum"
    described = triton.method("get_model_metadata", "tiny/decode", as_json=True)
    assert described["versions"] == [tiny.manifest.version]
    assert described["inputs"] == [{"name": "record", "datatype": "BYTES", "shape": ["-1"]}]
    assert described["outputs"][0] == {
        "name": "image",
        "datatype": "UINT8",
        "shape": ["-1", "16", "16", "1"],
    }


def test_arrays_are_encoded(triton, tiny, images):
    model, version, identity, found = triton.infer(
        "tiny/encode", {"image": images}, request_id="seven", parameters={"quality": 12}
    )
    assert (model, version, identity) == ("tiny/encode", tiny.manifest.version, "seven")
    assert found["record"].tolist() == tiny.compress(images, 12)
    assert found["quality"].tolist() == [12] * 4
    assert found["quality"].dtype == np.int32


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_files_are_encoded(triton, tiny, images, compression):
    files = as_bytes([png(image) for image in images])
    _, _, _, found = triton.infer(
        "tiny/encode",
        {"file": files},
        parameters={"target_psnr": 8.5},
        compression_algorithm=compression,
    )
    expected = tiny.compress_at(images, Rate(target_psnr=8.5))
    assert found["record"].tolist() == [one.record for one in expected]


def test_decoding_what_was_encoded_gives_the_images_of_the_library(triton, tiny, images):
    records = triton.infer("tiny/encode", {"image": images}, outputs=["record"])[3]
    assert list(records) == ["record"]
    _, _, _, found = triton.infer("tiny/decode", records)
    assert np.array_equal(found["image"], tiny.decompress(tiny.compress(images)))
    _, _, _, found = triton.infer("tiny/decode", records, outputs=["file", "image"])
    opened = [np.array(Image.open(io.BytesIO(one)))[..., None] for one in found["file"]]
    assert np.array_equal(opened, found["image"])


def test_scores_are_those_of_the_library(triton, tiny_scorer, images):
    expected = tiny_scorer.score(images, 0.2)
    outputs = ["heatmap", "anomalous", "p_value", "score"]
    _, _, _, found = triton.infer(
        "tiny", {"image": images}, outputs=outputs, parameters={"false_alarm_rate": 0.2}
    )
    assert list(found) == outputs
    assert found["score"].tolist() == [one.value for one in expected]
    assert found["p_value"].tolist() == [one.p_value for one in expected]
    assert found["anomalous"].tolist() == [one.anomalous for one in expected]
    assert found["anomalous"].dtype == np.bool_
    assert np.array_equal(found["heatmap"], np.stack([one.heatmap for one in expected]))


def test_codes_of_images_of_any_size(triton, tiny_map, pictures):
    images = pictures(2, 24, 32)
    _, _, _, found = triton.infer("tiny-map/encode", {"image": images}, outputs=["codes"])
    level = tiny_map.manifest.quality_default
    encoded = tiny_map.run_encoder(images)
    assert np.array_equal(
        found["codes"], np.stack([tiny_map.quantise(one, level).codes for one in encoded])
    )


def test_options_of_the_client_that_mean_nothing_here_do_no_harm(triton, tiny_scorer, images):
    _, _, _, found = triton.infer(
        "tiny", {"image": images}, priority=3, timeout=1000, sequence_id=5, sequence_end=True
    )
    assert found["score"].tolist() == [one.value for one in tiny_scorer.score(images)]


def test_a_callback_gets_the_same(triton, tiny_scorer, images):
    found = triton.later("tiny", {"image": images})[3]
    assert found["score"].tolist() == [one.value for one in tiny_scorer.score(images)]


def test_the_asynchronous_client_gets_the_same(triton, tiny, tiny_scorer, images):
    requests = [("tiny/encode", {"image": images}), ("tiny/score", {"image": images[:1]})]
    encoded, scored = triton.aio(triton.address, requests)
    assert encoded[3]["record"].tolist() == tiny.compress(images)
    assert scored[3]["score"].tolist() == [one.value for one in tiny_scorer.score(images[:1])]


def test_a_stream_goes_on_after_an_error(triton, tiny, images):
    good = ("tiny/encode", {"image": images}, {"request_id": "1"})
    absent = ("absent", {"image": images}, {})
    wrong = ("tiny", {"image": images[:, :8]}, {"enable_empty_final_response": True})
    first, second, third, fourth = triton.stream([good, absent, wrong, good])
    assert second.startswith("model 'absent' is not loaded")
    assert third.startswith("input 'image' has the shape [4, 8, 16, 1], expected [-1, 16, 16, 1]")
    for answer in (first, fourth):
        assert answer[2] == "1"
        assert answer[3]["record"].tolist() == tiny.compress(images)


@pytest.mark.parametrize(
    ("model", "inputs", "options", "status", "sentence"),
    [
        ("absent", "image", {}, "NOT_FOUND", "model 'absent' is not loaded"),
        ("tiny", "image", {"model_version": "9"}, "NOT_FOUND", "model 'tiny 9' is not loaded"),
        ("tiny", "picture", {}, "INVALID_ARGUMENT", "there is no input 'picture'"),
        ("tiny", "image", {"outputs": ["codes"]}, "INVALID_ARGUMENT", "there is no output"),
        ("tiny", "image", {"parameters": {"a": 1}}, "INVALID_ARGUMENT", "there is no parameter"),
    ],
)
def test_errors_arrive_as_status_and_sentence(
    triton, images, model, inputs, options, status, sentence
):
    with pytest.raises(TritonError) as caught:
        triton.infer(model, {inputs: images}, **options)
    assert caught.value.args[0] == f"StatusCode.{status}"
    assert caught.value.args[1].startswith(sentence)


def test_a_wrong_data_type_is_refused(triton, images):
    with pytest.raises(TritonError, match="has the datatype 'FP32', expected 'UINT8'"):
        triton.infer("tiny", {"image": images.astype(np.float32)})
    with pytest.raises(TritonError, match="record 0: "):
        triton.infer("tiny/decode", {"record": as_bytes([b"broken", b""])})

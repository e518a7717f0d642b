"""Segmenters without any training: a filter of an image."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from codec import Bundle, load_bundle
from codec.bundle.bundle import SEGMENTER, write_bundle
from codec.bundle.npz import pack_arrays
from codec.detectors import Candidate

# A square filter with gaps: it sees almost as far as the margins of tiles cover.
TAPS, DILATION = 17, 14
REACH = (TAPS // 2) * DILATION


def taps(channels: int = 1) -> np.ndarray:
    """The weights of the filter, float32 [1, C, 17, 17]."""
    weights = np.random.default_rng(7).normal(0, 1, (1, channels, TAPS, TAPS))
    return (3 * weights / TAPS).astype(np.float32)


def segmenter_graph(channels: int = 1, output: str = "logit", extra: int = 0) -> bytes:
    """A filter of x / 255 minus 2; `extra` cuts rows, which no segmenter may do."""
    image = ["batch", channels, "rows", "columns"]
    pads = [REACH] * 4
    constants = {
        "white": np.float32(255),
        "threshold": np.float32(2),
        "taps": taps(channels),
        "axes": np.array([1]),
        "starts": np.array([0]),
        "ends": np.array([-extra if extra else 2**40]),
        "rows_axis": np.array([2]),
    }
    nodes = [
        helper.make_node("Cast", ["x"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["floats", "white"], ["scaled"]),
        helper.make_node("Conv", ["scaled", "taps"], ["sums"], pads=pads, dilations=[DILATION] * 2),
        helper.make_node("Sub", ["sums", "threshold"], ["shifted"]),
        helper.make_node("Slice", ["shifted", "starts", "ends", "rows_axis"], ["cut"]),
        helper.make_node("Squeeze", ["cut", "axes"], [output]),
    ]
    graph = helper.make_graph(
        nodes,
        "segmenter",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, image)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", "height", "width"])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def write_with_segmenter(source: Path, out: Path, candidates: tuple[Candidate, ...]) -> Bundle:
    """The bundle of `source` with a segmenter and candidates that use it; it is not calibrated."""
    old = load_bundle(source)
    score = replace(old.manifest.score, candidates=candidates)
    calibration = replace(
        old.calibration,
        score_mean=np.append(old.calibration.score_mean, np.zeros(len(candidates))),
        score_std=np.append(old.calibration.score_std, np.ones(len(candidates))),
    )
    files = {p.name: p.read_bytes() for p in source.iterdir() if p.name in old.manifest.members}
    files["calibration.npz"] = pack_arrays(calibration.to_arrays())
    files[SEGMENTER] = segmenter_graph(old.manifest.input.channels)
    write_bundle(out, replace(old.manifest, score=score), files)
    return load_bundle(out)

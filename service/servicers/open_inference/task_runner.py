"""The tasks of the Open Inference Protocol: its tensors become requests of our own services.

Limits, admission, memory and metrics are then those of the same call of `residuum.v1`.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, final

import grpc
import numpy as np

from codec import Rate
from codec.arrays import F32, I32, Array
from codec.errors import InvalidInput, RecordError
from codec.images.files import write_png
from codec.outcomes import attempt, required, succeeded
from codec.record.frame import unpack
from protos.residuum.v1 import anomaly_pb2, codec_pb2
from protos.residuum.v1.anomaly_pb2_grpc import AnomalyServiceServicer
from protos.residuum.v1.codec_pb2_grpc import CodecServiceServicer
from protos.residuum.v1.images_pb2 import Files, ModelRef, Pixels
from service.runtime.loaded_model import LoadedModel
from service.servicers.open_inference.metadata import Task
from service.servicers.open_inference.tensors import bytes_array

# The field of the request holds no larger size, and no record is nearly as large.
_MOST_TARGET_BYTES = 2**32 - 1
_RATES = ("quality", "target_bytes", "target_psnr")


@final
class TaskRunner:
    """Runs a task with the input `[N, ...]` of a request, `source` with its name."""

    def __init__(self, codec: CodecServiceServicer, anomaly: AnomalyServiceServicer) -> None:
        self._codec = codec
        self._anomaly = anomaly

    def run(
        self,
        model: tuple[LoadedModel, Task],
        source: tuple[str, Array],
        options: Mapping[str, Any],
        outputs: Collection[str],
        context: grpc.ServicerContext,
    ) -> dict[str, Array]:
        """At least the named outputs, [N, ...] each. Raises what the call of our service raises,
        and InvalidInput if the parts of an output have different shapes.
        """
        loaded, task = model
        if task == "encode":
            return self._encode(loaded, _images(*source), options, outputs, context)
        if task == "decode":
            return self._decode(loaded, source[1].tolist(), outputs, context)
        return self._score(loaded, _images(*source), options, outputs, context)

    def _encode(
        self,
        loaded: LoadedModel,
        images: Mapping[str, Any],
        options: Mapping[str, Any],
        outputs: Collection[str],
        context: grpc.ServicerContext,
    ) -> dict[str, Array]:
        request = codec_pb2.EncodeRequest(
            model=_model_ref(loaded), **images, **_rate(loaded, options), **_evidence(options)
        )
        response = self._codec.Encode(request, context)
        found: dict[str, Array] = {
            "record": bytes_array(response.records),
            "quality": np.array(response.qualities, np.int32),
            "record_bytes": np.array([len(one) for one in response.records], np.int32),
            "evidence_bytes": np.array(response.evidence_bytes, np.int32),
        }
        if "codes" in outputs:
            found["codes"] = _codes(loaded, response.records)
        return found

    def _decode(
        self,
        loaded: LoadedModel,
        records: list[bytes],
        outputs: Collection[str],
        context: grpc.ServicerContext,
    ) -> dict[str, Array]:
        raw = "image" in outputs
        if raw:
            _check_one_size(loaded, records)
        form = codec_pb2.IMAGE_FORMAT_UNSPECIFIED if raw else codec_pb2.IMAGE_FORMAT_PNG
        request = codec_pb2.DecodeRequest(model=_model_ref(loaded), records=records, format=form)
        response = self._codec.Decode(request, context)
        if not raw:
            return {"file": bytes_array(response.files.files)}
        pixels = response.pixels
        shape = (pixels.count, pixels.height, pixels.width, pixels.channels)
        images = np.frombuffer(pixels.data, np.uint8).reshape(shape)
        if "file" not in outputs:
            return {"image": images}
        return {"image": images, "file": bytes_array([write_png(image) for image in images])}

    def _score(
        self,
        loaded: LoadedModel,
        images: Mapping[str, Any],
        options: Mapping[str, Any],
        outputs: Collection[str],
        context: grpc.ServicerContext,
    ) -> dict[str, Array]:
        heatmaps = "heatmap" in outputs
        request = anomaly_pb2.ScoreRequest(
            model=_model_ref(loaded), **images, **options, heatmaps=heatmaps
        )
        results = self._anomaly.Score(request, context).results
        found: dict[str, Array] = {
            "score": np.array([one.score for one in results], np.float64),
            "p_value": np.array([one.p_value for one in results], np.float64),
            "anomalous": np.array([one.anomalous for one in results], np.bool_),
        }
        if heatmaps:
            found["heatmap"] = _stacked([_heatmap(one) for one in results], "heatmap")
        return found


def _images(name: str, array: Array) -> dict[str, Any]:
    """The field of a request for images `[N, H, W, C]` or files `[N]`."""
    if name == "file":
        return {"files": Files(files=array.tolist())}
    count, height, width, channels = array.shape
    data = array.tobytes()
    return {"pixels": Pixels(count=count, height=height, width=width, channels=channels, data=data)}


def _rate(loaded: LoadedModel, options: Mapping[str, Any]) -> dict[str, Any]:
    """The field of a request for the rate. Raises InvalidInput for one that the model lacks."""
    given = {name: options[name] for name in _RATES if name in options}
    loaded.codec.check_rate(Rate(**given))
    if "target_bytes" in given:
        return {"target_bytes": min(given["target_bytes"], _MOST_TARGET_BYTES)}
    return given


def _evidence(options: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a request for evidence. Raises InvalidInput."""
    if options.get("evidence"):
        evidence = codec_pb2.ON_ANOMALY_EVIDENCE
        return {"on_anomaly": evidence, "false_alarm_rate": options.get("false_alarm_rate")}
    if "false_alarm_rate" in options:
        raise InvalidInput("parameter 'false_alarm_rate' is given, but 'evidence' is not true")
    return {}


def _model_ref(loaded: LoadedModel) -> ModelRef:
    return ModelRef(name=loaded.name, version=loaded.version)


def _codes(loaded: LoadedModel, records: Sequence[bytes]) -> I32:
    """Codes `[N, R, D, h, w]` of records that have just been written."""
    read = required(loaded.codec.records.read_each(records), "record")
    return _stacked([coded.codes for coded, _ in read], "codes")


def _heatmap(result: anomaly_pb2.ImageScore) -> F32:
    heatmap = result.heatmap
    return np.frombuffer(heatmap.data, "<f4").reshape(heatmap.height, heatmap.width)


def _check_one_size(loaded: LoadedModel, records: Sequence[bytes]) -> None:
    """Raises InvalidInput for records of images of different sizes; broken ones are left out."""
    sized = loaded.bundle.manifest.input.sized
    read = [
        attempt(RecordError, unpack, one, loaded.bundle.model_id, sized=sized) for one in records
    ]
    sizes = sorted({record.size for record in succeeded(read) if record.size is not None})
    if len(sizes) > 1:
        raise InvalidInput(
            f"the records are of images of different sizes, from {sizes[0]} to {sizes[-1]}, which "
            "output 'image' cannot hold: request output 'file', or one size at a time"
        )


def _stacked(parts: Sequence[Array], output: str) -> Array:
    """Arrays as one. Raises InvalidInput unless they have one shape."""
    shapes = sorted({part.shape for part in parts})
    if len(shapes) > 1:
        raise InvalidInput(
            f"output {output!r} would have parts of different shapes, from {list(shapes[0])} to "
            f"{list(shapes[-1])}: request it for images of one size at a time"
        )
    return np.stack(parts)

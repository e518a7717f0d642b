"""What the models of this server are in the Open Inference Protocol.

A model NAME is three models there, one for each thing that it does: NAME/encode, NAME/decode and
NAME/score; NAME alone means NAME/score. Versions are those of the model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Literal, get_args

from codec.bundle.manifest import LatentSpec
from codec.errors import InvalidInput, UnknownModel
from codec.images.input_spec import InputSpec
from protos.inference import open_inference_pb2 as pb
from service.runtime.loaded_model import LoadedModel
from service.runtime.models import ModelStore
from service.servicers.open_inference.tensors import TensorSpec, shown

Task = Literal["encode", "decode", "score"]
_DEFAULT_TASK: Task = "score"
_PLATFORM = "residuum_bundle"


@dataclass(frozen=True, slots=True)
class Signature:
    """Tensors and parameters of a task; without `outputs` in a request, the first `defaults` of
    the outputs are returned.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    defaults: int
    parameters: Mapping[str, type]


def find(models: ModelStore, name: str, version: str) -> tuple[LoadedModel, Task]:
    """The model and the task that a name means.

    Raises UnknownModel for a model that is not loaded and a task that is none, InvalidInput
    without a name.
    """
    base, slash, suffix = name.partition("/")
    loaded = models.get(base, version)
    for task in get_args(Task):
        if suffix == task or (not slash and task == _DEFAULT_TASK):
            return loaded, task
    tasks = ", ".join(f"{loaded.name}/{task}" for task in get_args(Task))
    raise UnknownModel(f"there is no model {shown(name)}, expected one of {tasks}")


def signature(loaded: LoadedModel, task: Task) -> Signature:
    """The tensors and parameters of a task."""
    manifest = loaded.bundle.manifest
    return _signature(manifest.input, manifest.latent, task)


@lru_cache
def _signature(spec: InputSpec, latent: LatentSpec, task: Task) -> Signature:
    files, records = TensorSpec("file", "BYTES", (-1,)), TensorSpec("record", "BYTES", (-1,))
    images = _images(spec)
    if task == "decode":
        return Signature((records,), (_decoded(spec), files), 1, {})
    if task == "encode":
        sizes = (TensorSpec(name, "INT32", (-1,)) for name in ("record_bytes", "evidence_bytes"))
        codes = TensorSpec("codes", "INT32", _codes_shape(latent, spec))
        outputs = (records, TensorSpec("quality", "INT32", (-1,)), *sizes, codes)
        rates = {"quality": int, "target_bytes": int, "target_psnr": float}
        evidence = {"evidence": bool, "false_alarm_rate": float}
        return Signature((images, files), outputs, 4, rates | evidence)
    scores = (TensorSpec(name, "FP64", (-1,)) for name in ("score", "p_value"))
    heatmap = TensorSpec("heatmap", "FP32", _decoded(spec).shape[:3])
    outputs = (*scores, TensorSpec("anomalous", "BOOL", (-1,)), heatmap)
    return Signature((images, files), outputs, 3, {"false_alarm_rate": float})


def requested(request: pb.ModelInferRequest, known: Signature) -> list[TensorSpec]:
    """The outputs to return, in the order of the request. Raises InvalidInput."""
    if not request.outputs:
        return list(known.outputs[: known.defaults])
    specs = {spec.name: spec for spec in known.outputs}
    wanted: dict[str, TensorSpec] = {}
    for output in request.outputs:
        if output.name not in specs:
            raise InvalidInput(
                f"there is no output {shown(output.name)}, expected some of {', '.join(specs)}"
            )
        if output.name in wanted:
            raise InvalidInput(f"output {output.name!r} is requested twice")
        wanted[output.name] = specs[output.name]
    return list(wanted.values())


def model_metadata(
    name: str, loaded: LoadedModel, task: Task, versions: Sequence[str]
) -> pb.ModelMetadataResponse:
    """The description of a model, under the name that the client knows it by."""
    known = signature(loaded, task)
    return pb.ModelMetadataResponse(
        name=name,
        versions=versions,
        platform=_PLATFORM,
        inputs=map(_described, known.inputs),
        outputs=map(_described, known.outputs),
    )


def server_metadata() -> pb.ServerMetadataResponse:
    """Name and version of this software."""
    try:
        installed = version("residuum")
    except PackageNotFoundError:  # run from a checkout
        installed = "unknown"
    return pb.ServerMetadataResponse(name="residuum", version=installed)


def _described(spec: TensorSpec) -> pb.ModelMetadataResponse.TensorMetadata:
    return pb.ModelMetadataResponse.TensorMetadata(
        name=spec.name, datatype=spec.datatype, shape=spec.shape
    )


def _images(spec: InputSpec) -> TensorSpec:
    """Images `[N, H, W, C]` as a model takes them: of any size, if it fits them to its own."""
    size = (spec.height or -1, spec.width or -1) if spec.fit == "exact" else (-1, -1)
    return TensorSpec("image", "UINT8", (-1, *size, spec.channels))


def _decoded(spec: InputSpec) -> TensorSpec:
    """Images `[N, H, W, C]` as a model returns them, in their size or in its own."""
    size = (-1, -1) if spec.sized else (spec.height or -1, spec.width or -1)
    return TensorSpec("image", "UINT8", (-1, *size, spec.channels))


def _codes_shape(latent: LatentSpec, spec: InputSpec) -> tuple[int, ...]:
    """Codes `[N, R, D, h, w]` of R tiles."""
    tiles = -1 if spec.fit == "tile" else 1
    return (-1, tiles, latent.dims, *(latent.grid or (-1, -1)))

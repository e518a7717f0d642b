"""The two ONNX graphs of a trained network, and how far they are from it.

The graphs include pixel scaling and the codebook.
"""

import io
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn
from torch.export import Dim

from codec.arrays import F32, U8
from codec.errors import BundleError
from codec.graphs.protocol import Graphs
from codec.quantise import quantise
from training.models import GaussianModel, IndexModel, Model
from training.models.base import append_rate_channel

OPSET = 20
# Size of the example inputs: images, and cells of one stride along each side.
EXAMPLE_BATCH, EXAMPLE_CELLS = 2, 4
# Larger errors mean that the graphs are not the network. A latent halfway between two codes can be
# rounded either way, so a few codes of a good graph differ.
MAX_LATENT_ERROR, MAX_PIXEL_ERROR, MIN_EQUAL_CODES = 1e-3, 1e-3, 0.99


class GaussianEncoder(nn.Module):
    """x uint8 `[B, C, H, W]` to mu and log_var."""

    def __init__(self, model: GaussianModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mu, log_var = self.model.encode(x.float() / 255.0)
        return mu, log_var


class GaussianDecoder(nn.Module):
    """z, with a rate channel if the model is rate-aware, to x_hat `[B, C, H, W]` in [0, 1]."""

    def __init__(self, model: GaussianModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, z: Tensor) -> Tensor:
        return self.model.decode_latent(z)


class IndexEncoder(nn.Module):
    """x uint8 `[B, C, H, W]` to codes int32 and distance, `[B, G, h, w]` each."""

    def __init__(self, model: IndexModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        codes = self.model.encode(x.float() / 255.0)
        return codes.indices.int(), codes.distance


class IndexDecoder(nn.Module):
    """codes int32 `[B, G, h, w]` to x_hat `[B, C, H, W]` in [0, 1]."""

    def __init__(self, model: IndexModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, codes: Tensor) -> Tensor:
        return self.model.decode_indices(codes.long())


def export_graphs(model: Model) -> tuple[bytes, bytes]:
    """encoder.onnx and decoder.onnx of a network in eval mode, checked by onnx.checker.

    The batch is dynamic, and so are height and width if the network takes images of any size.
    Raises BundleError if torch exports no graph.
    """
    config = model.config
    height = config.height or config.stride * EXAMPLE_CELLS
    width = config.width or config.stride * (EXAMPLE_CELLS + 1)
    x = torch.zeros(EXAMPLE_BATCH, config.channels, height, width, dtype=torch.uint8)
    free_size = config.height == 0
    image = _image_shape(model, free_size)
    latent = {0: "batch", 2: "rows", 3: "columns"} if free_size else {0: "batch"}
    with torch.no_grad():
        if isinstance(model, IndexModel):
            codes = model.encode(x.float()).indices.int()
            encoder = to_onnx(IndexEncoder(model), {"x": (x, image)}, ["codes", "distance"])
            return encoder, to_onnx(IndexDecoder(model), {"codes": (codes, latent)}, ["x_hat"])
        z = model.encode(x.float()).mu
        z = append_rate_channel(z, None) if config.rate_aware else z
        encoder = to_onnx(GaussianEncoder(model), {"x": (x, image)}, ["mu", "log_var"])
        return encoder, to_onnx(GaussianDecoder(model), {"z": (z, latent)}, ["x_hat"])


def _image_shape(model: Model, free_size: bool) -> Mapping[int, object]:
    if not free_size:
        return {0: "batch"}
    # torch has to know that the sides are multiples of the stride.
    stride = model.config.stride
    return {0: "batch", 2: stride * Dim("rows", max=2048), 3: stride * Dim("columns", max=2048)}


def to_onnx(
    module: nn.Module,
    inputs: Mapping[str, tuple[Tensor, Mapping[int, object]]],
    outputs: list[str],
) -> bytes:
    """A module in eval mode as an ONNX file, checked by onnx.checker.

    `inputs` are, by name, an example and its dynamic dimensions. Raises BundleError.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch and onnxscript warn about their own internals
        program = torch.onnx.export(
            module.eval(),
            tuple(example for example, _ in inputs.values()),
            input_names=list(inputs),
            output_names=outputs,
            dynamic_shapes=tuple(shape for _, shape in inputs.values()),
            dynamo=True,
            opset_version=OPSET,
            verbose=False,
        )
    if program is None:
        raise BundleError("torch.onnx.export returned no graph")
    out = io.BytesIO()
    onnx.save_model(_without_paths(program.model_proto), out)
    onnx.checker.check_model(out.getvalue(), full_check=True)
    return out.getvalue()


def _without_paths(graph: onnx.ModelProto) -> onnx.ModelProto:
    """The graph without stack traces.

    They contain paths of the exporting machine and make up most of a small file.
    """
    del graph.metadata_props[:]
    for node in graph.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*graph.graph.value_info, *graph.graph.input, *graph.graph.output):
        del value.metadata_props[:]
    for tensor in graph.graph.initializer:
        del tensor.metadata_props[:]
    del graph.graph.metadata_props[:]
    return graph


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """Largest absolute differences between torch and onnxruntime over held-out images.

    `latent_error` is None where the latents are indices; `equal_codes` is a share.
    """

    images: int
    latent_error: float | None
    pixel_error: float
    equal_codes: float

    def to_json(self) -> dict[str, Any]:
        """For the manifest's provenance."""
        return asdict(self)

    def sentence(self) -> str:
        """For the log."""
        codes = f"parity over {self.images} images: {self.equal_codes:.2%} of the codes are equal"
        latents = "" if self.latent_error is None else f", latents within {self.latent_error:.1e}"
        return f"{codes}{latents}, pixels within {self.pixel_error:.1e}"


def measure_parity(model: Model, graphs: Graphs, x: U8, step: F32) -> Parity:
    """Compares graphs and network on a batch `[B, C, H, W]`; the step `[D]` gives the codes.

    Raises BundleError if they differ by more than rounding.
    """
    with torch.no_grad(), np.errstate(invalid="ignore"):
        tensor = torch.from_numpy(x).float() / 255.0
        latents, _ = graphs.encode(x)
        if isinstance(model, IndexModel):
            expected = model.encode(tensor).indices.numpy()
            y = model.decode_indices(torch.from_numpy(expected)).numpy()
            equal = float((expected == latents).mean())
            decoded = graphs.decode(expected.astype(np.int32))
            latent_error = None
        else:
            mu = model.encode(tensor).mu
            y = model.decode(mu).numpy()
            equal = float((quantise(mu.numpy(), step) == quantise(latents, step)).mean())
            z = append_rate_channel(mu, None) if model.config.rate_aware else mu
            decoded = graphs.decode(z.numpy())
            latent_error = float(np.abs(mu.numpy() - latents).max())
    parity = Parity(
        images=len(x),
        latent_error=latent_error,
        pixel_error=float(np.abs(y - decoded).max()),
        equal_codes=equal,
    )
    # Written so that NaN fails too.
    if not (
        (latent_error is None or latent_error <= MAX_LATENT_ERROR)
        and parity.pixel_error <= MAX_PIXEL_ERROR
        and parity.equal_codes >= MIN_EQUAL_CODES
    ):
        raise BundleError(f"the exported graphs differ from the network: {parity}")
    return parity

"""The graphs of a bundle on onnxruntime, which only this module imports."""

import functools
import logging
import os
from typing import Any, Literal

# Must be set before the import, or the wheels of onnxruntime report usage to their vendor.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime as ort

from codec.arrays import F32, U8, Array
from codec.bundle.bundle import Bundle
from codec.bundle.manifest import Kind
from codec.errors import BundleError, InvalidInput
from codec.graphs.padded_batches import Function, PaddedBatches
from codec.graphs.protocol import MAX_THREADS

_log = logging.getLogger(__name__)

Provider = Literal["auto", "cpu", "cuda"]
_NAMES = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_OUTPUTS: dict[Kind, list[str]] = {"gaussian": ["mu", "log_var"], "indices": ["codes", "distance"]}
_DECODER_INPUT: dict[Kind, str] = {"gaussian": "z", "indices": "codes"}
# TF32 rounds to 10 bits: one in 5,000 to 7,000 symbols would differ from those of a CPU, and a code
# would depend on the batch that its image was in. The default search of cuDNN benchmarks every
# new input shape for up to a second.
_CUDA_OPTIONS = {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"}
# Batch sizes with CUDA, to which other batches are padded. A session plans its convolutions anew,
# for 15 to 25 ms, whenever the batch size changes, so each size has its own session.
_SIZES = (1, 4, 16, 64, 256)


class OnnxGraphs:
    """The graphs of a bundle; thread-safe. `provider` is "cpu" or "cuda"."""

    def __init__(self, bundle: Bundle, provider: Provider, threads: int) -> None:
        kind = bundle.manifest.latent.kind
        self.provider = _choose(provider)
        open_graph = functools.partial(_Graph, provider=self.provider, threads=threads)
        self._encoder = open_graph(bundle.encoder, "encoder.onnx", "x", _OUTPUTS[kind])
        self._decoder = open_graph(bundle.decoder, "decoder.onnx", _DECODER_INPUT[kind], ["x_hat"])
        self._segmenter: _Graph | None = None
        if bundle.segmenter is not None:
            self._segmenter = open_graph(bundle.segmenter, "segmenter.onnx", "x", ["logit"])
        channels, taken = bundle.manifest.input.channels, self._encoder.input_shape[1]
        if isinstance(taken, int) and taken != channels:
            raise BundleError(f"encoder.onnx takes {taken} channels, the manifest says {channels}")

    def encode(self, x: U8) -> tuple[Array, Array]:
        """Runs the encoder on x `[B, C, H, W]` uint8.

        Returns (mu, log_var), `[B, D]` or `[B, D, h, w]` float32 each, or (codes int32, distance
        float32), `[B, D, h, w]` each.
        """
        first, second = self._encoder(x)
        return first, second

    def decode(self, latent: Array) -> F32:
        """Runs the decoder on latents float32 or codes int32: x_hat `[B, C, H, W]` in [0, 1]."""
        x_hat: F32 = self._decoder(latent)[0]
        return x_hat

    def segment(self, x: U8) -> F32:
        """Runs the segmenter on x `[B, C, H, W]` uint8: logits `[B, H, W]`.

        Raises BundleError if the bundle has none.
        """
        if self._segmenter is None:
            raise BundleError("the bundle has no segmenter.onnx")
        logits: F32 = self._segmenter(x)[0]
        return logits


def open_graphs(bundle: Bundle, provider: Provider = "auto", threads: int = 1) -> OnnxGraphs:
    """Opens the graphs of a bundle; `threads` are CPU threads per graph.

    `auto` uses CUDA if it works, and otherwise the CPU, with a warning in the log if there is CUDA.
    `cuda` fails if CUDA does not work; onnxruntime would use the CPU without a word. Raises
    InvalidInput for the provider or the threads, BundleError for the graphs.
    """
    if not 1 <= threads <= MAX_THREADS:
        raise InvalidInput(f"threads is {threads}, expected 1 to {MAX_THREADS}")
    if provider == "auto" and _NAMES["cuda"] in ort.get_available_providers():
        try:
            return OnnxGraphs(bundle, "cuda", threads)
        except (BundleError, InvalidInput) as error:
            _log.warning("%s; using the CPU", error)
            return OnnxGraphs(bundle, "cpu", threads)
    return OnnxGraphs(bundle, provider, threads)


def _choose(provider: str) -> str:
    if provider not in ("auto", *_NAMES):
        raise InvalidInput(f"provider {provider!r}, expected auto, cpu or cuda")
    wanted = "cpu" if provider == "auto" else provider
    if _NAMES[wanted] not in ort.get_available_providers():
        raise InvalidInput(
            f"provider {wanted!r} is not in this onnxruntime; install onnxruntime-gpu for cuda"
        )
    return wanted


class _Graph:
    """A graph with one input; with CUDA in a session for each batch size."""

    def __init__(
        self, graph: bytes, name: str, given: str, wanted: list[str], *, provider: str, threads: int
    ) -> None:
        self._given, self._wanted = given, wanted
        session = _session(graph, name, provider, threads)
        _expect(session, name, [given], wanted)
        self.input_shape = session.get_inputs()[0].shape
        self._call: Function = functools.partial(self._run, session)
        if provider == "cuda":
            sessions = [session, *(_session(graph, name, provider, threads) for _ in _SIZES[1:])]
            calls = [functools.partial(self._run, one) for one in sessions]
            self._call = PaddedBatches(dict(zip(_SIZES, calls, strict=True)))

    def __call__(self, x: Array) -> list[Array]:
        """The outputs for an input `[B, ...]`, each `[B, ...]`."""
        return self._call(x)

    def _run(self, session: ort.InferenceSession, x: Array) -> list[Array]:
        outputs: list[Array] = session.run(self._wanted, {self._given: x})
        return outputs


def _session(graph: bytes, name: str, provider: str, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # Spinning threads take ten times the CPU time of calls that come now and then.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if provider == "cuda":
        ort.preload_dlls()  # of the nvidia wheels, which are on no loader path
    # Onnxruntime computes shapes on the CPU in any case, so other providers cannot be ruled out.
    providers: list[Any] = [(_NAMES[provider], _CUDA_OPTIONS if provider == "cuda" else {})]
    try:
        session = ort.InferenceSession(graph, options, providers=providers)
    except Exception as error:
        raise BundleError(f"{name} cannot be run on {provider}: {_first_line(error)}") from error
    if _NAMES[provider] not in session.get_providers():
        raise BundleError(f"{name} runs on {session.get_providers()}, {provider} was asked for")
    return session


def _expect(
    session: ort.InferenceSession, name: str, inputs: list[str], outputs: list[str]
) -> None:
    takes = [one.name for one in session.get_inputs()]
    gives = [one.name for one in session.get_outputs()]
    if (takes, gives) != (inputs, outputs):
        raise BundleError(f"{name} maps {takes} to {gives}, expected {inputs} to {outputs}")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]

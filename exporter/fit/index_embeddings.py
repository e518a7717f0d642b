"""Learns an embedding of the index of each neighbour, as a predictor of the next index.

A log-linear model, `P(i) ~ exp(u_i . h + b_i)`, is fitted by stochastic gradients. The context h is
the sum of a vector for each neighbour's index and of one for the position. Because h is short, all
neighbours can contribute; a table over their combinations would need more images than there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from codec.arrays import F32, F64, I16, I32, I64
from codec.priors.index_map import MAX_DISTANCE

# Index maps `[N, D, h, w]`, one array for each size.
Maps = Sequence[I32]
# Lines and columns of neighbours.
STEPS = ((0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0))
# From MANY_DIMS dimensions on, a neighbour counts in its own dimension only, and at the same
# position only the last EARLIER dimensions count.
MANY_DIMS, EARLIER = 6, 4
# Length of a context. It is shorter if the vectors of a large codebook would exceed VECTOR_BYTES.
WIDTH, VECTOR_BYTES = 16, 2**21
# Positions to learn from, of up to four dimensions together; of more, each has a quarter.
POSITIONS = 400_000
# Every tenth image is held out.
HELD_OUT = 10
EPOCHS, LARGEST_BATCH, LEARNING_RATE = 3, 1024, 1e-2


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Positions drawn from maps.

    `vectors [n, S + 1]` are the rows of the embedding table that are summed, the last of them that
    of the position; `index [n]` is what they predict; `held_out [n]` marks held-out images.
    """

    vectors: I64
    index: I64
    held_out: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class ContextModel:
    """`embeddings [S (K + 1) + a b, M]`, `directions [K, M]`, `bias [K]`."""

    embeddings: F32
    directions: F32
    bias: F32

    def contexts(self, vectors: I64) -> F32:
        """Contexts `[n, M]` of vectors `[n, S + 1]`."""
        return np.asarray(sum(self.embeddings[column] for column in vectors.T), np.float32)

    def probabilities(self, contexts: F32) -> F32:
        """Probabilities `[n, K]` of the indices in contexts `[n, M]`."""
        logits = contexts @ self.directions.T + self.bias
        odds = np.exp(logits - logits.max(1, keepdims=True))
        return np.asarray(odds / odds.sum(1, keepdims=True), np.float32)

    def bits(self, contexts: F32, index: I64) -> float:
        """Mean code length, bits, of indices `[n]` in contexts `[n, M]`."""
        total = 0.0
        for first in range(0, len(index), 2**14):
            part = slice(first, first + 2**14)
            p = self.probabilities(contexts[part])[np.arange(len(index[part])), index[part]]
            total -= float(np.log2(np.maximum(p, 1e-30)).sum())
        return total / max(len(index), 1)


def neighbours(dims: int) -> I16:
    """The neighbours `[S, 4]` of all dimensions, as in codec.priors.index_map.Contexts."""
    rows = []
    for dim in range(dims):
        others = range(dims) if dims < MANY_DIMS else (dim,)
        steps = STEPS if dims == 1 else STEPS[:4]
        rows += [(dim, other, *step) for step in steps for other in others]
        earliest = 0 if dims < MANY_DIMS else max(0, dim - EARLIER)
        rows += [(dim, other, 0, 0) for other in range(earliest, dim)]
    return np.array(rows, np.int16)


def context_width(dims: int, codebook: int) -> int:
    """Length M of a context; 0 if the codebook is too large for any."""
    return min(WIDTH, VECTOR_BYTES // (len(neighbours(dims)) * (codebook + 1)))


def draw_samples(maps: Maps, sources: I16, codebook: int, grid: tuple[int, int]) -> Samples:
    """Positions of images drawn evenly from all; `sources [S, 4]` are those of one dimension."""
    total, share = sum(m[:, 0].size for m in maps), min(maps[0].shape[1], 4)
    every = max(1, total * share // POSITIONS)
    parts = [_of_maps(m[::every], sources, codebook, grid) for m in maps]
    vectors, index, image = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Samples(vectors, index, image % HELD_OUT == HELD_OUT - 1)


def _of_maps(maps: I32, sources: I16, codebook: int, grid: tuple[int, int]) -> tuple[I64, I64, I64]:
    """Vectors `[n, S + 1]`, index `[n]` and image number `[n]` of all positions of maps."""
    count, _, height, width = maps.shape
    edge = ((0, 0), (0, 0), (MAX_DISTANCE, 0), (MAX_DISTANCE, MAX_DISTANCE))
    padded = np.pad(maps, edge, constant_values=codebook)
    columns = []
    for k, (_, source, down, right) in enumerate(sources.tolist()):
        top, left = MAX_DISTANCE + down, MAX_DISTANCE + right
        neighbour = padded[:, source, top : top + height, left : left + width]
        columns.append(neighbour.astype(np.int64) + k * (codebook + 1))
    line = np.minimum(np.arange(height), grid[0] - 1)
    column = np.minimum(np.arange(width), grid[1] - 1)
    position = len(sources) * (codebook + 1) + line[:, None] * grid[1] + column
    columns.append(np.broadcast_to(position, (count, height, width)))
    index = maps[:, int(sources[0, 0])].astype(np.int64)
    image = np.repeat(np.arange(count), height * width)
    return np.stack(columns, -1).reshape(-1, len(columns)), index.ravel(), image


def learn(samples: Samples, codebook: int, rows: int, width: int) -> ContextModel:
    """The model of embeddings `[rows, width]` that fits the samples that are not held out."""
    vectors, index = (
        torch.from_numpy(a[~samples.held_out]) for a in (samples.vectors, samples.index)
    )
    generator = torch.Generator().manual_seed(len(index))
    parameters = _initial_parameters(index, codebook, (rows, width), generator)
    embeddings, directions, bias = parameters
    batch = min(LARGEST_BATCH, max(32, len(index) // 100))
    steps = max(1, EPOCHS * (len(index) // batch))
    optimiser = torch.optim.Adam(parameters, lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps + 1)
    order = torch.zeros(0, dtype=torch.long)
    for _ in range(steps):
        if len(order) < batch:
            order = torch.randperm(len(index), generator=generator)
        chosen, order = order[:batch], order[batch:]
        contexts = functional.embedding(vectors[chosen], embeddings).sum(1)
        loss = functional.cross_entropy(contexts @ directions.T + bias, index[chosen])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    return ContextModel(*(part.detach().numpy() for part in parameters))


def _initial_parameters(
    index: Tensor, codebook: int, shape: tuple[int, int], generator: torch.Generator
) -> list[nn.Parameter]:
    embeddings = 0.02 * torch.randn(shape, generator=generator)
    directions = torch.randn(codebook, shape[1], generator=generator) / WIDTH**0.5
    bias = torch.log(torch.bincount(index, minlength=codebook) + 0.5)
    return [nn.Parameter(part) for part in (embeddings, directions, bias - bias.mean())]


def shrink(model: ContextModel, samples: Samples) -> ContextModel:
    """The model with contexts scaled by the factor that codes held-out images best."""
    held_out = samples.held_out if samples.held_out.any() else ~samples.held_out
    contexts, index = model.contexts(samples.vectors[held_out]), samples.index[held_out]
    best = min((0.0, 0.5, 0.75, 1.0), key=lambda factor: model.bits(factor * contexts, index))
    return ContextModel(np.float32(best) * model.embeddings, model.directions, model.bias)


def fisher_information(model: ContextModel, context: F32) -> F64:
    """`[M, M]` at a context `[M]`: a small step d costs d' F d / 2 nats."""
    p = model.probabilities(context[None])[0].astype(np.float64)
    directions = model.directions.astype(np.float64)
    mean = p @ directions
    return np.asarray((directions.T * p) @ directions - np.outer(mean, mean))

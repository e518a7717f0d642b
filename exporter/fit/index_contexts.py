"""Learns what each neighbour of an index says about it.

A log-linear model, `P(i) ~ exp(u_i . h + b_i)` with h the sum of a vector per neighbour and of one
for the position, is fitted by stochastic gradients. Because h has few components, all neighbours
can speak at once, where a table over their combinations would need more images than there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from codec.priors.index_map import I16, MAX_DISTANCE
from codec.priors.tables import F64, I64
from codec.quantise import F32, I32

Maps = Sequence[I32]
"""index maps `[N, D, h, w]`, one array for each size"""
STEPS = ((0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0))
"""lines and columns of neighbours"""
MANY_DIMS, LATEST = 6, 4
"""dimensions from which on a neighbour's other dimensions are left out, and how many earlier ones
of the same position are heard then"""
WIDTH, VECTOR_BYTES = 16, 2**21
"""components of a context, fewer where a codebook is so large that its vectors would be more"""
POSITIONS = 400_000
"""that are looked at, of all dimensions together, and of each a quarter of it if there are many"""
HELD_OUT = 10
"""each tenth image"""
EPOCHS, LARGEST_BATCH, RATE = 3, 1024, 1e-2


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Positions drawn from maps: `rows [n, S + 1]`, which vectors make up the context, the last of
    them the position's; `index [n]`; `held_out [n]`, whether it belongs to a held-out image.
    """

    rows: I64
    index: I64
    held_out: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """`vectors [S (K + 1) + a b, M]`, `directions [K, M]`, `bias [K]`."""

    vectors: F32
    directions: F32
    bias: F32

    def contexts(self, rows: I64) -> F32:
        """`[n, M]`."""
        return np.asarray(sum(self.vectors[column] for column in rows.T), np.float32)

    def probabilities(self, contexts: F32) -> F32:
        """`[n, K]`."""
        logits = contexts @ self.directions.T + self.bias
        odds = np.exp(logits - logits.max(1, keepdims=True))
        return np.asarray(odds / odds.sum(1, keepdims=True), np.float32)

    def bits(self, contexts: F32, index: I64) -> float:
        """Mean code length, bits."""
        total = 0.0
        for first in range(0, len(index), 2**14):
            part = slice(first, first + 2**14)
            p = self.probabilities(contexts[part])[np.arange(len(index[part])), index[part]]
            total -= float(np.log2(np.maximum(p, 1e-30)).sum())
        return total / max(len(index), 1)


def sources(dims: int) -> I16:
    """The neighbours `[S, 4]` that codec.priors.index_map.Contexts describes."""
    found = []
    for dim in range(dims):
        others = range(dims) if dims < MANY_DIMS else (dim,)
        found += [
            (dim, other, *step) for step in STEPS[: 6 if dims == 1 else 4] for other in others
        ]
        found += [
            (dim, other, 0, 0) for other in range(dim) if dims < MANY_DIMS or other >= dim - LATEST
        ]
    return np.array(found, np.int16)


def context_width(dims: int, codebook: int) -> int:
    """M; 0 if the codebook is too large for any."""
    return min(WIDTH, VECTOR_BYTES // (len(sources(dims)) * (codebook + 1)))


def samples(maps: Maps, heard: I16, codebook: int, grid: tuple[int, int]) -> Samples:
    """Positions of images drawn evenly from all; `heard [S, 4]` are the sources of a dimension."""
    total, share = sum(m[:, 0].size for m in maps), min(maps[0].shape[1], 4)
    every = max(1, total * share // POSITIONS)
    parts = [_of_maps(m[::every], heard, codebook, grid) for m in maps]
    rows, index, number = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Samples(rows, index, number % HELD_OUT == HELD_OUT - 1)


def _of_maps(maps: I32, heard: I16, codebook: int, grid: tuple[int, int]) -> tuple[I64, I64, I64]:
    count, _, height, width = maps.shape
    edge = ((0, 0), (0, 0), (MAX_DISTANCE, 0), (MAX_DISTANCE, MAX_DISTANCE))
    padded = np.pad(maps, edge, constant_values=codebook)
    columns = []
    for k, (_, source, down, right) in enumerate(heard.tolist()):
        top, left = MAX_DISTANCE + down, MAX_DISTANCE + right
        neighbour = padded[:, source, top : top + height, left : left + width]
        columns.append(neighbour.astype(np.int64) + k * (codebook + 1))
    line, column = (
        np.minimum(np.arange(height), grid[0] - 1),
        np.minimum(np.arange(width), grid[1] - 1),
    )
    position = len(heard) * (codebook + 1) + line[:, None] * grid[1] + column
    columns.append(np.broadcast_to(position, (count, height, width)))
    index = maps[:, int(heard[0, 0])].astype(np.int64)
    number = np.repeat(np.arange(count), height * width)
    return np.stack(columns, -1).reshape(-1, len(columns)), index.ravel(), number


def learn(drawn: Samples, codebook: int, vectors: int, width: int) -> Model:
    """The model that fits the samples that are not held out."""
    rows, index = (torch.from_numpy(a[~drawn.held_out]) for a in (drawn.rows, drawn.index))
    generator = torch.Generator().manual_seed(len(index))
    model = _start(index, codebook, (vectors, width), generator)
    batch = min(LARGEST_BATCH, max(32, len(index) // 100))
    steps = max(1, EPOCHS * (len(index) // batch))
    optimiser = torch.optim.Adam(model, lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps + 1)
    order = torch.zeros(0, dtype=torch.long)
    for _ in range(steps):
        if len(order) < batch:
            order = torch.randperm(len(index), generator=generator)
        chosen, order = order[:batch], order[batch:]
        table, directions, bias = model
        contexts = functional.embedding(rows[chosen], table).sum(1)
        loss = functional.cross_entropy(contexts @ directions.T + bias, index[chosen])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    return Model(*(part.detach().numpy() for part in model))


def _start(
    index: Tensor, codebook: int, shape: tuple[int, int], generator: torch.Generator
) -> list[nn.Parameter]:
    table = 0.02 * torch.randn(shape, generator=generator)
    directions = torch.randn(codebook, shape[1], generator=generator) / WIDTH**0.5
    bias = torch.log(torch.bincount(index, minlength=codebook) + 0.5)
    return [nn.Parameter(part) for part in (table, directions, bias - bias.mean())]


def shrunk(model: Model, drawn: Samples) -> Model:
    """The model with its contexts made smaller by as much as held-out images ask for."""
    held = drawn.held_out if drawn.held_out.any() else ~drawn.held_out
    contexts, index = model.contexts(drawn.rows[held]), drawn.index[held]
    best = min((0.0, 0.5, 0.75, 1.0), key=lambda part: model.bits(part * contexts, index))
    return Model(np.float32(best) * model.vectors, model.directions, model.bias)


def metric(model: Model, context: F32) -> F64:
    """Fisher information `[M, M]` of a context: nats that a step in it costs, twice."""
    p = model.probabilities(context[None])[0].astype(np.float64)
    directions = model.directions.astype(np.float64)
    mean = p @ directions
    return np.asarray((directions.T * p) @ directions - np.outer(mean, mean))

"""Several processes that train one network, each on its rows of every batch.

All processes hold the same weights and draw the same random numbers, for the whole batch. The loss
of the whole batch is the mean of the losses of the processes, so gradients are averaged. Terms that
couple the images of a batch (batch normalisation, the optimal variance, a codebook, a regulariser
of the aggregate posterior) use the sums below, through which gradients flow.

DistributedDataParallel does not fit: it reduces gradients only through `forward`, not through
`encode` and `decode`, and does not work with the `torch.autograd.grad` of the contraction penalty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm

from training.errors import TrainingError

# Time limit of a collective call: the others wait while process 0 validates, draws and writes.
LONGEST_WAIT = timedelta(hours=2)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """Process `rank` of `size`. In a single process every method is the identity."""

    rank: int = 0
    size: int = 1

    def rows(self, count: int) -> slice:
        """The rows of this process in a batch of `count` images."""
        own = count // self.size
        return slice(self.rank * own, (self.rank + 1) * own)

    def mean(self, tensor: Tensor) -> Tensor:
        """The mean over the processes, a tensor of the same shape."""
        if self.size == 1:
            return tensor
        mean: Tensor = all_sum(tensor) / self.size
        return mean

    def gather(self, tensor: Tensor) -> Tensor:
        """[B / size, ...] of each process to [B, ...] of the whole batch."""
        if self.size == 1:
            return tensor
        blocks = [torch.zeros_like(tensor) for _ in range(self.size)]
        blocks[self.rank] = tensor
        whole: Tensor = all_sum(torch.cat(blocks))
        return whole

    def normal_like(self, tensor: Tensor, generator: torch.Generator | None) -> Tensor:
        """Standard normal noise for the rows of this process, a part of that of the whole batch."""
        if self.size == 1:
            return torch.empty_like(tensor).normal_(generator=generator)
        whole = torch.cat([tensor.detach()] * self.size)
        return whole.normal_(generator=generator)[self.rows(len(whole))]

    @torch.no_grad()
    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replaces every gradient by its mean over the processes."""
        if self.size == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = self.mean(torch.cat([gradient.flatten() for gradient in gradients]))
        parts = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view(gradient.shape))

    def broadcast(self, compute: Callable[[], T]) -> T:
        """Calls `compute` in process 0 only and returns its result in all processes."""
        box = [compute() if self.rank == 0 else None]
        if self.size > 1:
            with _all_needed():
                distributed.broadcast_object_list(box, src=0)
        result: Any = box[0]
        return cast(T, result)

    def any(self, flag: bool, device: torch.device) -> bool:
        """True if the flag is set in at least one process."""
        if self.size == 1:
            return flag
        return bool(all_sum(torch.tensor(float(flag), device=device)) > 0)

    def wait(self) -> None:
        """Waits until all processes have reached this call."""
        if self.size > 1:
            with _all_needed():
                distributed.barrier()


SINGLE_PROCESS = ProcessGroup()


def join(device: torch.device) -> ProcessGroup:
    """Joins the process group of torchrun."""
    distributed.init_process_group(
        "nccl" if device.type == "cuda" else "gloo", timeout=LONGEST_WAIT
    )
    return ProcessGroup(distributed.get_rank(), distributed.get_world_size())


def leave() -> None:
    """Leaves the process group, if this process has joined one."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def check_batch_size(group: ProcessGroup, batch_size: int) -> None:
    """Raises TrainingError unless all processes get equal parts of a batch."""
    if batch_size % group.size:
        raise TrainingError(
            f"batch_size is {batch_size}, which {group.size} processes cannot share; "
            f"a multiple of {group.size} expected"
        )


@contextmanager
def _all_needed() -> Iterator[None]:
    """Raises TrainingError if another process has ended; that process reports the reason."""
    try:
        yield
    except RuntimeError as error:
        raise TrainingError("another process of this run has ended") from error


class _Sum(torch.autograd.Function):
    """The sum over all processes, with the same sum of the gradients."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:  # noqa: ARG004
        total = tensor.clone()
        with _all_needed():
            distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ARG004
        total: Tensor = all_sum(gradients[0])
        return total


@torch.compiler.disable  # type: ignore[untyped-decorator]
def all_sum(tensor: Tensor) -> Tensor:
    """The sum of a tensor over all processes, through which gradients flow."""
    total: Tensor = _Sum.apply(tensor)  # type: ignore[no-untyped-call]
    return total


class SharedBatchNorm(_BatchNorm):
    """Batch normalisation over the batch of all processes, on any device (Ioffe & Szegedy 2015)."""

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, norm: _BatchNorm, group: ProcessGroup) -> None:
        """Uses the parameters and statistics of `norm`."""
        super().__init__(norm.num_features, norm.eps, norm.momentum, affine=norm.affine)
        self.group = group
        self._parameters, self._buffers = norm._parameters, norm._buffers

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002
        """Accepts any number of dimensions from 2 on."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """[B, C, ...] to the same shape."""
        if not self.training:
            return super().forward(input)
        x = input.float()
        dims = [0, *range(2, x.dim())]
        mean = self.group.mean(x.mean(dims, keepdim=True))
        centred = x - mean
        variance = self.group.mean((centred**2).mean(dims, keepdim=True))
        self._remember(mean.flatten(), variance.flatten(), self.group.size * x[:, 0].numel())
        out = centred * torch.rsqrt(variance + self.eps)
        if self.affine:
            shape = mean.shape
            out = out * self.weight.view(shape) + self.bias.view(shape)
        return out.to(input.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: int) -> None:
        momentum = self.momentum or 0.0
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance * (count / (count - 1)), momentum)
        self.num_batches_tracked += 1


def share_statistics(model: nn.Module, group: ProcessGroup) -> None:
    """Replaces the batch normalisations of a model by ones over the batches of all processes."""
    if group.size == 1:
        return
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, _BatchNorm):
                setattr(module, name, SharedBatchNorm(child, group))

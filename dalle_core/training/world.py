"""Training in several processes, on several GPUs or machines: each takes its share of every batch.

One process is a world of one, in which nothing here does anything. Started by torchrun; what a step computes is what
one process would compute on the whole batch, up to the rounding of sums.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from dalle_core.errors import TrainingError


@dataclass(frozen=True)
class World:
    """`rank` of `size` processes; the first one writes what is kept."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def share(self, batch: int) -> slice:
        """The part of a batch that this process takes. Raises TrainingError where it cannot be shared evenly."""
        if batch % self.size:
            raise TrainingError(f"a batch of {batch} cannot be shared evenly by {self.size} processes")
        each = batch // self.size
        return slice(self.rank * each, (self.rank + 1) * each)

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Make each tensor, in place, the mean of all processes' own."""
        if self.size > 1:
            for tensor in tensors:
                dist.all_reduce(tensor)
                tensor /= self.size

    def mean(self, value: Tensor) -> Tensor:
        """The mean of all processes' values, without a gradient."""
        result = value.detach().clone()
        self.average([result])
        return result

    def gather(self, rows: Tensor) -> Tensor:
        """(b, …) of each process → (size · b, …) of all, in order of rank; gradients go back too."""
        if self.size == 1:
            return rows
        from torch.distributed.nn.functional import all_gather

        return torch.cat(all_gather(rows))  # type: ignore[no-untyped-call]


ALONE = World()


@contextlib.contextmanager
def joined(device: torch.device) -> Iterator[World]:
    """The world that torchrun started this process in, or a world of one. On CUDA each process takes its own GPU.

    Who is in it already stays in it.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ALONE
        return
    if dist.is_initialized():
        yield World(dist.get_rank(), dist.get_world_size())
        return
    if device.type == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield World(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()

"""The processes that compute one run together: exact exchanges over torch.distributed.

Integers are added and floats compared as integers in the same order, so no exchange rounds and
none depends on how many processes there are or who comes first. A sum over all processes is the
sum that one process would have, which the validator has bounded: int64 does not overflow.
"""

from collections.abc import Sequence
from datetime import timedelta
from types import TracebackType

import torch
import torch.distributed as dist
from torch import Tensor

from offchain.kernels.maps import canonicalize, compute_floats, compute_sortable
from offchain.runner.parts import Ranks

WAIT = timedelta(minutes=10)  # for a process that is alive and does not answer


class UnevenBatch(ValueError):
    """The batch cannot be divided among so many processes."""


class RanksDisagree(RuntimeError):
    """Processes of one run hold different bits: other inputs, or a machine that errs."""


class Group:
    """This process and the others of its run, as torchrun started them."""

    def __init__(self, device: torch.device):
        """Meet the others: by nccl where each has a CUDA device of its own, else by gloo."""
        self.device = device
        if device.type == "cuda":
            torch.cuda.set_device(device)
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=WAIT)
        self.ranks = Ranks(dist.get_world_size(), dist.get_rank())

    def __enter__(self) -> "Group":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # After an error the others may be in the middle of an exchange that nobody will finish,
        # which nccl would wait for; gloo's threads may abort the process unless they end first.
        if error is None or self.device.type != "cuda":
            dist.destroy_process_group()

    @property
    def is_first(self) -> bool:
        """Whether this process speaks and writes for all."""
        return self.ranks.rank == 0

    def compute_rows(self, rows: int) -> range:
        """This process's rows of a batch of so many. Raises UnevenBatch."""
        count, rank = self.ranks.count, self.ranks.rank
        if rows % count:
            raise UnevenBatch(f"a batch of {rows} rows cannot be divided among {count} processes")
        return range(rows // count * rank, rows // count * (rank + 1))

    def gather(self, own: Tensor, period: int) -> Tensor:
        """The whole tensor, flat, of which every process holds a part of each period."""
        own = own.contiguous().reshape(-1)
        parts = [torch.empty_like(own) for _ in range(self.ranks.count)]
        dist.all_gather(parts, own)
        count = self.ranks.count
        return torch.stack(parts).reshape(count, -1, period // count).transpose(0, 1).reshape(-1)

    def combine(self, partial: Tensor) -> Tensor:
        """Sums of integers, maxima of floats (NaN if any is), over all processes."""
        if partial.dtype is not torch.float32:
            partial = partial.contiguous()
            dist.all_reduce(partial, dist.ReduceOp.SUM)
            return partial
        # The canonical NaN is larger than infinity in this order.
        keys = compute_sortable(canonicalize(partial))
        dist.all_reduce(keys, dist.ReduceOp.MAX)
        return compute_floats(keys)

    def share(self, tensor: Tensor) -> Tensor:
        """The first process's tensor; the others give one of its shape."""
        shared = tensor.clone().contiguous()
        dist.broadcast(shared, src=0)
        return shared

    def share_digests(self, digests: Sequence[bytes]) -> list[bytes]:
        """The first process's list of 32-byte digests."""
        count = int(self.share(torch.tensor(len(digests), device=self.device)))
        own = bytes(32 * count) if len(digests) != count else b"".join(digests)
        shared = self.share(self._to_tensor(own)).cpu().numpy().tobytes()
        return [shared[start : start + 32] for start in range(0, len(shared), 32)]

    def check_same(self, what: str, digest: bytes) -> None:
        """Raises RanksDisagree, in every process, unless all hold the same digest."""
        own = self._to_tensor(digest)
        held = self.gather(own, len(own) * self.ranks.count).reshape(-1, len(own))
        for rank in range(1, len(held)):
            if not torch.equal(held[rank], held[0]):
                raise RanksDisagree(f"{what}: process {rank} and process 0 differ")

    def _to_tensor(self, data: bytes) -> Tensor:
        return torch.tensor(list(data), dtype=torch.uint8, device=self.device)

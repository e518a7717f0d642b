"""Binary trees from contexts to table rows: similar contexts share a row.

A context is a vector of integers. Every inner node splits the space of contexts by a plane, every
leaf is a row. Training stops splitting where it has few samples, so a rare context shares the row
of similar ones, and every context has a row.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from codec.arrays import I8, I32, U16, Index
from codec.errors import BundleError
from codec.priors.base import require
from codec.priors.tables import MAX_ROWS

MAX_DEPTH = 64


@dataclass(frozen=True, eq=False)
class ContextTree:
    """`planes [N, M]`, `thresholds [N]`, `branches [N, 2]` of the inner nodes; `roots [D]`.

    A context h goes to branch 1 of a node if `planes . h > threshold`, else to branch 0. A branch
    or a root is a later node, or row r as -1 - r.
    """

    planes: I8
    thresholds: I32
    branches: I32
    roots: I32

    def __post_init__(self) -> None:
        nodes = self.thresholds.size
        require(self.planes, "planes", np.int8, (nodes, int(np.prod(self.planes.shape[1:]))))
        require(self.thresholds, "thresholds", np.int32, (nodes,))
        require(self.branches, "branches", np.int32, (nodes, 2))
        require(self.roots, "roots", np.int32, (max(1, self.roots.size),))
        later = (self.branches < 0) | (self.branches > np.arange(nodes)[:, None])
        if not later.all() or max(self.branches.max(initial=-1), self.roots.max()) >= nodes:
            raise BundleError("tables.npz: a branch of a context tree leads to no later node")
        if nodes > MAX_ROWS or min(self.branches.min(initial=-1), self.roots.min()) < -MAX_ROWS:
            raise BundleError(f"tables.npz: context trees of more than {MAX_ROWS} nodes or rows")
        if self.depth > MAX_DEPTH:
            raise BundleError(
                f"tables.npz: a context tree of depth {self.depth}, expected at most {MAX_DEPTH}"
            )

    @property
    def row_count(self) -> int:
        """Number of table rows that the leaves need."""
        return -int(min(self.branches.min(initial=0), self.roots.min(), 0))

    @cached_property
    def depth(self) -> int:
        """The largest number of inner nodes from a root to a leaf."""
        level = np.zeros(len(self.thresholds) + 1, int)
        for node in range(len(self.thresholds) - 1, -1, -1):
            level[node] = 1 + max(level[branch] for branch in np.maximum(self.branches[node], -1))
        return int(level[np.maximum(self.roots, -1)].max())

    def table_index(self, contexts: I32, dim: int) -> U16:
        """Rows `[...]` of contexts `[..., M]` in the tree of a dimension."""
        planes, thresholds, branches = self._with_leaves
        root, nodes = int(self.roots[dim]), len(self.thresholds)
        at = np.full(contexts.shape[:-1], root if root >= 0 else nodes - 1 - root)
        for _ in range(self.depth):
            # int32 holds it: |h| < 2**16 and at most 64 components of 7 bits.
            right = np.einsum("...m,...m", planes.take(at, 0), contexts) > thresholds.take(at)
            at = branches.take(2 * at + right)
        return (at - nodes).astype(np.uint16)

    @cached_property
    def _with_leaves(self) -> tuple[I8, I32, Index]:
        """Planes, thresholds and branches with row r as node N + r, whose branches lead back to it.

        So all contexts can take `depth` steps, whichever leaf they reach before.
        """
        nodes, rows = len(self.thresholds), self.row_count
        planes = np.concatenate([self.planes, np.zeros((rows, self.planes.shape[1]), np.int8)])
        thresholds = np.concatenate([self.thresholds, np.zeros(rows, np.int32)])
        leaves = np.repeat(np.arange(nodes, nodes + rows), 2).reshape(-1, 2)
        branches = np.where(self.branches < 0, nodes - 1 - self.branches, self.branches)
        return planes, thresholds, np.concatenate([branches, leaves]).ravel()

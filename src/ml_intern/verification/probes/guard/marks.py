"""Tell the samples of training batches apart by a number each. Runs inside the sandbox.

Every batch is marked until several passes over the data brought nothing new; from then on one in eight or so, until
one of these is new. Data that grow later are so found a little later.
"""

from __future__ import annotations

import random

COLUMNS = 64
"""Numbers of a sample that tell it from others, evenly spread."""
MOST = 2_000_000
"""Samples that are marked, at most; with more, those that differ are not counted."""
WAITING = 32
"""Batches that are noted together, at most."""
FIRST_COUNT, PASSES = 1024, 4
"""Marks before the first count of those that differ, and how often the data were passed when they are known."""
LONGEST = 15
"""Batches that pass unmarked once the data are known, at most."""


class Marks:
    """Numbers of the samples; `lost` once there were too many."""

    def __init__(self, torch):
        self.torch = torch
        self.plain, self.is_wrapped = torch.strided, torch._C._functorch.is_functorch_wrapped_tensor
        self.lost = False
        self.noted, self.weights = [], {}
        self.waiting, self.kind = [], None
        self.marked, self.known, self.next_count = 0, 0, FIRST_COUNT
        self.gap, self.is_settled = 0, False
        self.random = random.Random(0)

    def add(self, tensor):
        """Copy what tells the samples of a batch apart, (batch, ...); several batches are noted together later.

        For an operation on a small batch costs as much as one on many.
        """
        if self.lost:
            return
        if self.gap:
            self.gap -= 1
            return
        shape = tensor.shape
        is_plain = tensor.layout == self.plain and not (tensor.is_nested or tensor.is_complex() or tensor.is_meta)
        if not is_plain or self.is_wrapped(tensor) or not tensor.numel():
            return
        kind = shape[1:], tensor.dtype, tensor.device
        if kind != self.kind or len(self.waiting) == WAITING:
            self.note()
            self.kind = kind
        rows = tensor.detach()
        if len(shape) != 2:
            rows = rows.reshape(shape[0], -1)  # (batch, numbers)
        if rows.shape[1] > COLUMNS:
            rows = rows[:, :: -(-rows.shape[1] // COLUMNS)]  # (batch, at most COLUMNS)
        self.waiting.append(rows.clone())  # the same memory may hold the next batch soon
        if self.is_settled:
            self.gap = self.random.randint(0, LONGEST)

    def note(self):
        """Keep a number for each sample that waits, on its device; the same sample has the same."""
        if not self.waiting:
            return
        torch = self.torch
        rows, self.waiting = torch.cat(self.waiting).double(), []
        place = (rows.device, rows.shape[1])
        if place not in self.weights:
            drawn = torch.rand(place[1], generator=torch.Generator().manual_seed(0), dtype=torch.float64)
            self.weights[place] = drawn.to(rows.device)
        # rounded, for the last bit of a product depends on the place of the row
        marks = (rows @ self.weights[place]).float()
        is_here = rows.device.type == "cpu"  # an accelerator would have to stop for a look
        if self.is_settled and is_here and not bool(torch.isin(marks, self.noted[0]).all()):
            self.is_settled, self.next_count = False, 2 * self.marked
        self.noted.append(marks)
        self.marked += len(rows)
        self.lost = self.marked > MOST
        if self.marked >= self.next_count and is_here:
            self.count()

    def count(self):
        """See whether the samples since the last count, as many as before it, brought anything new."""
        self.noted = [self.torch.cat([mark.cpu() for mark in self.noted]).unique()]
        before, self.known = self.known, len(self.noted[0])
        self.is_settled = self.known == before and self.marked >= PASSES * self.known
        self.next_count = 2 * self.marked

    def distinct(self):
        """Count the samples that differ; 0 where that is not known."""
        if self.lost:
            return 0
        self.note()
        if self.noted:
            self.count()
        return self.known

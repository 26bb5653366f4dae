"""See each operation that PyTorch carries out, without loading its compiler first."""

from __future__ import annotations

from torch.utils._python_dispatch import TorchDispatchMode


class Dispatching(TorchDispatchMode):
    """A mode that nothing is compiled under.

    PyTorch hides a mode's method from its compiler, which it imports to do so: that takes as long as importing PyTorch.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

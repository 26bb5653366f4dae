"""Compare the weights that a script saved with the states its training passed through. Runs inside the sandbox.

A state is remembered by the sum of each parameter. Sums are linear: an average of states (EMA, SWA) has sums between
the smallest and the largest seen, which weights of another network have not. Looks are made at a pace, and whenever a
script is about to copy or has evaluated a state: what is saved later was one of those. What is written into the
parameters after an optimizer's last step, by whatever means, is no state of the training unless one of those explains
it: a few numbers, read after every step, tell that something was written.
"""

from __future__ import annotations

import collections
import ctypes
import hashlib
import math
import sys
import time
from pathlib import Path as File

REMEMBERED = 2000
FOLDED = 32
SLACK = 0.1
"""Part of the range of sums that an average may lie outside: not every step was looked at."""
PROBES = 4
"""Numbers read after every step, each of another parameter."""
BITS = {1: ctypes.c_uint8, 2: ctypes.c_uint16, 4: ctypes.c_uint32, 8: ctypes.c_uint64}
WRAPPERS = {"module", "_orig_mod", "_forward_module", "model", "network", "net"}


class Probe:
    """One number of a parameter: its bits where it lies in host memory, for that is quicker by far than `item`."""

    def __init__(self, parameter):
        self.parameter = parameter
        self.number = self.shared()  # keeps the memory alive
        self.kind = BITS.get(self.number.element_size()) if self.number.is_cpu else None
        self.address, self.bits = 0, None

    def shared(self):
        """Give the number as a tensor on the parameter's memory."""
        return self.parameter.detach().reshape(-1)[self.parameter.numel() // 2]

    def read(self):
        """Give what stands there now."""
        if self.kind is None:
            return self.number.item()
        address = self.number.data_ptr()
        if address != self.address:  # as after `share_memory`
            self.address, self.bits = address, self.kind.from_address(address)
        return self.bits.value

    def has_left(self, before):
        """Whether `before` stands there no more, or the parameter has other memory with another number."""
        if self.read() != before:
            return True
        now = self.shared()
        return now.dtype == self.number.dtype and now.item() != self.number.item()


class Path:
    """The way of the parameters of one optimizer through their space; `pace` says when a look is due."""

    def __init__(self, torch, named, pace):
        self.torch = torch
        self.named = named
        self.pace = pace
        self.parameters = [p for _, p in named]
        kinds = {(p.dtype, p.device.type) for p in self.parameters}
        self.is_plain = kinds == {(torch.float32, "cpu")}
        self.low = self.high = None
        self.fresh = []
        self.seen = collections.deque(maxlen=REMEMBERED)
        spread = [p for p in self.parameters if p.numel()][:: -(-len(self.parameters) // PROBES)]
        self.probes = [Probe(p) for p in spread if p.is_contiguous()]
        self.left = None

    def stepped(self):
        """Note what the optimizer left, in a few numbers."""
        self.left = [probe.read() for probe in self.probes]

    def is_written(self):
        """Whether something else than the optimizer has written parameters since its last step."""
        if self.left is None:
            return False
        return any(probe.has_left(number) for probe, number in zip(self.probes, self.left, strict=True))

    def look(self, step, *, is_training=False):
        """Note the sums after `step`; names what is not finite, else an empty list.

        With what was written since the step it is a state of the training only where that goes on from it.
        """
        began = time.thread_time()
        sums = self.sums(self.parameters)
        bad = [] if math.isfinite(sums.sum().item()) else self.bad()
        if not bad and (is_training or not self.is_written()):
            self.fresh.append((step, sums))
            if len(self.fresh) == FOLDED:
                self.fold()
        self.pace.paid(began)
        return bad

    def bad(self):
        """Name the parameters that are not finite now."""
        return [name for name, p in self.named if not bool(p.isfinite().all())]

    def fold(self):
        """Take what was noted since the last time into the range of sums; many at once cost little more than one."""
        if self.fresh:
            sums = self.torch.stack([s for _, s in self.fresh]).double()  # (looks, parameters)
            low, high = sums.amin(0), sums.amax(0)
            self.low = low if self.low is None else self.torch.minimum(self.low, low)
            self.high = high if self.high is None else self.torch.maximum(self.high, high)
            self.seen.extend(zip((step for step, _ in self.fresh), sums, strict=True))
            self.fresh = []

    def sums(self, tensors):
        """Give the sum of each tensor, in host memory; what is no float32 there is summed up with more care."""
        if self.is_plain and tensors is self.parameters:
            return self.torch.stack([t.detach().sum() for t in tensors])
        kind = self.torch.float32
        sums = [t.detach().sum(dtype=kind if t.element_size() < 4 else None) for t in tensors]
        return self.torch.stack([s.to("cpu", self.torch.float64) for s in sums])

    def explain(self, tensors):
        """Say which state the saved `tensors` (by name) are: (`last`, `step`, `average` or `other`, step)."""
        self.fold()
        last = self.seen[-1][0] if self.seen else 0
        pairs = [(i, p, tensors[key]) for i, (name, p) in enumerate(self.named) if (key := match(name, p, tensors))]
        if len(pairs) < 0.5 * len(self.named) or self.low is None:
            return "other", 0
        if not self.is_written() and all(self.equal(p, saved) for _, p, saved in pairs):
            return "last", last
        numbers = [i for i, _, _ in pairs]
        sums = self.sums([saved for _, _, saved in pairs])
        sizes = self.torch.stack([saved.detach().double().norm().cpu() for _, _, saved in pairs])
        near = 1e-5 * sizes + 1e-9
        for step, seen in reversed(self.seen):
            if bool(((seen[numbers] - sums).abs() <= near).all()):
                return "step", step
        low, high = self.low[numbers], self.high[numbers]
        slack = SLACK * (high - low) + near
        inside = ((sums >= low - slack) & (sums <= high + slack)).double().mean()
        return ("average", last) if float(inside) >= 0.95 else ("other", 0)

    def equal(self, parameter, saved):
        """Whether a saved tensor holds these numbers, up to the rounding of its own type."""
        now = parameter.detach().to("cpu")
        if saved.dtype == now.dtype:
            return bool(self.torch.equal(now, saved))
        return bool(self.torch.equal(now.to(saved.dtype), saved))


def match(name, parameter, tensors):
    """Find the key of a saved tensor for a parameter: the same name but for wrappers, and the same shape."""
    core = bare(name)
    keys = [k for k in tensors if bare(k) == core or k.endswith(f".{name}") or name.endswith(f".{k}")]
    return next((k for k in keys if tensors[k].shape == parameter.shape), None)


def bare(name):
    """Leave out what wrappers put before a name."""
    parts = name.split(".")
    while len(parts) > 1 and parts[0] in WRAPPERS:
        parts = parts[1:]
    return ".".join(parts)


def read(file):
    """Give the tensors of a safetensors file and its SHA-256; None where it cannot be read."""
    from safetensors import SafetensorError  # noqa: PLC0415 - only where torch is
    from safetensors.torch import load_file  # noqa: PLC0415

    try:
        digest = hashlib.sha256()
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
        return load_file(file), digest.hexdigest()
    except (OSError, SafetensorError):
        return None


def see_copies(torch, called, batches):
    """See when a script takes a copy of a network: `called()` at once, or a note that `batches` keeps until a step."""
    libraries = (str(File(torch.__file__).parent), str(File(__file__).parent))
    state_dict, named_parameters = torch.nn.Module.state_dict, torch.nn.Module.named_parameters
    load_state_dict = torch.nn.Module.load_state_dict

    def state_dict_seen(network, *args, **kwargs):
        if not args and not kwargs.get("prefix"):
            called()
        return state_dict(network, *args, **kwargs)

    def named_parameters_seen(network, *args, **kwargs):
        if not batches.is_copied and not sys._getframe(1).f_code.co_filename.startswith(libraries):
            batches.is_copied = True
        return named_parameters(network, *args, **kwargs)

    def load_state_dict_seen(network, *args, **kwargs):
        called()  # the state that goes may be the one that was copied
        return load_state_dict(network, *args, **kwargs)

    torch.nn.Module.state_dict, torch.nn.Module.named_parameters = state_dict_seen, named_parameters_seen
    torch.nn.Module.load_state_dict = load_state_dict_seen

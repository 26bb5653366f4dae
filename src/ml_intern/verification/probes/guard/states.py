"""Keep the last healthy state of a training, in memory and on disk, and go back to it. Runs inside the sandbox."""

from __future__ import annotations

import math
import os
import threading
import time
from pathlib import Path

CHECKPOINT = "last_finite.safetensors"
SHARE = 0.001
"""Part of the time that copies may take: the next one waits until the last one has been paid off."""
CHEAP, CHEAP_SHARE = 1e-3, 0.004
"""Seconds that a copy of a small network takes at most, and the part of the time that such copies may take."""
ON_DISK, FIRST_ON_DISK = 60.0, 10.0
"""Seconds between copies on disk, at least, and before the first."""


class Pace:
    """Says when something that costs `seconds` each time is due again, so that it takes `share` of the time."""

    def __init__(self, share=SHARE, clock=time.perf_counter):
        self.share = share
        self.clock = clock
        self.next = self.cost = 0.0

    def due(self):
        """Whether it is time."""
        return self.clock() >= self.next

    def paid(self, began):
        """End a turn that began at `began` of `time.thread_time`: waiting for the processor is no cost."""
        self.cost = time.thread_time() - began
        self.next = self.clock() + self.cost / self.share

    def at_most(self, share):
        """Be due sooner: the turn that was just paid may take `share` of the time."""
        self.next = min(self.next, self.clock() + self.cost / share)


class Snapshot:
    """Copies of parameters, buffers and optimizer state, in host memory."""

    def __init__(self, torch):
        self.torch = torch
        self.step = 0
        self.loss = None
        self.tensors = {}
        self.state = {}
        self.names = {}
        self.random = None

    def take(self, optimizer, networks, step, loss):
        """Copy everything that a step changes."""
        self.step, self.loss = step, loss
        self.names = {id(t): name for net in networks for name, t in named(net)}
        live = {id(t): t for net in networks for _, t in named(net)}
        live |= {id(p): p for group in optimizer.param_groups for p in group["params"]}
        pairs = []
        self.tensors = self.copied(live, self.tensors, pairs)
        self.state = {
            id(p): self.copied(values, self.state.get(id(p), {}), pairs) for p, values in optimizer.state.items()
        }
        if pairs:  # one call for all: a network has hundreds of tensors, each of which would cost its own
            self.torch._foreach_copy_([old for old, _ in pairs], [new for _, new in pairs])

    def copied(self, live, before, pairs):
        """Copy tensors into the memory of the copy `before`, by way of `pairs`, where they fit; keep plain values."""
        copies = {}
        for key, value in live.items():
            if isinstance(value, self.torch.Tensor):
                old = before.get(key)
                if isinstance(old, self.torch.Tensor) and (old.shape, old.dtype) == (value.shape, value.dtype):
                    pairs.append((old, value.detach()))
                    copies[key] = old
                else:
                    copies[key] = value.detach().to("cpu", copy=True)
            elif isinstance(value, int | float | bool | str | None):
                copies[key] = value
        return copies

    def is_finite(self):
        """Whether every copied number is finite."""
        groups = [self.tensors, *self.state.values()]
        floating = [t for g in groups for t in g.values() if isinstance(t, self.torch.Tensor) and t.is_floating_point()]
        # the largest number of all is not finite where one is not, and is found without a mask for each tensor
        return not floating or all(math.isfinite(n.item()) for n in self.torch._foreach_norm(floating, math.inf))

    def restore(self, optimizer, networks):
        """Write everything back in place; state that came later is dropped."""
        with self.torch.no_grad():
            live = {id(t): t for net in networks for _, t in named(net)}
            live |= {id(p): p for group in optimizer.param_groups for p in group["params"]}
            for key, tensor in live.items():
                if key in self.tensors and self.tensors[key].shape == tensor.shape:
                    tensor.copy_(self.tensors[key])
            for parameter in list(optimizer.state):
                self.restore_state(optimizer.state, parameter)

    def restore_state(self, state, parameter):
        """Write one parameter's state back."""
        kept = self.state.get(id(parameter))
        if kept is None:
            del state[parameter]
            return
        for name, value in kept.items():
            now = state[parameter].get(name)
            if isinstance(value, self.torch.Tensor) and isinstance(now, self.torch.Tensor):
                now.copy_(value)
            else:
                state[parameter][name] = value


class States:
    """Two healthy states of each optimizer's training; the older one serves where the newer was sick already."""

    def __init__(self, torch, folder):
        self.torch = torch
        self.folder = folder
        self.kept = {}
        self.paces = {}
        self.disk = Pace()
        self.disk.next = time.perf_counter() + FIRST_ON_DISK
        self.writing = None

    def is_due(self, optimizer):
        """Whether it is time to copy."""
        pace = self.paces.get(id(optimizer))
        return pace is None or pace.due()

    def keep(self, optimizer, networks, step, loss):
        """Copy the state before `step`; it must be finite."""
        pace = self.paces.setdefault(id(optimizer), Pace())
        began, snapshot = time.thread_time(), None
        kept = self.kept.setdefault(id(optimizer), [])
        if networks and (len(kept) == 2 or self.fits(networks)):
            snapshot = kept.pop(0) if len(kept) == 2 else Snapshot(self.torch)
            snapshot.take(optimizer, networks, step, loss)
            if snapshot.is_finite():
                kept.append(snapshot)
        pace.paid(began)
        if pace.cost < CHEAP or len(kept) < 2:  # new memory makes the first two dear
            pace.at_most(CHEAP_SHARE)
        if kept and kept[-1] is snapshot:
            self.save(snapshot)

    def fits(self, networks):
        """Whether two copies with optimizer state take at most a quarter of what memory is left."""
        size = sum(t.numel() * t.element_size() for net in networks for _, t in named(net))
        return 6 * size < 0.25 * available_memory()

    def roll_back(self, optimizer, networks, *, again):
        """Go back; `again`: shortly after the last time, so to the older state. Gives its step, None without one."""
        kept = self.kept.get(id(optimizer), [])
        if not kept:
            return None
        snapshot = kept[0] if again else kept[-1]
        snapshot.restore(optimizer, networks)
        return snapshot.step

    def latest(self):
        """Give the newest state of all."""
        return max((s for kept in self.kept.values() for s in kept), key=lambda s: s.step, default=None)

    def save(self, snapshot, *, now=False):
        """Write the network of a state to disk beside the training, at intervals, or `now`."""
        if self.folder is None or (self.writing is not None and self.writing.is_alive() and not now):
            return
        if not now and not self.disk.due():
            return
        self.disk.next = time.perf_counter() + ON_DISK
        named_copies = {
            name: snapshot.tensors[key].clone() for key, name in snapshot.names.items() if key in snapshot.tensors
        }
        told = {"step": str(snapshot.step), "loss": str(snapshot.loss)}
        arguments = (named_copies, self.folder / CHECKPOINT, told)
        if now:
            write_checkpoint(*arguments)
        else:
            self.writing = threading.Thread(target=write_checkpoint, args=arguments, name="ml-intern-checkpoint")
            self.writing.start()

    def save_latest(self):
        """Write the newest healthy state at once; gives its step, None where there is none or no place for it."""
        snapshot = self.latest()
        if snapshot is None or self.folder is None:
            return None
        self.save(snapshot, now=True)
        return snapshot.step


def named(network):
    """Give parameters and buffers with their names; shared ones once."""
    yield from network.named_parameters()
    yield from network.named_buffers()


def write_checkpoint(tensors, path, told):
    """Write a file whole or not at all; a disk that is full or read-only costs the copy and nothing else."""
    from safetensors.torch import save_file  # noqa: PLC0415 - only where torch is

    draft = path.with_suffix(f".{os.getpid()}")
    try:
        save_file(tensors, draft, metadata=told)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)


def available_memory():
    """Give bytes that can still be had, by the kernel's estimate."""
    for line in Path("/proc/meminfo").read_text("ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0

"""Take the loss from `backward`, whoever calls it, and its true size under a gradient scaler. Runs in the sandbox."""

from __future__ import annotations

import weakref


class Losses:
    """The losses of the backward passes since the last step."""

    def __init__(self, torch):
        self.torch = torch
        self.seen = []
        self.scaled = None
        self.is_new = True

    def install(self):
        """See every call of `backward` and of a scaler's `scale`."""
        backward, scaler = self.torch.autograd.backward, self.torch.amp.GradScaler
        scale, kind = scaler.scale, self.torch.Tensor

        def seen(tensors, *args, **kwargs):
            if isinstance(tensors, kind) and tensors.numel() == 1:
                if self.scaled is not None and self.scaled[0]() is tensors:
                    self.add(self.scaled[1])
                else:  # what is in host memory is read at once; an accelerator would have to stop for it
                    self.add(tensors.item() if type(tensors) is kind and tensors.is_cpu else tensors.detach())
            return backward(tensors, *args, **kwargs)

        def scale_seen(scaler, outputs):
            result = scale(scaler, outputs)
            if isinstance(outputs, kind):
                is_here = type(outputs) is kind and outputs.is_cpu and outputs.numel() == 1
                self.scaled = (weakref.ref(result), outputs.item() if is_here else outputs.detach())
            return result

        self.torch.autograd.backward, scaler.scale = seen, scale_seen

    def add(self, loss):
        """Take in a loss; the first after a step begins anew."""
        if self.is_new:
            self.seen, self.is_new = [], False
        self.seen.append(loss)

    def mean(self):
        """Give the mean over the backward passes since the last step; None where there were none."""
        if not self.seen:
            return None
        if len(self.seen) == 1:
            return self.seen[0]
        if all(isinstance(loss, float) for loss in self.seen):
            return sum(self.seen) / len(self.seen)
        return self.torch.stack([self.torch.as_tensor(loss).reshape(()) for loss in self.seen]).mean()


def see_scaler(torch, begun, ended):
    """Call `begun(optimizer)` before a scaler's step and `ended(optimizer, what it gave)` after it."""
    step = torch.amp.GradScaler.step

    def step_seen(scaler, optimizer, *args, **kwargs):
        before = begun(optimizer)
        result = step(scaler, optimizer, *args, **kwargs)
        ended(optimizer, before)
        return result

    torch.amp.GradScaler.step = step_seen

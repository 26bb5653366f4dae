"""Watch every optimizer step: report numbers, stop a training that diverged. Runs inside the sandbox.

Lines of JSON go to the report channel: `step`, `diverged`, `stall` and, at exit, one `end` per optimizer.
"""

from __future__ import annotations

import atexit
import collections
import json
import math
import os
import sys
import threading
import time
import weakref

EVERY = 0.2
"""Seconds between lines, at least."""
HISTORY = 100
ENOUGH = 20
DEVIATIONS = 8.0
PATIENCE = 3
"""A spike is a loss above median + 8 scaled MAD of the last 100 steps, three times in a row, once 20 are known.

0 false alarms in 81 healthy trainings, 45 of 47 injected divergences found; the rule is robust because losses above
the threshold do not enter the history.
"""
STALL = 120.0
"""Seconds without a step, and 20 times the usual step, that count as a stall."""


class TrainingDiverged(RuntimeError):  # noqa: N818 - says what happened, as StopIteration does
    """The loss or a gradient is not finite, or the loss has jumped and stays high."""


class LossHistory:
    """The last losses that looked healthy, and how many in a row did not."""

    def __init__(self):
        self.losses = collections.deque(maxlen=HISTORY)
        self.high = 0

    def spike(self, loss):
        """Take in `loss`; give the threshold if it is the third in a row above it, else None."""
        if len(self.losses) >= ENOUGH and loss > (limit := self.threshold()):
            self.high += 1
            return limit if self.high >= PATIENCE else None
        self.high = 0
        self.losses.append(loss)
        return None

    def threshold(self):
        """Give median + 8 MAD (scaled to a standard deviation by 1.4826), but at least 1.5 times the median."""
        ordered = sorted(self.losses)
        median = ordered[len(ordered) // 2]
        deviation = sorted(abs(loss - median) for loss in ordered)[len(ordered) // 2]
        return median + max(DEVIATIONS * 1.4826 * deviation, 0.5 * abs(median) + 1e-3)


class Course:
    """What is known of one optimizer's training."""

    def __init__(self, number, optimizer, now):
        self.number = number
        self.name = type(optimizer).__name__
        self.began = self.last = now
        self.step = 0
        self.history = LossHistory()
        self.trail = collections.deque(maxlen=8)
        self.late = None
        self.latest = None
        self.emitted = -math.inf
        self.usual = 0.0
        self.device = "cpu"


class Watch:
    """Hooks on backward and on the optimizer's step; `channel` is a descriptor to report on, or None."""

    def __init__(self, torch, channel, *, roots, localise, clock=time.monotonic):
        self.torch = torch
        self.roots = roots
        self.localise = localise
        self.clock = clock
        self.channel = Channel(channel) if channel is not None else None
        self.courses = weakref.WeakKeyDictionary()
        self.ended = []
        self.loss = None
        self.scaled = None
        self.batches = Batches(torch)
        self.cost = 0.0

    def install(self):
        """See losses, batches and the end of the process; look out for stalls where somebody can be told."""
        self.batches.install()
        self.see_losses()
        if self.channel is not None:
            atexit.register(self.finish)
            threading.Thread(target=self.look_out, name="ml-intern-watch", daemon=True).start()

    def see_losses(self):
        """Take the loss from `backward`, and its true size where a gradient scaler blows it up."""
        backward, scaler = self.torch.autograd.backward, self.torch.amp.GradScaler
        scale = scaler.scale

        def seen(tensors, *args, **kwargs):
            if isinstance(tensors, self.torch.Tensor) and tensors.numel() == 1:
                known = self.scaled is not None and self.scaled[0]() is tensors
                self.loss = self.scaled[1] if known else tensors.detach()
            return backward(tensors, *args, **kwargs)

        def scale_seen(scaler, outputs):
            result = scale(scaler, outputs)
            if isinstance(outputs, self.torch.Tensor):
                self.scaled = (weakref.ref(result), outputs.detach())
            return result

        self.torch.autograd.backward, scaler.scale = seen, scale_seen

    def before_step(self, optimizer, args, kwargs):
        """Observe, right away or, where the optimizer computes the loss by a closure, after that."""
        closure = kwargs.get("closure") or (args[1] if len(args) > 1 else None)
        if not callable(closure):
            self.observe(optimizer)
            return None
        seen = []

        def observed():
            loss = closure()
            if not seen:  # L-BFGS evaluates it many times a step
                seen.append(True)
                self.observe(optimizer)
            return loss

        return (args[0], observed, *args[2:]), {name: v for name, v in kwargs.items() if name != "closure"}

    def observe(self, optimizer):
        """Count a step, judge its numbers, report them.

        Raises:
            TrainingDiverged: they show that going on is of no use.
        """
        began = time.thread_time()
        try:
            course = self.course(optimizer)
            now = self.clock()
            course.step += 1
            course.usual += ((now - course.last) - course.usual) * 0.1
            course.last = now
            reading = self.read(optimizer, course, now)
            self.batches.follow(self.roots(optimizer))
            if course.device == "cpu":
                self.judge(optimizer, course, reading)
            else:  # one step late: reading the newest number would stop the accelerator's queue
                course.late, ready = reading, course.late
                if ready is not None:
                    self.judge(optimizer, course, ready)
        finally:
            self.cost += time.thread_time() - began

    def course(self, optimizer):
        """Find or begin the record of `optimizer`."""
        if optimizer not in self.courses:
            course = self.courses[optimizer] = Course(len(self.ended), optimizer, self.clock())
            self.ended.append(course)
            device = optimizer.param_groups[0]["params"][0].device
            is_cuda = device.type == "cuda"
            course.device = f"{device} ({self.torch.cuda.get_device_name(device)})" if is_cuda else str(device)
        return self.courses[optimizer]

    def read(self, optimizer, course, now):
        """Take loss and gradient norm as they are before the step; on an accelerator the copy goes on meanwhile."""
        torch = self.torch
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        gradients = [g._values() if g.is_sparse else g for g in gradients]
        norm = torch.nn.utils.get_total_norm(gradients) if gradients else None
        numbers = {"loss": self.loss, "gradient_norm": norm}
        return {
            "step": course.step,
            "seconds": round(now - course.began, 3),
            "learning_rate": optimizer.param_groups[0].get("lr"),
            **{name: Later(torch, number) for name, number in numbers.items() if number is not None},
        }

    def judge(self, optimizer, course, reading):
        """Report the numbers, or stop."""
        reading = {name: float(n) if name != "step" else n for name, n in reading.items() if n is not None}
        loss, norm = reading.get("loss"), reading.get("gradient_norm")
        course.latest = reading
        if loss is not None:
            course.trail.append(loss)
        if loss is not None and not math.isfinite(loss):
            self.stop(optimizer, course, f"the loss is {loss}")
        if norm is not None and not math.isfinite(norm):
            self.stop(optimizer, course, "a gradient is not finite")
        limit = course.history.spike(loss) if loss is not None else None
        if limit is not None and os.environ.get("ML_INTERN_STOP_ON_SPIKE") != "0":
            self.stop(optimizer, course, f"the loss {loss:.4g} is above {limit:.4g} for the third time in a row")
        self.report(course)

    def report(self, course):
        """Write a line unless one was written a moment ago."""
        now = self.clock()
        if self.channel is not None and now - course.emitted >= EVERY:
            course.emitted = now
            self.channel.write(kind="step", optimizer=course.number, **course.latest)

    def stop(self, optimizer, course, reason):
        """Tell what went wrong where, to the host and to the code.

        Raises:
            TrainingDiverged: always.
        """
        step, trail = course.latest["step"], list(course.trail)
        where = ""
        if "time in a row" not in reason and course.device == "cpu":
            where = self.localise(self.torch, self.roots(optimizer), self.batches.latest)
        if self.channel is not None:
            facts = {"step": step, "reason": reason, "where": where, "trail": trail}
            self.channel.write(kind="diverged", optimizer=course.number, **facts)
            course.emitted = -math.inf  # a training that recovers from this shows at its next step
        shown = " → ".join(f"{loss:.4g}" for loss in trail)
        raise TrainingDiverged(f"stopped at step {step}: {reason}. Losses: {shown}. {where}".rstrip())

    def finish(self):
        """Write the last step and a summary of each optimizer, when the process ends."""
        for course in self.ended:
            if course.late is not None:
                course.latest = {n: float(v) if n != "step" else v for n, v in course.late.items() if v is not None}
            if course.latest is not None:
                self.channel.write(kind="step", optimizer=course.number, **course.latest)
                self.channel.write(
                    kind="end",
                    optimizer=course.number,
                    name=course.name,
                    steps=course.step,
                    device=course.device,
                    watch_seconds=round(self.cost, 4),
                )

    def look_out(self):
        """Report once per stall where the main thread stands."""
        main, told = threading.main_thread(), None
        while main.is_alive():
            time.sleep(5.0)
            course = max(self.ended, key=lambda c: c.last, default=None)
            if course is None or course.last == told:
                continue
            idle = self.clock() - course.last
            if idle > max(STALL, 20 * course.usual):
                told = course.last
                frame = sys._current_frames().get(main.ident)
                self.channel.write(kind="stall", step=course.step, seconds=round(idle, 1), stack=stack_of(frame))


class Later:
    """A number on its way from an accelerator; `float` waits for the copy, not for the work queued after it."""

    def __init__(self, torch, number):
        self.event = None
        self.number = number.detach()
        if number.device.type == "cuda":
            self.number = torch.empty((), dtype=number.dtype, pin_memory=True)
            self.number.copy_(number.detach().reshape(()), non_blocking=True)
            self.event = torch.cuda.Event()
            self.event.record()

    def __float__(self):
        if self.event is not None:
            self.event.synchronize()
        return float(self.number)


class Batches:
    """The arguments of the trained network's last call, so that it can be repeated."""

    def __init__(self, torch):
        self.torch = torch
        self.latest = {}
        self.followed = weakref.WeakSet()
        self.depth = 0
        self.first = []

    def install(self):
        """Before an optimizer is known, every outermost module may be the network: watch the first calls of all."""
        hooks = self.torch.nn.modules.module
        self.first = [
            hooks.register_module_forward_pre_hook(self.enter),
            hooks.register_module_forward_hook(self.leave, always_call=True),
        ]

    def enter(self, module, args):
        """Keep an outermost call with gradients."""
        if self.torch.compiler.is_compiling():
            return
        if self.depth == 0 and self.torch.is_grad_enabled():
            self.keep(module, args, {})
        self.depth += 1

    def leave(self, module, args, output):
        """Come back from a call."""
        if self.torch.compiler.is_compiling():
            return
        self.depth -= 1

    def keep(self, module, args, kwargs):
        """Remember a call and the state of the random numbers before it."""
        if self.torch.is_grad_enabled() and not self.torch.compiler.is_compiling():
            self.latest[id(module)] = (args, kwargs, self.torch.get_rng_state())

    def follow(self, roots):
        """From the first step on, watch the trained networks only."""
        for hook in self.first:
            hook.remove()
        self.first = []
        for root in roots:
            if root not in self.followed:
                self.followed.add(root)
                root.register_forward_pre_hook(self.keep, with_kwargs=True)
                self.latest = {key: call for key, call in self.latest.items() if key in {id(r) for r in self.followed}}


class Channel:
    """Lines of JSON on a descriptor that only this process writes to."""

    def __init__(self, descriptor):
        self.descriptor = descriptor
        self.process = os.getpid()
        self.identity = self.look()

    def look(self):
        """Say which file the descriptor is, so that a closed and reused number is noticed."""
        try:
            status = os.fstat(self.descriptor)
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def write(self, **fields):
        """Write a line; nobody listens in a forked child, or once the descriptor was closed."""
        if os.getpid() != self.process or self.identity is None or self.look() != self.identity:
            return
        line = json.dumps({name: plain(value) for name, value in fields.items()}, allow_nan=False) + "\n"
        try:
            os.write(self.descriptor, line.encode())
        except OSError:
            self.identity = None


def plain(value):
    """Make a value JSON: a number that is not finite becomes text."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def stack_of(frame, limit=6):
    """Give the innermost frames as `file:line function`."""
    places = []
    while frame is not None and len(places) < limit:
        places.append(f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}")
        frame = frame.f_back
    return places

"""Watch every optimizer step: report numbers, stop a training that diverged. Runs inside the sandbox.

Lines of JSON go to the report channel: `step`, `warning`, `recovered`, `diverged`, `stall`, and when the process ends
`saved`, `settings` and one `end` per optimizer.
"""

from __future__ import annotations

import atexit
import math
import multiprocessing.util
import os
import time
import weakref
from pathlib import Path

import ml_intern_batches as batches
import ml_intern_courses as courses
import ml_intern_ending as ending
import ml_intern_losses as losses
import ml_intern_readings as readings
import ml_intern_recovery as recovery
import ml_intern_rules as rules
import ml_intern_saved as saved
import ml_intern_stalls as stalls
import ml_intern_states as states

EVERY = 0.2
"""Seconds between lines, at least."""
SKIPS = 30
"""Steps that a gradient scaler may skip in a row: by then it has divided its scale by a thousand million."""


RARELY = 64
"""Steps between two looks at which networks an optimizer trains."""
LOOKS = 0.005
"""Part of the time that looks at the parameters may take."""


class TrainingDiverged(RuntimeError):  # noqa: N818 - says what happened, as StopIteration does
    """The loss or a gradient is not finite, or the loss has jumped and stays high."""


class Watch:
    """Hooks on backward and on the optimizer's step; `channel` takes lines, or is None."""

    def __init__(self, torch, channel, *, roots, localise, settings=None, clock=time.monotonic):
        self.torch, self.roots, self.localise, self.clock = torch, roots, localise, clock
        self.channel = channel
        self.settings = settings
        self.weights = Path(os.environ.get("ML_INTERN_WEIGHTS", "/output/model.safetensors"))
        folder = self.weights.parent if channel is not None and os.access(self.weights.parent, os.W_OK) else None
        self.states = states.States(torch, folder)
        self.recovery = recovery.Recovery(torch, self.states, channel)
        self.courses = weakref.WeakKeyDictionary()
        self.resting = {}
        self.ended = []
        self.losses = losses.Losses(torch)
        self.batches = batches.Batches(torch, clock, states.Pace())
        self.lookout = stalls.Lookout(channel, self.pulse, clock) if channel is not None else None
        self.cost, self.process, self.is_finished = 0.0, os.getpid(), False

    def install(self):
        """See losses, batches and the end of the process; look out for stalls where somebody can be told."""
        self.batches.install()
        self.losses.install()
        losses.see_scaler(self.torch, self.begun, self.scaled)
        saved.see_copies(self.torch, self.copied, self.batches)
        if self.channel is not None:
            atexit.register(self.finish)
            self.lookout.start()

    def begun(self, optimizer):
        """Give the number of steps before one that a gradient scaler may leave out."""
        return self.courses[optimizer].step if optimizer in self.courses else 0

    def scaled(self, optimizer, before):
        """Judge a step that the scaler left out: with a NaN in the loss it would leave out all of them.

        Raises:
            TrainingDiverged: the loss is not finite, or no scale helps.
        """
        course = self.course(optimizer)
        course.skipped = 0 if course.step != before else course.skipped + 1
        if not course.skipped or not self.losses.seen or (course.device != "cpu" and course.skipped < SKIPS):
            return  # on an accelerator reading the loss would stop its queue
        loss = float(self.losses.mean())
        course.trail.append(loss)
        self.losses.is_new = True
        if not math.isfinite(loss):
            self.stop(optimizer, course, f"the loss is {loss}", step=course.step + 1)
        elif course.skipped >= SKIPS:
            reason = f"the gradient scaler has left out {SKIPS} steps in a row"
            self.stop(optimizer, course, reason, step=course.step + 1)

    def copied(self):
        """Remember the states of which a script takes a copy right now."""
        self.batches.is_copied = False
        for course in self.ended:
            if course.path is not None:
                course.path.look(course.step)

    def passes(self, optimizer):
        """Count a step of which nothing but its loss is looked at; false where it must be seen as a whole.

        That is so until its time has come, unless something is out of the ordinary: a loss that would be a spike or is
        not finite, several backward passes, new parameters. At some steps this is all there is, so it calls nothing.
        """
        course, losses = self.resting.get(id(optimizer)), self.losses
        if course is None or course.optimizer() is not optimizer or len(optimizer.param_groups) != course.groups:
            return False
        seen = losses.seen
        if losses.is_new or len(seen) != 1 or self.batches.is_copied or self.clock() >= course.due:
            return False
        loss = seen[0]
        if type(loss) is not float or not -math.inf < loss <= course.history.limit:
            return False
        losses.is_new = True
        course.step += 1
        course.passed.append(loss)
        return True

    def after_step(self, optimizer):
        """Note what the step left: what is found there later was the optimizer's work, or was not."""
        course = self.resting.get(id(optimizer)) or self.courses.get(optimizer)
        if course is not None and course.path is not None:
            course.path.stepped()

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
        """Count a step, judge its numbers and report them.

        Raises:
            TrainingDiverged: they show that going on is of no use.
        """
        began, now = time.thread_time(), self.clock()
        try:
            course = self.courses.get(optimizer) or self.course(optimizer)
            self.look(optimizer, course, now)
        finally:
            self.losses.is_new = True  # also where the training is stopped: the next one begins with its own losses
            took = time.thread_time() - began
            self.cost += took
        if self.recovery.factor == 1.0 and course.rest(now, took):
            self.resting[id(optimizer)] = course
        else:
            self.resting.pop(id(optimizer), None)

    def look(self, optimizer, course, now):
        """See a step as a whole.

        Raises:
            TrainingDiverged: as of `observe`.
        """
        if self.batches.is_copied:
            self.copied()
        if course.device == "cpu" and (course.path is None or course.path.pace.due()):
            self.look_at_parameters(optimizer, course)
        late = self.catch_up(course, course.tick(now))
        gradients, norm = self.norm(optimizer, course)
        reading = self.read(optimizer, course, norm)
        if late:
            self.stop(optimizer, course, late, step=course.step)
            return
        if self.batches.first or course.step <= 10 or course.step % RARELY == 0:
            self.batches.follow(self.roots(optimizer))
        self.batches.is_curious = self.batches.pace.due()
        if course.device != "cpu":  # one step late: reading the newest number would stop the accelerator's queue
            course.late, reading = reading, course.late
            reading = reading and (*reading[:4], *(None if n is None else float(n) for n in reading[4:]))
        if reading is None or self.judge(optimizer, course, reading):
            self.recovery.tame(optimizer, gradients, norm)

    def catch_up(self, course, losses):
        """Take in the losses of steps that passed unseen; gives the reason to stop, where there is one."""
        reason = ""
        for loss in losses:
            course.trail.append(loss)
            reason = reason or self.reason(course, loss, None)
            if remark := course.trend.add(loss):
                self.warn(course, remark)
        return reason

    def course(self, optimizer):
        """Find or begin the record of `optimizer`."""
        if optimizer not in self.courses:
            self.begin_process()
            device = optimizer.param_groups[0]["params"][0].device
            course = courses.Course(len(self.ended), optimizer, self.clock(), readings.memory_limit(self.torch, device))
            alive = list(self.courses.values())
            for past in self.ended:
                self.catch_up(past, past.settle(self.batches.samples))
                past.path = past.path if past in alive else None
            self.courses[optimizer] = course
            self.ended.append(course)
            is_cuda = device.type == "cuda"
            course.device = f"{device} ({self.torch.cuda.get_device_name(device)})" if is_cuda else str(device)
        return self.courses[optimizer]

    def begin_process(self):
        """A forked child has neither threads nor exit handlers of its own yet."""
        if self.process != os.getpid() and self.channel is not None:
            self.process, self.ended = os.getpid(), []
            self.lookout.start()
            multiprocessing.util.Finalize(None, self.finish, exitpriority=0)

    def norm(self, optimizer, course):
        """Give the gradients and their norm before the step, or None where there are none."""
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        if not gradients:
            return gradients, None
        norm = readings.norm(self.torch, gradients, is_here=course.device == "cpu")
        scale = getattr(optimizer, "grad_scale", None)  # a fused optimizer takes the scale away itself
        return gradients, norm if scale is None else norm / scale

    def read(self, optimizer, course, norm):
        """Take the numbers as they are before the step; on an accelerator the copy goes on meanwhile."""
        loss, rate = self.losses.mean(), optimizer.param_groups[0].get("lr")
        if getattr(optimizer, "found_inf", None) is not None:
            norm = None
        if course.device == "cpu":
            loss, norm = loss if loss is None else float(loss), norm if norm is None else float(norm)
        else:
            loss, norm = (n if n is None else readings.Later(self.torch, n) for n in (loss, norm))
        rate = rate if rate is None or self.recovery.factor == 1.0 else rate * self.recovery.factor
        return course.step, course.last - course.began, self.batches.samples, rate, loss, norm

    def judge(self, optimizer, course, reading):
        """Report the numbers; false after a recovery, when the step must not be made.

        Raises:
            TrainingDiverged: they show that going on is of no use.
        """
        loss, norm = reading[4:]
        course.latest = reading
        if loss is not None:
            course.trail.append(loss)
        if reason := self.reason(course, loss, norm):
            return self.stop(optimizer, course, reason, step=reading[0])
        if norm is not None:
            course.norms.append((course.step, norm))
        if not course.history.high and self.states.is_due(optimizer):
            self.states.keep(optimizer, self.roots(optimizer), course.step, loss)
        self.remark(course, loss, norm)
        self.report(course)
        course.is_stopped = False
        return True

    def reason(self, course, loss, norm):
        """Say why the training must stop here; empty while it may go on."""
        if loss is not None and not math.isfinite(loss):
            return f"the loss is {loss}"
        if norm is not None and not math.isfinite(norm):
            return "a gradient is not finite"
        limit = course.history.spike(loss) if loss is not None else None
        if limit is not None and os.environ.get("ML_INTERN_STOP_ON_SPIKE") != "0":
            high = course.history.high
            often = "for the third time" if high == rules.PATIENCE else f"for {high} steps"
            return f"the loss {loss:.4g} is above {limit:.4g} {often} in a row"
        return ""

    def remark(self, course, loss, norm):
        """Warn of what does not stop a training, each thing once."""
        if loss is not None and (remark := course.trend.add(loss)):
            self.warn(course, remark)
        if norm is not None and (remark := course.gradients.add(norm, loss)):
            self.warn(course, remark)
        largest = self.batches.take_activations() if self.batches.largest is not None else None
        if largest and (remark := course.activations.add(largest)):
            self.warn(course, remark)

    def warn(self, course, remark):
        """Tell the host."""
        name, text = remark
        if name not in course.told and self.channel is not None:
            course.told.add(name)
            self.channel.write(kind="warning", optimizer=course.number, step=course.step, name=name, text=text)
            if name == "memory":
                self.states.save_latest()

    def report(self, course):
        """Write a line unless one was written a moment ago."""
        now = course.last
        before, step, samples = course.emitted
        if self.channel is None or now - before < EVERY:
            return
        numbers = courses.told(course.latest)
        course.emitted = (now, numbers["step"], numbers["samples"])
        used = readings.memory_used(self.torch, course.device)
        if math.isfinite(before):
            numbers["steps_per_second"] = (numbers["step"] - step) / (now - before)
            numbers["samples_per_second"] = (numbers["samples"] - samples) / (now - before)
        self.channel.write(kind="step", optimizer=course.number, memory=used, **numbers)
        if remark := course.memory.add(course.step, used):
            self.warn(course, remark)

    def look_at_parameters(self, optimizer, course):
        """Look at what the last step left: a training may save it later, and it must be finite.

        Raises:
            TrainingDiverged: an update made a parameter not finite.
        """
        if course.path is None:
            course.path = self.new_path(optimizer)
        bad = course.path.look(course.step, is_training=True)
        if bad and course.step:
            self.stop(optimizer, course, courses.broken(bad), step=course.step)

    def new_path(self, optimizer):
        """Begin to remember the states of what `optimizer` trains."""
        names = {id(p): name for network in self.roots(optimizer) for name, p in network.named_parameters()}
        trained = [p for group in optimizer.param_groups for p in group["params"]]
        named = [(names.get(id(p), f"parameter {i}"), p) for i, p in enumerate(trained)]
        return saved.Path(self.torch, named, states.Pace(LOOKS))

    def blame(self, course, reason, step):
        """Give course, reason and step of an update that broke parameters, where that is what shows only now."""
        if reason.startswith(("the loss is", "a gradient")):
            for other in (course, *self.courses.values()):
                made = other.step - 1 if other is course and step == other.step else other.step
                if other.path is not None and made and not other.is_stopped and (bad := other.path.bad()):
                    return other, courses.broken(bad), made
        return course, reason, step

    def stop(self, optimizer, course, reason, *, step):
        """Go back where the policy says so (false), else tell host and code what went wrong where.

        Raises:
            TrainingDiverged: there is no way on.
        """
        trail = list(course.trail)
        course, reason, step = self.blame(course, reason, step)
        where = ""
        if " is above " not in reason and course.device == "cpu":
            finite = not reason.startswith("the loss")
            roots, calls = self.roots(optimizer), self.batches.latest
            where = self.localise(self.torch, roots, calls, optimizer, loss_is_finite=finite)
        trainings = [(o, self.roots(o)) for o in list(self.courses)]
        if self.recovery.attempt(course, trainings, step, reason, where):
            if not reason.startswith("the gradient scaler") and not course.skipped:
                clear_gradients(optimizer)
            return False
        kept = self.states.save_latest()
        if self.channel is not None:
            facts = {"step": step, "reason": reason, "where": where, "trail": trail, "kept": kept}
            self.channel.write(kind="diverged", optimizer=course.number, **facts)
            course.is_stopped, course.emitted = (
                True,
                (-math.inf, 0, 0),
            )  # a training that recovers from this shows at its next step
        shown = " → ".join(f"{loss:.4g}" for loss in trail)
        raise TrainingDiverged(f"stopped at step {step}: {reason}. Losses: {shown}. {where}".rstrip())

    def pulse(self):
        """Give the last life sign, the usual seconds of a step, and the step."""
        course = max(self.ended, key=lambda c: c.last, default=None)
        if course is None:
            return self.batches.alive, 0.0, 0
        return max(course.last, self.batches.alive), course.usual, course.step

    def finish(self):
        """When the process ends: tell what is known only now."""
        if not self.is_finished:
            self.is_finished = True
            ending.tell(self)


def clear_gradients(optimizer):
    """Leave nothing for the step that is about to be made."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None

"""Remember the last batch of the trained network, count samples, look into activations. Runs inside the sandbox."""

from __future__ import annotations

import contextlib
import time
import weakref

import ml_intern_marks as marks


class Noting:
    """The hook on one network: passes its calls to `batches`. A class, for hooks are copied and saved with networks."""

    __slots__ = ("batches", "key")

    def __init__(self, batches, key):
        self.batches = batches
        self.key = key

    def __call__(self, module, args, kwargs):
        """See a call; a copy of the network, which has the hook too, is not the one that is trained."""
        if id(module) == self.key and not self.batches.is_compiling():
            self.batches.keep(module, args, kwargs)

    def __deepcopy__(self, memo):
        """Best checkpoints and averages are made by copying."""
        self.batches.is_copied = True
        return self

    def __reduce__(self):
        return getattr, (contextlib.nullcontext(), "__exit__")  # a network that was saved has a hook that does nothing


class Batches:
    """The arguments of the trained network's last call, so that it can be repeated.

    `samples` counts rows of training batches: the first axis of the first tensor, `calls` the batches; `marks` tell
    the samples apart. `alive` is the time of the last call.
    """

    def __init__(self, torch, clock, pace):
        self.torch = torch
        self.clock = clock
        self.pace = pace
        self.latest = {}
        self.followed = weakref.WeakSet()
        self.outermost, self.sought = weakref.WeakSet(), weakref.WeakSet()
        self.is_copied = False
        # each is asked for at every call of the network
        self.kind, self.random, self.has_gradients = torch.Tensor, torch.get_rng_state, torch.is_grad_enabled
        self.is_compiling = torch.compiler.is_compiling
        self.is_curious = False
        self.casts = getattr(torch._C, "_is_any_autocast_enabled", lambda: True)
        self.depth = 0
        self.first = []
        self.samples = self.calls = 0
        self.marks = marks.Marks(torch)
        self.alive = clock()
        self.largest = None
        self.hooks = []

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
        if self.depth == 0 and self.first:
            self.outermost.add(module)
            if module not in self.followed:  # that has a hook of its own
                self.keep(module, args, {})
        self.depth += 1

    def leave(self, module, args, output):
        """Come back from a call."""
        if self.torch.compiler.is_compiling():
            return
        self.depth -= 1

    def keep(self, module, args, kwargs):
        """Remember a call, the state of the random numbers before it, and whether it is cast to another type."""
        self.alive = self.clock()
        if not module.training or not self.has_gradients():
            self.is_copied = True  # what is evaluated may be what is saved
            return
        tensor = args[0] if args else None
        if type(tensor) is not self.kind or not tensor.dim():
            given = (*args, *kwargs.values())
            tensor = next((v for v in given if isinstance(v, self.kind) and v.dim()), None)
        cast = None
        if tensor is not None:
            self.samples += tensor.shape[0]
            self.calls += 1
            self.marks.add(tensor)
            cast = self.cast(tensor.device.type) if self.casts() else None
        self.latest[id(module)] = (args, kwargs, self.random(), cast)
        if self.is_curious and not self.hooks:
            self.look_inside(module)

    def cast(self, kind):
        """Give device and type to which calls are cast now; None where they are not."""
        torch = self.torch
        is_cast = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)  # `meta` has none
        return (kind, torch.get_autocast_dtype(kind)) if is_cast else None

    def follow(self, roots):
        """From the first step on, watch the trained networks only."""
        for hook in self.first:
            hook.remove()
        self.first = []
        for root in self.called(roots):
            if root not in self.followed:
                self.followed.add(root)
                root.register_forward_pre_hook(Noting(self, id(root)), with_kwargs=True)
                ids = {id(r) for r in self.followed}
                self.latest = {key: call for key, call in self.latest.items() if key in ids}

    def called(self, roots):
        """Give what of the trained networks is called: of one that computes its loss in another method, its parts."""
        for root in roots:
            parts = [] if root in self.outermost else [m for m in root.modules() if m in self.outermost]
            yield from parts or [root]
            if not parts and root in self.followed and id(root) not in self.latest and root not in self.sought:
                self.sought.add(root)
                self.install()  # for one step, to see what is called instead

    def look_inside(self, root):
        """During this one call note the largest output of each layer; the pace keeps it rare."""
        self.is_curious = False
        began, largest = time.thread_time(), {}
        parts = [(n, m) for n, m in root.named_modules() if not m._modules]

        def noting(name):
            def note(module, given, output):
                if isinstance(output, self.torch.Tensor) and output.is_floating_point() and output.numel():
                    largest[name] = output.detach().abs().max()

            return note

        def done(module, given, output):
            self.drop_hooks()
            self.largest = largest
            self.pace.paid(began)

        self.hooks = [m.register_forward_hook(noting(n)) for n, m in parts[:200]]
        self.hooks.append(root.register_forward_hook(done))

    def drop_hooks(self):
        """Leave the network as it was."""
        for hook in self.hooks:
            hook.remove()
        self.hooks = []

    def take_activations(self):
        """Give what the last look found as {module: number}, once; None where there is nothing new."""
        largest, self.largest = self.largest, None
        return None if largest is None else {name: float(value) for name, value in largest.items()}

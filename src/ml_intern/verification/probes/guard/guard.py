"""Refuse `optimizer.step()` on a network that has not passed the dummy forward pass. Runs inside the sandbox."""

from __future__ import annotations

import gc
import hashlib
import importlib.machinery
import json
import sys
import types
import weakref
from pathlib import Path

VERIFIED = Path("/verified/digests.json")
"""Written by the host: `files` maps the SHA-256 of each checked file to its name, `networks` to its checked classes."""

IMPORTED = {}
"""SHA-256 of the source that each user's module was imported from, by module name."""
CODE = {}
"""The code objects of every function in a user's file, by the file's name as Python knows it."""
ALTERED = weakref.WeakKeyDictionary()
"""What was put into a module from outside checked files and libraries, by module: attribute and place."""

LIBRARIES = tuple({f"{Path(prefix).resolve()}/" for prefix in (sys.prefix, sys.base_prefix)})


class UnverifiedNetwork(RuntimeError):  # noqa: N818 - read by people: the network is what is wrong
    """The optimizer's parameters belong to something that has not passed the dummy forward pass."""


def record_imports():
    """Note the digest of every user's file when it is imported: later edits do not change what runs."""
    loader = importlib.machinery.SourceFileLoader
    execute = loader.exec_module

    def exec_module(self, module):
        if not is_library(self.path):
            source = Path(self.path).read_bytes()
            IMPORTED[module.__name__] = hashlib.sha256(source).hexdigest()
            CODE[self.path] = source
        return execute(self, module)

    loader.exec_module = exec_module


def is_library(file):
    """Whether `file` was installed with the sandbox, and so not written by the agent."""
    return str(Path(file).resolve()).startswith(LIBRARIES)


class Verified:
    """What the host lists as checked; read again when the file changes."""

    def __init__(self, path):
        self.path = path
        self.stamp = None
        self.files = {}
        self.networks = {}

    def refresh(self):
        """Read the list if it is new. A missing list means that nothing was checked."""
        try:
            status = self.path.stat()
            stamp = (status.st_mtime_ns, status.st_ino, status.st_size)
            if stamp != self.stamp:
                listed = json.loads(self.path.read_text("utf-8"))
                self.files, self.networks, self.stamp = listed["files"], listed.get("networks", {}), stamp
        except FileNotFoundError:
            self.files, self.networks, self.stamp = {}, {}, None


class Guard:
    """Judge the owners of an optimizer's parameters, once per optimizer."""

    def __init__(self, torch, verified=VERIFIED, *, is_session=False):
        """Keep what is known. In a session, where nothing counts, tensors and a layer of torch alone may be fitted."""
        self.torch = torch
        self.is_session = is_session
        self.verified = Verified(verified)
        self.passed = weakref.WeakKeyDictionary()

    def install(self):
        """Note which layers and parameters are put into a module by code of cells and scripts."""
        hooks = self.torch.nn.modules.module
        hooks.register_module_module_registration_hook(note_registration)
        hooks.register_module_parameter_registration_hook(note_registration)

    def check(self, optimizer):
        """Return if every parameter belongs to a checked network.

        Raises:
            UnverifiedNetwork: one does not; the message says the way out.
        """
        count = 0
        for group in optimizer.param_groups:  # at every step, hence no generator
            count += len(group["params"])
        if self.passed.get(optimizer, (None, ()))[0] == count:
            return
        self.verified.refresh()
        networks = self.networks([p for group in optimizer.param_groups for p in group["params"]])
        self.passed[optimizer] = (count, tuple(weakref.ref(network) for network in networks))

    def roots(self, optimizer):
        """Give the checked networks that `optimizer` trains."""
        return [network for ref in self.passed.get(optimizer, (None, ()))[1] if (network := ref()) is not None]

    def networks(self, parameters):
        """Find the checked networks that own `parameters`."""
        family = Family(self.torch, parameters)
        if family.strays and (not self.is_session or family.roots):
            raise UnverifiedNetwork(refusal(f"{family.strays} of its parameters belong to no nn.Module", ""))
        if self.is_session and len(family.roots) == 1 and is_lone_layer(family.roots[0]):
            return []
        found = {}
        for root in family.roots:
            network = self.core(root, family)
            if problem := self.problem(network):
                # Named after the whole, not after the part at which the search stopped.
                raise UnverifiedNetwork(self.problem(root) or problem)
            found[id(network)] = network
        return list(found.values())

    def core(self, module, family):
        """Step through wrappers (DataParallel, a compiled or a Lightning module) that add nothing trained."""
        while self.problem(module) and (inner := family.only_trained_child(module)) is not None:
            module = inner
        return module

    def problem(self, network):
        """Say why `network` may not be trained; empty if it may."""
        kind = type(network)
        if kind.__module__.partition(".")[0] == "torch":
            return refusal(f"{kind.__name__} is put together of torch's layers outside a checked file", "")
        if trouble := self.unlisted(kind):
            return trouble
        digest = IMPORTED.get(kind.__module__)
        if digest is not None and kind.__qualname__ not in self.verified.networks.get(digest, ()):
            return refusal(f"{kind.__name__} of {file_of(kind)} has not passed", file_of(kind))
        parts = {type(module) for module in network.modules()}
        troubles = (self.unlisted(part) or patched(part) for part in parts)
        return next(filter(None, troubles), "") or self.altered(network)

    def altered(self, network):
        """Say which layer of a checked network was put in, or which `forward` was replaced, since it was built."""
        for name, module in network.named_modules():
            where = name or type(network).__name__
            if module in ALTERED:
                attribute, place = ALTERED[module]
                return refusal(
                    f"{attribute} of {where} was set outside the checked file, at {place}", file_of(type(network))
                )
            if "forward" in vars(module) and not is_known(vars(module)["forward"]):
                return refusal(f"forward of {where} was replaced on the object", file_of(type(network)))
        return ""

    def unlisted(self, kind):
        """Say why the file that defines `kind` does not count as checked; empty if it does."""
        file = file_of(kind)
        if kind.__module__ == "__main__" or not file:
            return refusal(f"{kind.__name__} is defined in a cell or in the main script", "")
        if is_library(file):
            return ""
        digest = IMPORTED.get(kind.__module__)
        if digest in self.verified.files:
            return stale(kind)
        if digest is not None and current_digest(file) != digest:
            again = f"importlib.reload({kind.__module__})"
            return refusal(f"{file} was changed after it was imported ({again} takes the new content)", file)
        return refusal(f"this content of {file} ({kind.__name__}) has not passed", file)


def is_lone_layer(module):
    """Whether a module is one layer of torch, such as a linear regression in a cell, and no network."""
    return type(module).__module__.startswith("torch.nn.modules.") and not module.__dict__["_modules"]


def note_registration(module, name, value):
    """Remember a layer or parameter that code outside imported files sets; torch's own frames are passed over."""
    frame = sys._getframe(1)
    while frame is not None and is_library(frame.f_code.co_filename) and "/torch/" in frame.f_code.co_filename:
        frame = frame.f_back
    file = frame.f_code.co_filename if frame is not None else ""
    if (
        file
        and file not in CODE
        and not file.startswith("<frozen")
        and not is_library(file)
        and owner_is_checked(module)
    ):
        ALTERED[module] = (name, f"{Path(file).name}:{frame.f_lineno}")


def owner_is_checked(module):
    """Whether a module was built by a user's imported file; containers that a script puts together are judged apart."""
    return type(module).__module__ in IMPORTED or type(module).__module__.startswith("torch.nn")


def patched(kind):
    """Say which method of a class is not that of its file; empty if all are."""
    if kind.__module__ not in IMPORTED:
        method = vars(kind).get("forward")
        if method is None or is_known(method):
            return ""
        return refusal(f"{kind.__name__}.forward was replaced", "")
    for name, value in vars(kind).items():
        if isinstance(value, types.FunctionType) and not is_known(value):
            return refusal(f"{kind.__name__}.{name} was replaced after its file was imported", file_of(kind))
    return ""


def is_known(value):
    """Whether a function's code stands in an imported file as it was read, or in a library."""
    value = getattr(value, "__func__", value)
    code = getattr(value, "__code__", None)
    if code is None or is_library(code.co_filename):
        return True  # callable objects and built-in functions: of libraries (compiled and wrapped forwards)
    return code in known_code(code.co_filename)


def known_code(file):
    """Give every code object that the source of `file` compiles to; nothing for what was never imported."""
    source = CODE.get(file)
    if source is None:
        return frozenset()
    if isinstance(source, bytes):
        pending, found = [compile(source, file, "exec", dont_inherit=True)], set()
        while pending:
            code = pending.pop()
            found.add(code)
            pending += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
        CODE[file] = source = frozenset(found)
    return source


class Family:
    """The modules that hold some of an optimizer's parameters, and how they contain each other."""

    def __init__(self, torch, parameters):
        wanted = {id(p) for p in parameters}
        # type() and not isinstance(): a lazy proxy's __class__ may run code.
        alive = [o for o in gc.get_objects() if issubclass(type(o), torch.nn.Module) and "_modules" in o.__dict__]
        self.held = {}
        for module in alive:
            own = (id(p) for part in module.modules() for p in part.__dict__.get("_parameters", {}).values())
            if held := wanted.intersection(own):
                self.held[id(module)] = (module, held)
        children = {id(c) for module, _ in self.held.values() for c in module.__dict__["_modules"].values()}
        self.roots = [module for key, (module, _) in self.held.items() if key not in children]
        self.strays = len(wanted.difference(*(held for _, held in self.held.values()))) if self.held else len(wanted)

    def only_trained_child(self, module):
        """Give the one child that holds all of the module's trained parameters; None where there is no such child."""
        _, held = self.held[id(module)]
        for child in module.__dict__["_modules"].values():
            if id(child) in self.held and self.held[id(child)][1] == held:
                return child
        return None


def file_of(kind):
    """Give the file of the module that defines `kind`; empty where there is none."""
    return getattr(sys.modules.get(kind.__module__), "__file__", None) or ""


def current_digest(file):
    """Give the SHA-256 of what `file` holds now; None if it is gone."""
    try:
        return hashlib.sha256(Path(file).read_bytes()).hexdigest()
    except OSError:
        return None


def stale(kind):
    """Notice objects of a class that an earlier import of its module made."""
    current = sys.modules[kind.__module__]
    for name in kind.__qualname__.split("."):
        if name == "<locals>":
            return ""
        current = getattr(current, name, None)
    if current is kind:
        return ""
    return refusal(f"{kind.__name__} comes from an earlier import of {kind.__module__}; build it from the new one", "")


def refusal(reason, file):
    """Write the message: what is wrong, and the way out."""
    name = file.removeprefix("/workspace/").removeprefix("/source/")
    first = "" if file else "write the network as one class to a file of /workspace, "
    return (
        f"optimizer.step() was refused: {reason}. Way out: {first}call check_network for {name or 'that file'}, "
        "then import (or reload) its module and build the network and its optimizer anew."
    )

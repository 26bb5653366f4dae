"""Refuse `optimizer.step()` on a network that has not passed the dummy forward pass. Runs inside the sandbox."""

from __future__ import annotations

import gc
import hashlib
import importlib.machinery
import json
import sys
import weakref
from pathlib import Path

VERIFIED = Path("/verified/digests.json")
"""Written by the host: `files` maps the SHA-256 of each checked file to its name, `networks` to its checked classes."""

IMPORTED = {}
"""SHA-256 of the source that each user's module was imported from, by module name."""

LIBRARIES = tuple({f"{Path(prefix).resolve()}/" for prefix in (sys.prefix, sys.base_prefix)})


class UnverifiedNetwork(RuntimeError):  # noqa: N818 - read by people: the network is what is wrong
    """The optimizer's parameters belong to something that has not passed the dummy forward pass."""


def record_imports():
    """Note the digest of every user's file when it is imported: later edits do not change what runs."""
    loader = importlib.machinery.SourceFileLoader
    execute = loader.exec_module

    def exec_module(self, module):
        if not is_library(self.path):
            IMPORTED[module.__name__] = hashlib.sha256(Path(self.path).read_bytes()).hexdigest()
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

    def __init__(self, torch, verified=VERIFIED):
        self.torch = torch
        self.verified = Verified(verified)
        self.passed = weakref.WeakKeyDictionary()

    def check(self, optimizer):
        """Return if every parameter belongs to a checked network.

        Raises:
            UnverifiedNetwork: one does not; the message says the way out.
        """
        count = sum(len(group["params"]) for group in optimizer.param_groups)
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
        if family.strays:
            raise UnverifiedNetwork(refusal(f"{family.strays} of its parameters belong to no nn.Module", ""))
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
        parts = {type(module) for module in network.modules()} - {kind}
        return next((trouble for part in parts if (trouble := self.unlisted(part))), "")

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

"""Record every operation of a forward pass with what it took, what it gave, and the source line it came from."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import torch
from probes.candidate import Candidate
from probes.dispatching import Dispatching
from probes.locate import line_in
from torch import nn
from torch.utils._pytree import tree_flatten

VIEWS = frozenset({"view", "_unsafe_view", "reshape", "_reshape_alias"})
PASSING = VIEWS | {
    "transpose", "permute", "t", "expand", "clone", "contiguous", "_to_copy", "detach", "alias", "unsqueeze",
    "squeeze", "slice", "select", "unbind", "split", "chunk", "split_with_sizes", "native_dropout", "copy", "flatten",
    "unsafe_split", "lift_fresh",
}  # fmt: skip
"""Operations that give the values they took, in another order or form."""
PRODUCTS = frozenset({"bmm", "baddbmm"})
_PARAMETRIC = ("addmm", "mm", "convolution", "bmm", "_scaled_dot", "native_batch_norm", "linear")


@dataclass(frozen=True, slots=True)
class Ref:
    """Where a tensor comes from: node number `node`, or a leaf: param, buffer, input or const, with its name."""

    node: int = -1
    leaf: str = ""
    name: str = ""


@dataclass(slots=True, kw_only=True)
class Node:
    """One operation; `owner` is the class of the layer that called it, `line` a line of the candidate's file."""

    number: int
    op: str
    refs: list[Ref]
    args: tuple
    kwargs: dict
    shape: tuple[int, ...]
    owner: str
    line: int | None
    depends: bool = False
    ancestors: int = 0


class Trace(Dispatching):
    """The operations in order, and questions about how they hang together."""

    def __init__(self, network: nn.Module, inputs: list[torch.Tensor], file: str) -> None:
        super().__init__()
        self.nodes: list[Node] = []
        self._file = file
        self._made: dict[int, int] = {}
        self._kept: list[torch.Tensor] = list(inputs)  # an identity may not be given to another tensor
        self._owners: list[str] = []
        self._hooks: list = []
        self._leaves = {id(p): Ref(leaf="param", name=n) for n, p in network.named_parameters(remove_duplicate=False)}
        self._leaves |= {id(b): Ref(leaf="buffer", name=n) for n, b in network.named_buffers()}
        self._leaves |= {id(given): Ref(leaf="input", name=str(place)) for place, given in enumerate(inputs)}

    def __enter__(self) -> Trace:
        def enter(module: nn.Module, given: object) -> None:
            self._owners.append(type(module).__name__)

        def leave(module: nn.Module, given: object, output: object) -> None:
            if self._owners:
                self._owners.pop()

        hooks = torch.nn.modules.module
        self._hooks = [
            hooks.register_module_forward_pre_hook(enter),
            hooks.register_module_forward_hook(leave, always_call=True),
        ]
        super().__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        for hook in self._hooks:
            hook.remove()
        super().__exit__(*error)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Run the operation and note it."""
        kwargs = kwargs or {}
        given = [value for value in tree_flatten((args, kwargs))[0] if isinstance(value, torch.Tensor)]
        result = func(*args, **kwargs)
        outputs = [value for value in tree_flatten(result)[0] if isinstance(value, torch.Tensor)]
        name = func._schema.name.split("::")[1]
        node = Node(
            number=len(self.nodes),
            op=name.removesuffix("_") if not name.endswith("__") else name,
            refs=[self._ref(tensor) for tensor in given],
            args=args,
            kwargs=kwargs,
            shape=tuple(outputs[0].shape) if outputs else (),
            owner=self._owners[-1] if self._owners else "",
            line=self._line(),
        )
        self._link(node)
        self.nodes.append(node)
        for output in outputs:
            self._made[id(output)] = node.number
            self._kept.append(output)
        return result

    def _link(self, node: Node) -> None:
        for ref in node.refs:
            if ref.node >= 0:
                node.depends |= self.nodes[ref.node].depends
                node.ancestors |= self.nodes[ref.node].ancestors | (1 << ref.node)
            node.depends |= ref.leaf == "input"

    def _ref(self, tensor: torch.Tensor) -> Ref:
        if id(tensor) in self._made:
            return Ref(node=self._made[id(tensor)])
        return self._leaves.get(id(tensor), Ref(leaf="const"))

    def _line(self) -> int | None:
        return line_in(self._file, sys._getframe(2))

    # -- questions ---------------------------------------------------------------------------------------------

    def depends(self, ref: Ref) -> bool:
        """Tell whether a tensor depends on an input."""
        return ref.leaf == "input" or (ref.node >= 0 and self.nodes[ref.node].depends)

    def users(self, number: int) -> list[Node]:
        """Give the operations that take the result of node `number`."""
        return [node for node in self.nodes[number + 1 :] if any(ref.node == number for ref in node.refs)]

    def factor(self, node: Node) -> tuple[Ref, float] | None:
        """Give tensor and factor where the node multiplies or divides by one number; None where it does not."""
        if node.op not in {"mul", "div"} or len(node.args) < 2:
            return None
        left, right = node.args[:2]
        ref = node.refs[0]
        if isinstance(right, torch.Tensor) and right.numel() == 1 and node.refs[1].leaf != "param":
            right = float(right)
        elif isinstance(left, torch.Tensor) and left.numel() == 1 and node.op == "mul" and ref.leaf != "param":
            ref, right = node.refs[1], float(left)
        if isinstance(right, int | float) and right:
            return ref, float(right) if node.op == "mul" else 1 / float(right)
        return None

    def up(self, ref: Ref, stop: frozenset[str]) -> tuple[Ref, float]:
        """Walk up through operations that keep values, scale or mask them; give where it ends and the scale."""
        scale = 1.0
        for _ in range(80):
            if ref.node < 0 or self.nodes[ref.node].op in stop:
                break
            node = self.nodes[ref.node]
            factor = self.factor(node)
            if factor is not None:
                ref, scale = factor[0], scale * factor[1]
            elif node.op in PASSING or node.op == "masked_fill":
                ref = node.refs[0]
            elif node.op in {"where", "add", "sub"} and stop == PRODUCTS:
                nearer = [one for one in node.refs if self._comes_from_product(one)]
                if len(nearer) != 1:
                    break
                ref = nearer[0]
            else:
                break
        return ref, scale

    def _comes_from_product(self, ref: Ref) -> bool:
        end, _ = self.up(ref, PRODUCTS) if ref.node >= 0 else (ref, 1.0)
        return end.node >= 0 and self.nodes[end.node].op in PRODUCTS

    def residual_additions(self) -> list[tuple[Node, Ref, Ref]]:
        """Give additions of two tensors of one shape whose branch has weights, with skip and branch."""
        found = []
        for node in self.nodes:
            if node.op != "add" or len(node.refs) != 2 or any(ref.node < 0 for ref in node.refs):
                continue
            left, right = node.args[:2]
            if left.shape != right.shape or left.ndim < 2 or not all(self.depends(ref) for ref in node.refs):
                continue
            pair = self._skip_and_branch(*node.refs)
            if pair is not None and self._has_weights(*pair):
                found.append((node, *pair))
        return found

    def _skip_and_branch(self, one: Ref, other: Ref) -> tuple[Ref, Ref] | None:
        reach = {ref: self.nodes[ref.node].ancestors | 1 << ref.node for ref in (one, other)}
        if reach[other] >> one.node & 1:
            return one, other
        if reach[one] >> other.node & 1:
            return other, one
        common = reach[one] & reach[other]
        if not any(self.nodes[n].depends for n in _bits(common)):
            return None
        alone = {ref: (reach[ref] & ~common).bit_count() for ref in (one, other)}
        skip, branch = sorted((one, other), key=alone.__getitem__)
        return (skip, branch) if alone[skip] <= 8 else None  # a projection of the shortcut is short

    def _has_weights(self, skip: Ref, branch: Ref) -> bool:
        reach = {ref: self.nodes[ref.node].ancestors | 1 << ref.node for ref in (skip, branch)}
        return any(self.nodes[n].op.startswith(_PARAMETRIC) for n in _bits(reach[branch] & ~reach[skip]))


def _bits(mask: int) -> list[int]:
    return [place for place, bit in enumerate(reversed(f"{mask:b}")) if bit == "1"]


def trace_of(candidate: Candidate) -> Trace:
    """Trace one forward pass in evaluation mode and, where there is one, the loss; made once."""
    if "trace" not in candidate.notes:
        if candidate.has("compute_loss") and "loss" not in candidate.does_not_work:
            batch = candidate.batch(3, seed=1)
            inputs = list(candidate.model_inputs(batch))
        else:
            batch, inputs = None, candidate.inputs(3, seed=1)
        network = candidate.warm
        trace = Trace(network, inputs, f"{candidate.root}/{candidate.file}")
        with trace:
            output = network(*inputs)
            if batch is not None:
                candidate.loss(output, batch)
        candidate.notes["trace"] = trace
    return candidate.notes["trace"]

"""Run every broken program beside its right twin and say what the bug changes.

python benchmarks/fresh/effects.py [--seeds 3] [--bugs benchmarks/fresh/bugs.json] [PROGRAM[/BUG] …]

Of each bug four things are compared, seed by seed: the loss at the end of training (mean of the last tenth), the metric
that the program reports, the metric that the right program gives to the weights that the broken one trained (where
they fit), and how many tensors training moved. A fifth, whether evaluating twice gives the same, is for state that
evaluation changes. A change counts when it is at least 5 % on average and has the same sign for every seed. Times are
seconds of processor time for training and evaluation. Needs torch.
"""

import argparse
import json
import math
import time
import types
import warnings
from pathlib import Path
from statistics import fmean

import torch

HERE = Path(__file__).parent


def program(source, name):
    module = types.ModuleType(name)
    exec(compile(source, name, "exec"), module.__dict__)
    return module


def outcome(module, seed, right=None):
    """What one run gives; `right` is the right twin, to judge the weights by."""
    torch.manual_seed(seed)
    splits = module.make_splits(seed=seed)
    torch.manual_seed(seed)
    model = module.build_model()
    first = {name: value.clone() for name, value in model.named_parameters()}
    start = time.process_time()
    result = module.run(model, splits)
    seconds = time.process_time() - start
    tail = result["history"][-max(1, len(result["history"]) // 10):]
    found = {
        "loss": fmean(tail), "reported": result["test"], "seconds": seconds,
        "moved": sum(not torch.equal(first[name], value) for name, value in model.named_parameters()),
    }
    torch.manual_seed(seed)
    found["again"] = module.evaluate(model, splits["test"])
    torch.manual_seed(seed)
    found["again2"] = module.evaluate(model, splits["test"])
    if right is not None:
        twin = right.build_model()
        try:
            twin.load_state_dict(model.state_dict())
        except RuntimeError:
            return found
        torch.manual_seed(seed)
        found["true"] = right.evaluate(twin, held_out(right, seed))
    return found


def held_out(right, seed):
    """The right program's test part, made once for each seed."""
    if seed not in right.__dict__.setdefault("held_out", {}):
        torch.manual_seed(seed)
        right.held_out[seed] = right.make_splits(seed=seed)["test"]
    return right.held_out[seed]


def change(pairs):
    """Mean relative change, or None when signs differ between seeds or a value is no number."""
    changes = [(b - a) / max(abs(a), 1e-9) for a, b in pairs]
    if not all(map(math.isfinite, changes)):
        return math.inf
    same = all(c > 0 for c in changes) or all(c < 0 for c in changes)
    return fmean(changes) if same else 0.0


def verdict(right, wrong):
    """The things that changed, with their relative change."""
    pairs = list(zip(right, wrong))
    seen = {key: change([(a[key], b[key]) for a, b in pairs]) for key in ("loss", "reported")}
    if all("true" in b for b in wrong):
        seen["true"] = change([(a["true"], b["true"]) for a, b in pairs])
    seen = {key: value for key, value in seen.items() if abs(value) >= 0.05}
    if any(a["moved"] != b["moved"] for a, b in pairs):
        seen["moved"] = f"{right[0]['moved']}->{wrong[0]['moved']} tensors"
    if any(b["again"] != b["again2"] for b in wrong) and all(a["again"] == a["again2"] for a in right):
        seen["evaluated twice"] = f"{wrong[0]['again']:.3f} then {wrong[0]['again2']:.3f}"
    return seen


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("only", nargs="*")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--bugs", type=Path, default=HERE / "bugs.json")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    programs, twins = {}, {}
    without = 0
    for name, bug, _, text, replacement in json.loads(arguments.bugs.read_text("utf-8")):
        if arguments.only and not {name, f"{name}/{bug}"} & set(arguments.only):
            continue
        source = (HERE / "correct" / f"{name}.py").read_text("utf-8")
        if name not in twins:
            programs[name] = program(source, name)
            twins[name] = [outcome(programs[name], seed, programs[name]) for seed in range(arguments.seeds)]
            show(name, twins[name])
        wrong = [outcome(program(source.replace(text, replacement), bug), seed, programs[name])
                 for seed in range(arguments.seeds)]
        seen = verdict(twins[name], wrong)
        without += not seen
        show(f"  {name}/{bug}", wrong)
        seen = {key: round(value, 3) if isinstance(value, float) else value for key, value in seen.items()}
        print("     ", seen or "NO EFFECT", flush=True)
    print(f"{without} bugs without effect")


def show(label, runs):
    keys = [key for key in ("loss", "reported", "true", "moved", "seconds") if all(key in run for run in runs)]
    print(f"{label}:", "  ".join(f"{key} {fmean(run[key] for run in runs):.4g}" for key in keys), flush=True)


if __name__ == "__main__":
    main()

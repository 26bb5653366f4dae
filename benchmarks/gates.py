"""What the gates before a training cost: the checks that need no training, and a smoke run, on a small ViT.

    ML_INTERN_SANDBOX_PYTHON=FOLDER python benchmarks/gates.py

Runs in the sandbox that works here. Prints processor seconds of the checks and wall-clock seconds of the smoke run.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ml_intern.config import Settings
from ml_intern.core.protocols import RunPaths, ToolContext
from ml_intern.sandboxes.choose import choose
from ml_intern.tools._verified import list_verified, note_verified
from ml_intern.verification.cheap import check_before_training, claimed
from ml_intern.verification.forward import ForwardRequest, InputSpec
from ml_intern.verification.smoke import run_smoke
from ml_intern.verification.source import source_digest
from ml_intern.verification.training import Order

NETWORK = b"""
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width=192, depth=6, heads=3, classes=10):
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, 4)
        self.positions = nn.Parameter(torch.randn(64, width) * 0.02)
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.head = nn.Linear(width, classes)

    def forward(self, images):
        tokens = self.patches(images).flatten(2).transpose(1, 2)  # (batch, 64, width)
        return self.head(self.blocks(tokens + self.positions).mean(1))


def predict(network, rows):
    return [0 for _ in rows]
"""
SCRIPT = b"""
import torch
from safetensors.torch import save_model
from torch.utils.data import DataLoader, TensorDataset

from network import Net

network = Net()
optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
rows = TensorDataset(torch.randn(2000, 3, 32, 32), torch.randint(0, 10, (2000,)))
for epoch in range(3):
    for images, labels in DataLoader(rows, batch_size=32, shuffle=True):
        loss = torch.nn.functional.cross_entropy(network(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
save_model(network, "/output/model.safetensors")
"""


def main() -> None:
    """Check, smoke, print."""
    settings = Settings.load(os.environ)
    settings.home.mkdir(parents=True, exist_ok=True)
    backend = choose(settings.sandbox, settings)
    with tempfile.TemporaryDirectory(dir=settings.home) as folder:
        Path(folder).chmod(0o755)
        paths = RunPaths(root=Path(folder))
        request = ForwardRequest(
            file="network.py",
            class_name="Net",
            arguments={},
            inputs=(InputSpec(shape=(3, 32, 32), dtype="float32"),),
            output_shape=(10,),
        )
        files, directory = {"network.py": NETWORK}, paths.call("check")
        forward, cheap = check_before_training(
            backend,
            run="benchmark",
            directory=directory,
            files=files,
            request=request,
            contract=claimed(request, {"task": "classification", "norm": "pre", "depth": 6}),
        )
        if forward.fact is None or cheap is None or cheap.fact is None:
            raise SystemExit(f"{forward.text}\n{cheap.text if cheap else ''}")
        print(f"checks: {len(cheap.fact.passed)} passed, {cheap.fact.failed} failed, {cheap.fact.seconds:.1f} s")
        context = ToolContext(run="benchmark", call_id="check", paths=paths)
        note_verified(context, files, forward.fact)
        list_verified(context, "check")
        order = Order(
            files={"train.py": SCRIPT, **files},
            script="train.py",
            hyperparameters={},
            source_digest=source_digest(files),
        )
        smoke, text = run_smoke(backend, order, run="benchmark", paths=paths, call_id="train")
        print(f"smoke run: {smoke.steps} steps of 189, {smoke.seconds:.1f} s{text}")


if __name__ == "__main__":
    main()

"""Per static check, a piece of code that it finds and the same piece as it should be."""

from __future__ import annotations

from textwrap import dedent

IMPORTS = "import torch\nimport torch.nn.functional as F\nfrom torch import nn\n"


def _pair(wrong: str, right: str) -> tuple[str, str]:
    return IMPORTS + dedent(wrong), IMPORTS + dedent(right)


def _changed(code: str, right: str, wrong: str) -> tuple[str, str]:
    assert right in code
    return IMPORTS + dedent(code.replace(right, wrong)), IMPORTS + dedent(code)


LAYER = """
    class Net(nn.Module):
        def __init__(self, width: int, depth=2):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(width))
            self.blocks = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])
            self.drop = nn.Dropout(0.1)

        def forward(self, x):
            for block in self.blocks:
                x = x + block(x)
            return self.drop(x * self.scale)

    def make():
        return Net(8, depth=3)
"""
LOOP = """
    import copy
    from torch.optim import AdamW

    def evaluate(model, rows):
        model.eval()
        with torch.no_grad():
            return F.cross_entropy(model(rows[0]), rows[1]).item()

    def train(model, loader, rows):
        model.head = nn.Linear(4, 4)
        optimizer = AdamW(model.parameters(), lr=1e-3)
        dropout = nn.Dropout(0.1)
        best_loss, state = float("inf"), None
        torch.manual_seed(0)
        for epoch in range(3):
            model.train()
            for x, y in loader:
                loss = F.cross_entropy(dropout(model(x)), y)
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
            val_loss = evaluate(model, rows)
            if val_loss < best_loss:
                best_loss = val_loss
                state = copy.deepcopy(model.state_dict())
        model.load_state_dict(state)
"""
BEST = LOOP.replace('best_loss, state = float("inf"), None', 'best_loss = float("inf")\n        state = None')
SCALED = """
    def step(model, optimizer, scaler, loss):
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
"""
LINTS: dict[str, tuple[str, tuple[str, str]]] = {
    "a misspelt name": ("undefined-names", _changed(LAYER, "x = x + block(x)", "x = x + blok(x)")),
    "a missing import": ("undefined-names", _changed(LOOP, "    import copy\n", "")),
    "an attribute that nothing sets": ("undefined-attributes", _changed(LAYER, "x * self.scale", "x * self.gain")),
    "an argument that torch does not have": (
        "call-signatures",
        _pair("layer = nn.LayerNorm(8, epsilon=1e-5)\n", "layer = nn.LayerNorm(8, eps=1e-5)\n"),
    ),
    "a layer that torch does not have": (
        "call-signatures",
        _pair("layer = nn.LayerNormalization(8)\n", "layer = nn.LayerNorm(8)\n"),
    ),
    "an argument that its own class does not take": ("call-signatures", _changed(LAYER, "depth=3", "layers=3")),
    "no call of the parent": ("missing-super-init", _changed(LAYER, "super().__init__()", "self.width = width")),
    "a plain list of layers": (
        "unregistered-layers",
        _changed(
            LAYER,
            "nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])",
            "[nn.Linear(8, 8), nn.Linear(8, 8)]",
        ),
    ),
    "a parameter that is none": (
        "unregistered-layers",
        _changed(LAYER, "nn.Parameter(torch.ones(width))", "nn.Parameter(torch.ones(width)) * 0.02"),
    ),
    "one layer several times": (
        "repeated-layers",
        _changed(LAYER, "[nn.Linear(width, width) for _ in range(depth)]", "[nn.Linear(width, width)] * depth"),
    ),
    "a parameter changed in forward": (
        "in-place-parameter",
        _changed(LAYER, "for block in self.blocks:", "self.scale.mul_(0.9)\n            for block in self.blocks:"),
    ),
    "no zero_grad": ("gradient-reset", _changed(LOOP, "                optimizer.zero_grad()\n", "")),
    "zero_grad before the step": (
        "gradient-reset",
        _changed(LOOP, "optimizer.step()", "optimizer.zero_grad()\n                optimizer.step()"),
    ),
    "clipping scaled gradients": ("clipping-order", _changed(SCALED, "        scaler.unscale_(optimizer)\n", "")),
    "clipping after the step": (
        "clipping-order",
        _changed(
            LOOP,
            "nn.utils.clip_grad_norm_(model.parameters(), 1.0)\n                optimizer.step()",
            "optimizer.step()\n                nn.utils.clip_grad_norm_(model.parameters(), 1.0)",
        ),
    ),
    "a best state that is alive": (
        "kept-state",
        _changed(LOOP, "copy.deepcopy(model.state_dict())", "copy.copy(model.state_dict())"),
    ),
    "a best loss of 0": ("best-value", _changed(BEST, 'best_loss = float("inf")', "best_loss = 0.0")),
    "a best accuracy of infinity": ("best-value", _changed(BEST, "val_loss < best_loss", "val_loss > best_loss")),
    "evaluation mode for good": ("training-mode", _changed(LOOP, "            model.train()\n", "")),
    "a layer after the optimizer": (
        "late-layers",
        _changed(
            LOOP,
            "model.head = nn.Linear(4, 4)\n        optimizer = AdamW(model.parameters(), lr=1e-3)",
            "optimizer = AdamW(model.parameters(), lr=1e-3)\n        model.head = nn.Linear(4, 4)",
        ),
    ),
    "softmax before the cross entropy": (
        "loss-space",
        _changed(LOOP, "F.cross_entropy(dropout(model(x)), y)", "F.cross_entropy(F.softmax(model(x), dim=-1), y)"),
    ),
    "probabilities for the divergence": (
        "loss-space",
        _pair(
            "def loss(a, b):\n    p = F.softmax(a, -1)\n    return F.kl_div(p, b)\n",
            "def loss(a, b):\n    p = F.log_softmax(a, -1)\n    return F.kl_div(p, b)\n",
        ),
    ),
    "prediction and target exchanged": (
        "loss-space",
        _pair(
            "criterion = nn.CrossEntropyLoss()\ndef loss(logits, labels):\n    return criterion(labels, logits)\n",
            "criterion = nn.CrossEntropyLoss()\ndef loss(logits, labels):\n    return criterion(logits, labels)\n",
        ),
    ),
    "a loss without its graph": (
        "cut-loss",
        _changed(LOOP, "F.cross_entropy(dropout(model(x)), y)", "torch.tensor(F.cross_entropy(model(x), y))"),
    ),
    "a loss of argmax": (
        "cut-loss",
        _pair(
            "def compute_loss(out, y):\n    return F.mse_loss(out.argmax(-1), y)\n",
            "def compute_loss(out, y):\n    return F.mse_loss(out.mean(-1), y)\n",
        ),
    ),
    "a step that is not called": ("lost-results", _changed(LOOP, "optimizer.step()", "optimizer.step")),
    "a mask that is thrown away": (
        "lost-results",
        _pair(
            "def mask(scores, m):\n    scores.masked_fill(m, -1e9)\n    return scores\n",
            "def mask(scores, m):\n    scores.masked_fill_(m, -1e9)\n    return scores\n",
        ),
    ),
    "a scaler fitted before the split": (
        "fitted-on-test",
        _pair(
            "from sklearn.preprocessing import StandardScaler\nfrom sklearn.model_selection import train_test_split\n"
            "def split(x, scaler):\n    x = scaler.fit_transform(x)\n    return train_test_split(x)\n",
            "from sklearn.preprocessing import StandardScaler\nfrom sklearn.model_selection import train_test_split\n"
            "def split(x, scaler):\n    a, b = train_test_split(x)\n    return scaler.fit_transform(a), b\n",
        ),
    ),
    "the same noise in every step": (
        "fixed-noise",
        _changed(LOOP, "loss.backward()", "torch.manual_seed(0)\n                loss.backward()"),
    ),
    "classes one after the other": (
        "sorted-training",
        _pair(
            "def train(loss):\n    labels = torch.arange(4).repeat_interleave(9)\n    loss.backward()\n",
            "def train(loss):\n    labels = torch.arange(4).repeat_interleave(9)[torch.randperm(36)]\n"
            "    loss.backward()\n",
        ),
    ),
    "soft targets without their square": (
        "soft-targets",
        _pair(
            "def loss(a, b, T):\n    return F.kl_div(F.log_softmax(a / T, -1), F.softmax(b / T, -1))\n",
            "def loss(a, b, T):\n    return F.kl_div(F.log_softmax(a / T, -1), F.softmax(b / T, -1)) * T**2\n",
        ),
    ),
    "a quotient that the words write the other way round": (
        "written-quotient",
        _pair(
            'def scale(alpha, rank):\n    """Give alpha / rank."""\n    return rank / alpha\n',
            'def scale(alpha, rank):\n    """Give alpha / rank, not rank alone."""\n    return alpha / rank\n',
        ),
    ),
    "a file that may run code": (
        "unsafe-load",
        _pair('state = torch.load("w.pt", weights_only=False)\n', 'state = torch.load("w.pt")\n'),
    ),
    "a margin chosen on the rows that it is measured on": (
        "chosen-on-test",
        _pair(
            "from tools import accuracy, calibrate, coverage, predict\n"
            "def run(model, splits):\n    test = splits['test']\n    margin = calibrate(model, splits['test'])\n"
            "    scores = predict(model, test)\n    return coverage(model, test, margin), accuracy(test, scores)\n",
            "from tools import accuracy, calibrate, coverage, predict\n"
            "def run(model, splits):\n    test = splits['test']\n    margin = calibrate(model, splits['val'])\n"
            "    scores = predict(model, test)\n    return coverage(model, test, margin), accuracy(test, scores)\n",
        ),
    ),
    "a cross term that is taken once": (
        "expanded-square",
        _pair(
            "def distance(a, b):\n    return a.pow(2).sum(1, keepdim=True) + (b**2).sum(1) - a @ b.t()\n",
            "def distance(a, b, c):\n    one = a.pow(2).sum(1, keepdim=True) + (b**2).sum(1) - 2 * a @ b.t()\n"
            "    two = torch.square(a).sum(1)[:, None] - 2 * torch.matmul(a, b.T) + torch.square(b).sum(1)\n"
            "    return one, two, a.pow(2).sum(1) + b.pow(2).sum(1) - a @ c\n",
        ),
    ),
    "probabilities that are divided by a temperature": (
        "late-temperature",
        _pair(
            "def draw(logits, temperature):\n    probs = logits.softmax(-1)\n"
            "    return torch.multinomial(probs / temperature, 1)\n",
            "def draw(logits, temperature):\n    probs = (logits / temperature).softmax(-1)\n"
            "    return torch.multinomial(probs / probs.sum(-1, keepdim=True), 1)\n",
        ),
    ),
    "a warm-up in whole numbers": (
        "whole-warmup",
        _pair(
            "def schedule(optimizer, warmup):\n    rate = lambda step: min(1.0, (step + 1) // warmup)\n"
            "    return torch.optim.lr_scheduler.LambdaLR(optimizer, rate)\n",
            "def schedule(optimizer, warmup):\n"
            "    rate = lambda step: min(1.0, (step + 1) / warmup) * 0.5 ** (step // 30)\n"
            "    return torch.optim.lr_scheduler.LambdaLR(optimizer, rate)\n",
        ),
    ),
    "a threshold that is set on the test part": (
        "chosen-on-test",
        _pair(
            "from tools import set_threshold\ndef train(model, splits):\n    set_threshold(model, splits['test'])\n",
            "from tools import plot_calibration, set_threshold\ndef train(model, splits):\n"
            "    set_threshold(model, splits['val'])\n    plot_calibration(model, splits['test'])\n",
        ),
    ),
    "soft targets that only one side is softened for": (
        "soft-targets",
        _pair(
            "T = 4.0\ndef loss(a, b):\n    log_p = F.log_softmax(a / T, -1)\n    q = F.softmax(b, -1)\n"
            "    return F.kl_div(log_p, q) * T**2\n",
            "T = 4.0\ndef loss(a, b, given):\n    log_p = F.log_softmax(a / T, -1)\n    soft = b / T\n"
            "    q = F.softmax(soft, -1)\n    return (F.kl_div(log_p, q) + F.kl_div(log_p, given)) * T**2\n",
        ),
    ),
    "best weights that are kept by reference": (
        "kept-state",
        _pair(
            "def train(model, steps, score):\n    best, kept = 0.0, None\n    for _ in range(steps):\n"
            "        if (now := score(model)) > best:\n            best = now\n"
            "            kept = {k: v.detach() for k, v in model.state_dict().items()}\n"
            "    model.load_state_dict(kept)\n",
            "def train(model, steps, score):\n    best, kept = 0.0, None\n    for _ in range(steps):\n"
            "        if (now := score(model)) > best:\n            best = now\n"
            "            kept = {k: v.cpu().clone() for k, v in model.state_dict().items()}\n"
            "    model.load_state_dict(kept)\n",
        ),
    ),
}

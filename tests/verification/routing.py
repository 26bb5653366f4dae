"""A mixture-of-experts layer with its own routing, three wrong versions of it, and tests that tell them apart."""

MOE = '''"""Sparse mixture of experts with top-k routing."""

import torch
from torch import nn
from torch.nn import functional as F


class Router(nn.Module):
    def __init__(self, width: int, experts: int, k: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, experts, bias=False)
        self.k = k

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """x: (tokens, width). Gives gates and logits, (tokens, experts) each."""
        logits = self.linear(x)
        return gates_of(logits, self.k), logits


def gates_of(logits: torch.Tensor, k: int) -> torch.Tensor:
    """Keep the k largest probabilities of each token and make them sum to one."""
    probabilities = logits.softmax(dim=-1)
    kept, index = probabilities.topk(k, dim=-1)
    kept = kept / kept.sum(dim=-1, keepdim=True)
    return torch.zeros_like(probabilities).scatter(-1, index, kept)


def balance_loss(logits: torch.Tensor, k: int) -> torch.Tensor:
    """Switch Transformer, equation 4: experts * sum of (share of tokens) * (mean probability)."""
    probabilities = logits.softmax(dim=-1)
    share = (gates_of(logits, k) > 0).float().mean(dim=0)
    return logits.shape[-1] * (share.detach() * probabilities.mean(dim=0)).sum()


class Net(nn.Module):
    def __init__(self, width: int = 8, experts: int = 4, k: int = 2, classes: int = 3) -> None:
        super().__init__()
        self.router = Router(width, experts, k)
        self.experts = nn.ModuleList(nn.Sequential(nn.Linear(width, width), nn.ReLU()) for _ in range(experts))
        self.head = nn.Linear(width, classes)

    def mix(self, x: torch.Tensor) -> torch.Tensor:
        gates, _ = self.router(x)
        outputs = torch.stack([expert(x) for expert in self.experts], dim=1)
        return x + (gates.unsqueeze(-1) * outputs).sum(dim=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.mix(x))


def predict(network, rows):
    inputs = torch.tensor([[float(row["x"])] * 8 for row in rows])
    return network(inputs).argmax(1).tolist()
'''

WRONG = {
    "the smallest k instead of the largest": ("probabilities.topk(k, dim=-1)", "probabilities.topk(k, -1, False)"),
    "gates that do not sum to one": ("    kept = kept / kept.sum(dim=-1, keepdim=True)\n", ""),
    "a balance loss without gradient": (
        "* probabilities.mean(dim=0)).sum()",
        "* probabilities.mean(dim=0)).sum().detach()",
    ),
}

TESTS = """import torch
import properties as p
from network import Net, Router, balance_loss, gates_of


def test_every_token_goes_to_its_two_best_experts():
    logits = torch.randn(32, 5)
    gates = gates_of(logits, 2)
    p.exactly_top_k(gates, 2)
    p.picks_the_largest(gates, logits)
    p.gates_sum_to_one(gates)
    ratio = logits.exp() / (logits.exp() * (gates > 0)).sum(-1, keepdim=True)
    assert torch.allclose(gates, ratio * (gates > 0), atol=1e-5)


def test_the_router_uses_its_own_k():
    gates, logits = Router(6, 5, 3)(torch.randn(9, 6))
    p.exactly_top_k(gates, 3)
    p.picks_the_largest(gates, logits)


def test_the_balance_loss_pushes_tokens_apart():
    p.balances(lambda logits: balance_loss(logits, 2))
    even = torch.eye(4).repeat(8, 1) * 1e-4
    assert abs(float(balance_loss(even, 1)) - 1) < 1e-3


def test_experts_have_no_order():
    torch.manual_seed(0)
    net = Net()
    x = torch.randn(7, 8)
    other = Net()
    other.load_state_dict(net.state_dict())
    other.router.linear.weight.data = net.router.linear.weight.data.flip(0)
    other.experts = torch.nn.ModuleList(list(net.experts)[::-1])
    p.same_function(net, other, x)


def test_the_output_is_the_residual_and_the_weighted_experts():
    net = Net()
    x = torch.randn(5, 8)
    gates, _ = net.router(x)
    expected = torch.stack([x[t] + sum(gates[t, e] * net.experts[e](x[t]) for e in range(4)) for t in range(5)])
    assert torch.allclose(net.mix(x), expected, atol=1e-5)
    assert net(x).shape == (5, 3)
    p.independent_of_batch(net, x)
    p.every_parameter_learns(net, net(torch.randn(64, 8)))
"""

SHAPES_ONLY = """import torch
from network import Net


def test_shape():
    assert Net()(torch.randn(5, 8)).shape == (5, 3)
"""

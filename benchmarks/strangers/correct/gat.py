"""Graph attention network (Velickovic et al. 2018), inductive: label every paper of unseen citation graphs.

Every node attends to its neighbours and to itself. Graphs have between 14 and 24 nodes and are padded.
"""
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

NODES, FEATURES, CLASSES, IGNORE = 24, 8, 4, -100
META = {
    "name": "gat", "task": "tagging",
    "inputs": [
        {"name": "x", "shape": ["B", NODES, FEATURES], "dtype": "float32"},
        {"name": "adj", "shape": ["B", NODES, NODES], "dtype": "float32", "low": 0, "high": 1, "role": "adjacency"},
        {"name": "present", "shape": ["B", NODES], "dtype": "bool", "role": "padding_mask"},
    ],
    "target": {"name": "label", "shape": ["B", NODES], "dtype": "int64", "low": 0, "high": CLASSES, "ignore": IGNORE},
    "output_shape": ["B", NODES, CLASSES], "oracle": "onehot", "causal": False, "claims": {},
}


class GraphAttention(nn.Module):
    """e_ij = LeakyReLU(a_self . Wh_i + a_other . Wh_j); node i averages its neighbours j with softmax_j(e_ij)."""

    def __init__(self, fan_in, fan_out, heads, concat=True, dropout=0.1):
        super().__init__()
        self.heads, self.fan_out, self.concat, self.p = heads, fan_out, concat, dropout
        self.proj = nn.Linear(fan_in, heads * fan_out, bias=False)
        self.a_self = nn.Parameter(torch.empty(heads, fan_out))
        self.a_other = nn.Parameter(torch.empty(heads, fan_out))
        nn.init.xavier_uniform_(self.proj.weight)
        nn.init.xavier_uniform_(self.a_self)
        nn.init.xavier_uniform_(self.a_other)

    def forward(self, h, connected):
        b, n, _ = h.shape
        wh = self.proj(h).view(b, n, self.heads, self.fan_out)
        mine = (wh * self.a_self).sum(-1)  # (b, n, heads)
        theirs = (wh * self.a_other).sum(-1)
        scores = F.leaky_relu(mine[:, :, None] + theirs[:, None, :], 0.2)  # (b, i, j, heads)
        scores = scores.masked_fill(~connected[..., None], float("-inf"))
        alpha = scores.softmax(dim=2)
        alpha = F.dropout(alpha, self.p, training=self.training)
        out = torch.einsum("bijh,bjhd->bihd", alpha, wh)
        return out.flatten(2) if self.concat else out.mean(dim=2)


class GAT(nn.Module):
    def __init__(self, hidden=16, heads=4, dropout=0.1):
        super().__init__()
        self.first = GraphAttention(FEATURES, hidden, heads)
        self.second = GraphAttention(hidden * heads, hidden, heads)
        self.last = GraphAttention(hidden * heads, CLASSES, heads, concat=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, adj, present):
        pair = present[:, :, None] & present[:, None, :]
        own = torch.eye(x.shape[1], dtype=torch.bool, device=x.device)
        connected = ((adj > 0.5) & pair) | own
        h = F.elu(self.first(self.dropout(x), connected))
        h = h + F.elu(self.second(self.dropout(h), connected))
        return self.last(self.dropout(h), connected)


def build_model():
    return GAT()


def load_raw(seed=0):
    g = torch.Generator().manual_seed(seed)
    graphs = 420
    sizes = torch.randint(14, NODES + 1, (graphs,), generator=g)
    present = torch.arange(NODES)[None] < sizes[:, None]
    label = torch.randint(0, CLASSES, (graphs, NODES), generator=g)
    topics = torch.randn(CLASSES, FEATURES, generator=g)
    spread = torch.linspace(0.5, 4.0, FEATURES)
    x = (topics[label] + 1.6 * torch.randn(graphs, NODES, FEATURES, generator=g)) * spread + 3.0
    same = label[:, :, None] == label[:, None, :]
    chance = torch.where(same, 0.45, 0.05)
    upper = (torch.rand(graphs, NODES, NODES, generator=g) < chance).triu(1)
    adj = (upper | upper.transpose(1, 2)) & present[:, :, None] & present[:, None, :]
    label = label.masked_fill(~present, IGNORE)
    return x, adj.float(), present, label


def make_splits(raw=None, seed=0):
    x, adj, present, label = load_raw(seed) if raw is None else raw
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    cut = {"train": order[:260], "val": order[260:330], "test": order[330:]}
    seen = x[cut["train"]][present[cut["train"]]]  # real nodes of the training graphs only
    x = (x - seen.mean(dim=0)) / seen.std(dim=0)
    x = x * present[..., None]
    return {name: TensorDataset(x[i], adj[i], present[i], label[i]) for name, i in cut.items()}


def model_inputs(batch):
    x, adj, present, _ = batch
    return x, adj, present


def compute_loss(out, batch):
    return F.cross_entropy(out.flatten(0, 1), batch[3].flatten(), ignore_index=IGNORE)


def train(model, splits, steps=200, batch_size=20):
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=5e-4)
    history, epoch_loader = [], DataLoader(splits["train"], batch_size=batch_size, shuffle=True)
    while True:
        model.train()
        for batch in epoch_loader:
            loss = compute_loss(model(*model_inputs(batch)), batch)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            history.append(loss.item())
            if len(history) >= steps:
                return history


@torch.no_grad()
def evaluate(model, dataset):
    """Macro F1 over the real nodes of all graphs."""
    model.eval()
    confusion = torch.zeros(CLASSES, CLASSES)  # rows are true classes, columns are predictions
    for batch in DataLoader(dataset, batch_size=50):
        predicted = model(*model_inputs(batch)).argmax(dim=-1)
        keep = batch[3] != IGNORE
        flat = batch[3][keep] * CLASSES + predicted[keep]
        confusion += torch.bincount(flat, minlength=CLASSES ** 2).view(CLASSES, CLASSES)
    hits = confusion.diag()
    f1 = 2 * hits / (confusion.sum(dim=0) + confusion.sum(dim=1)).clamp(min=1)
    return f1.mean().item()


def run(model, splits, steps=200):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print(f"loss {result['history'][-1]:.3f}  macro F1 {result['test']:.3f}")

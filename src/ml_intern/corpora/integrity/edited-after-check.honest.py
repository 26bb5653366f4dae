# task: language
# class: another network
# right: checked again after the edit
# --- calls.json
{
 "steps": [
  "contract",
  "prepare_dataset",
  "write_file network.py",
  "check_network",
  "write_file edited.py",
  "check_network",
  "write_file train.py",
  "train",
  "evaluate",
  "publish"
 ],
 "write_file edited.py": {
  "path": "network.py",
  "content": "import torch\n\nLETTERS = \" abcdefghijklmnopqrstuvwxyz\"\n\n\nclass Net(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.embedding = torch.nn.Embedding(len(LETTERS), 12)\n        self.body = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(72, 40), torch.nn.ReLU())\n        self.head = torch.nn.Sequential(torch.nn.LayerNorm(40), torch.nn.Linear(40, 6))\n\n    def forward(self, tokens):  # (batch, 6)\n        return self.head(self.body(self.embedding(tokens)))\n\n\ndef encode(rows):\n    contexts = [row[\"context\"][-6:].rjust(6) for row in rows]\n    return torch.tensor([[max(0, LETTERS.find(letter)) for letter in context] for context in contexts])\n\n\ndef predict(network, rows):\n    return predict_proba(network, rows).argmax(1).tolist()\n\n\ndef predict_proba(network, rows):\n    network.eval()\n    with torch.no_grad():\n        return network(encode(rows)).softmax(1)\n"
 }
}

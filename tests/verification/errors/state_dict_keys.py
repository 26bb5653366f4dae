"""load_state_dict: the keys carry the prefix of a wrapper."""
# cause: network.load_state_dict(saved) | module.weight | 'module.'

import torch
from torch import nn

network = nn.Linear(3, 2)
saved = nn.DataParallel(nn.Linear(3, 2)).state_dict()
network.load_state_dict(saved)

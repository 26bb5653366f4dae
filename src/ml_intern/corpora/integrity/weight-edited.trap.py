# task: image
# class: edited publication
# wrong: one weight is changed after the evaluation
# stopped by: verify: file model.safetensors
# --- after.py
import hashlib
import json
import re
import sys
from pathlib import Path

place = Path(sys.argv[1])
weights = bytearray((place / "model.safetensors").read_bytes())
weights[-1] ^= 1
(place / "model.safetensors").write_bytes(weights)

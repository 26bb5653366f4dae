# task: table
# class: edited publication
# wrong: the weights are scaled and every digest in the provenance made to fit
# stopped by: verify: self-test: .*verify: evaluation, accuracy
# --- after.py
import hashlib
import json
import re
import sys
from pathlib import Path

place = Path(sys.argv[1])
import struct

old = (place / "model.safetensors").read_bytes()
length = int.from_bytes(old[:8], "little")
values = struct.unpack(f"<{(len(old) - 8 - length) // 4}f", old[8 + length :])
(place / "model.safetensors").write_bytes(old[: 8 + length] + struct.pack(f"<{len(values)}f", *(-v for v in values)))
before, after = (hashlib.sha256(content).hexdigest() for content in (old, (place / "model.safetensors").read_bytes()))
for name in ("provenance.json", "README.md"):
    (place / name).write_text((place / name).read_text().replace(before, after))
document = json.loads((place / "provenance.json").read_text())
listing = "".join(f"{d}  {n}\n" for n, d in sorted(document["bundle"]["files"].items()))
bundle, was = hashlib.sha256(listing.encode()).hexdigest(), document["bundle"]["digest"]
for name in ("provenance.json", "README.md"):
    (place / name).write_text((place / name).read_text().replace(was, bundle))
digest = hashlib.sha256((place / "README.md").read_bytes()).hexdigest()
document = json.loads((place / "provenance.json").read_text())
document["files"]["README.md"] = digest
(place / "provenance.json").write_text(json.dumps(document))

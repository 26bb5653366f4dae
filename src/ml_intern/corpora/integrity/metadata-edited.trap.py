# task: price
# class: edited publication
# wrong: a result in the metadata is edited, and its digest made to fit
# stopped by: verify: card, the metadata
# --- after.py
import hashlib
import json
import re
import sys
from pathlib import Path

place = Path(sys.argv[1])
card = (place / "README.md").read_text()
(place / "README.md").write_text(re.sub(r"value: \d+\.\d+", "value: 0.125", card, count=1))
digest = hashlib.sha256((place / "README.md").read_bytes()).hexdigest()
document = json.loads((place / "provenance.json").read_text())
document["files"]["README.md"] = digest
(place / "provenance.json").write_text(json.dumps(document))

# task: table
# class: edited publication
# wrong: one number in the table of scores is edited, and its digest made to fit
# stopped by: verify: card, the table of scores
# --- after.py
import hashlib
import json
import re
import sys
from pathlib import Path

place = Path(sys.argv[1])
card = (place / "README.md").read_text()
(place / "README.md").write_text(re.sub(r"\| accuracy \| 0\.\d", "| accuracy | 0.99", card, count=1))
digest = hashlib.sha256((place / "README.md").read_bytes()).hexdigest()
document = json.loads((place / "provenance.json").read_text())
document["files"]["README.md"] = digest
(place / "provenance.json").write_text(json.dumps(document))

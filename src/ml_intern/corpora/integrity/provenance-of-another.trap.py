# task: language
# class: edited publication
# wrong: the provenance is that of another model
# stopped by: verify: provenance is of this model
# --- after.py
import hashlib
import json
import re
import sys
from pathlib import Path

place = Path(sys.argv[1])
document = json.loads((place / "provenance.json").read_text())
document["trained"]["weights_digest"] = document["evaluated"]["weights_digest"] = "0" * 64
document["run"] = "another-run"
(place / "provenance.json").write_text(json.dumps(document))

"""Python imports this by itself where PYTHONPATH names this folder; it arms guard and watch."""

import arm  # noqa: F401 - importing it is the effect

del __import__("sys").modules["arm"]  # a user's own `arm.py` must stay importable

"""A small Hub on the loopback interface, against which the real client is tested; see `server.py`."""

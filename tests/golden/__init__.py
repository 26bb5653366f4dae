"""Journals as older versions wrote them; they must stay readable for good."""

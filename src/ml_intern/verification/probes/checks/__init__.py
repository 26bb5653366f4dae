"""The checks: a module each, found by `registry`, told apart by family and cost."""

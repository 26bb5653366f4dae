"""The loop, one call's dispatch, and folds over the journal. Knows the protocols, no implementation."""

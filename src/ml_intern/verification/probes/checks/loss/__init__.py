"""The loss, held to what a loss must do."""

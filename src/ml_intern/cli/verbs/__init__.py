"""The verbs of the command, one small module each; what is heavy is imported when a verb runs."""

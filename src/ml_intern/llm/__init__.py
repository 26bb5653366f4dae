"""Chat models behind one protocol: providers, scripted model, built-in recipes, prices."""

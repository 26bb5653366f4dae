"""Chat models behind one protocol: providers, a scripted model, built-in recipes, prices."""

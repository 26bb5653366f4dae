"""Places to run untrusted code: Docker, and a rootless container by user namespaces."""

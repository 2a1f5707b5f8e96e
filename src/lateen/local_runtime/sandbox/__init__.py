"""Namespaces, root file systems and processes of pods, and the launcher that makes them."""

"""What people may ask of the control plane while it runs; `pages.py` has the list."""

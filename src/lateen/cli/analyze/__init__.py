"""`lateen analyze`."""

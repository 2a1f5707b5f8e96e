"""What keeps the local mesh as its objects say: one file per concern, and the loop that runs them."""

"""Where a packet goes under given rules, planned or in force, and which of them decide."""

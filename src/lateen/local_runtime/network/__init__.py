"""The mesh's own network on this machine: namespace, addresses, names, Service VIPs, published ports."""

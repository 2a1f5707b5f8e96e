"""What manifests come to: pods, addresses, slices, gateway. Pure functions of API objects."""

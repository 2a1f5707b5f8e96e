"""What a kubelet does: a pod's life from injection to its end."""

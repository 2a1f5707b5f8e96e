"""`lateen proxy-config`: what an Envoy has, read from its admin endpoint or from a file, in istioctl's columns."""

"""Lateen: a service mesh that speaks Istio's API and drives stock Envoy."""

__version__ = "0.1.0"

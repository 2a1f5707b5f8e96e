"""The REST server of the local mesh, in Kubernetes' shapes, over a unix socket; and the client of it."""

"""The API objects of the local mesh, in memory, with Kubernetes' semantics."""

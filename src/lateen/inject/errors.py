"""Why a pod that should be injected cannot be."""


class InjectionError(Exception):
    """The pod stays as it is; the text names the annotation, setting or container and what is wrong with it."""

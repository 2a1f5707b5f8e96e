"""What can go wrong in the local runtime, as the supervisor and its callers see it.

LocalRuntimeError
├── PreflightError     this machine or this user cannot run a local mesh; the message says what to do
├── SandboxError       a pod's namespaces could not be made, or are gone
│   ├── StartError     a container's process could not be started; the text is fit for a container status
│   └── LauncherLost   the launcher died, and with it every pod
├── ServiceRulesError  the kernel refused the service rules
├── PortInUse          a published port is taken; names the owner where it can be seen
└── PortReserved       a published port is for root alone
"""


class LocalRuntimeError(Exception):
    """Base of every expected failure of the local runtime."""


class PreflightError(LocalRuntimeError):
    """A tool, a privilege or a feature of the kernel is missing."""


class SandboxError(LocalRuntimeError):
    """A pod sandbox could not be made, or is gone."""


class StartError(SandboxError):
    """A container's root or process could not be set up; the text is what a kubelet would put into the status."""


class LauncherLost(SandboxError):
    """The launcher ended unexpectedly; every pod ended with it."""


class ServiceRulesError(LocalRuntimeError):
    """nft refused the rules; the rules before stay in force."""


class PortInUse(LocalRuntimeError):
    """A port that should be published on this machine is taken."""


class PortReserved(LocalRuntimeError):
    """A port that should be published is one that only root may listen on."""

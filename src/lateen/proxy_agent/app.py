"""The agent: the program of the proxy's container, with the arguments of Istio's. The only file that knows all parts.

`proxy sidecar|router` configures Envoy, starts it and lives as long as it does; the others are errands in a pod.
Each command imports what it needs: whatever `proxy` loads before Envoy runs delays every pod.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from lateen.proxy_agent.errors import AgentError

if TYPE_CHECKING:
    from lateen.envoy.process import EnvoyProcess
    from lateen.proxy_agent.log import Log
    from lateen.proxy_agent.startup import Proxy
    from lateen.proxy_agent.supervisor import Settings

Command = Callable[[Sequence[str], Mapping[str, str]], int]

_USAGE = """\
usage: lateen agent COMMAND …

  proxy sidecar|router --domain DOMAIN [--concurrency N] [--proxyLogLevel L] …   run the proxy of a pod
  istio-iptables …                                       install the interception rules of a pod
  request METHOD PATH [BODY] [--debug-port 15000]        ask Envoy or the agent something
  wait [--timeoutSeconds 60] [--periodMillis 500] [--url http://localhost:15021/healthz/ready]
                                                         return when the proxy is ready
  version
"""


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs a command; its exit code. 2 is for wrong arguments, 1 for any other failure to begin."""
    commands: Mapping[str, Command] = {
        "proxy": _proxy,
        "istio-iptables": _istio_iptables,
        "request": _request,
        "wait": _wait,
        "version": _version,
    }
    if argv and argv[0] in ("-h", "--help", "help"):
        print(_USAGE, end="")
        return 0
    command = commands.get(argv[0]) if argv else None
    if command is None:
        print(_USAGE, end="", file=sys.stderr)
        return 2
    return command(argv[1:], environ)


def _proxy(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    from lateen.envoy.errors import EnvoyError
    from lateen.proxy_agent.log import Log
    from lateen.proxy_agent.options import proxy_options
    from lateen.proxy_agent.startup import read_proxy, start_envoy

    started = time.monotonic()
    log = Log()
    try:
        options = proxy_options(arguments)
        log = Log(options.output_level, options.log_as_json)
        if options.unknown:
            log.info(f"flags without effect here: {' '.join('--' + name for name in options.unknown)}")
        proxy = read_proxy(options, environ)
        return _supervise(proxy, start_envoy(proxy, log), started, log)
    except (AgentError, EnvoyError) as error:
        log.error(str(error))
        return 1


def _supervise(proxy: "Proxy", envoy: "EnvoyProcess", started: float, log: "Log") -> int:
    # Loaded only now, while Envoy loads beside us.
    import asyncio

    from lateen.proxy_agent.supervisor import Supervisor

    async def lifetime(settings: "Settings") -> int:
        return await Supervisor(envoy, settings, log).run()

    try:
        code = asyncio.run(lifetime(_settings(proxy, started)))
    finally:
        envoy.kill()
    log.info(f"Envoy ended with code {code}")
    return code


def _settings(proxy: "Proxy", started: float) -> "Settings":
    from lateen.common.ip_families import IpFamilies
    from lateen.proxy_agent.app_probes import decode_probes
    from lateen.proxy_agent.metadata import addresses
    from lateen.proxy_agent.metrics import application_scrapes
    from lateen.proxy_agent.proxy_config import environment_seconds
    from lateen.proxy_agent.startup import is_true
    from lateen.proxy_agent.status import ProbeSettings
    from lateen.proxy_agent.supervisor import DrainPolicy, Settings

    environ, config = proxy.environ, proxy.config
    address = addresses(environ)[0]
    to_localhost = is_true(environ.get("REWRITE_PROBE_LEGACY_LOCALHOST_DESTINATION", ""))
    return Settings(
        admin_host=proxy.families.loopbacks[0],
        admin_port=config.admin_port,
        status_host=proxy.families.any_addresses[0] if proxy.families is not IpFamilies.DUAL else None,
        status_port=config.status_port,
        own_ports=frozenset({proxy.readiness_port, proxy.prometheus_port}),
        drain=DrainPolicy(
            seconds=config.termination_drain_seconds,
            until_idle=proxy.exits_when_idle,
            minimum_seconds=environment_seconds(environ, "MINIMUM_DRAIN_DURATION", 5.0),
            inbound_only=proxy.options.kind == "sidecar",
        ),
        probes=ProbeSettings(
            probes=decode_probes(environ.get("ISTIO_KUBE_APP_PROBERS", "")),
            host=proxy.families.loopbacks[0] if to_localhost else address,
            source="::6" if ":" in address else "127.0.0.6",
        ),
        scrapes=application_scrapes(environ.get("ISTIO_PROMETHEUS_ANNOTATIONS", "")),
        application_host=proxy.families.loopbacks[0],
        metrics_local_only=is_true(environ.get("METRICS_LOCALHOST_ACCESS_ONLY", "")),
        started=started,
    )


def _istio_iptables(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    from lateen.iptables.__main__ import main

    return main(arguments, environ)


def _request(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    from lateen.proxy_agent.errands import request

    return _errand(request, arguments, environ)


def _wait(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    from lateen.proxy_agent.errands import wait

    return _errand(wait, arguments, environ)


def _errand(errand: Command, arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    from lateen.envoy.errors import EnvoyError

    try:
        return errand(arguments, environ)
    except (AgentError, EnvoyError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _version(arguments: Sequence[str], environ: Mapping[str, str]) -> int:  # noqa: ARG001  # every command has them
    from lateen import __version__
    from lateen.envoy.binary import VERSION
    from lateen.proxy_agent.metadata import ISTIO_VERSION

    print(f"lateen agent {__version__} (Envoy {VERSION}; the contract of Istio {ISTIO_VERSION})")
    return 0

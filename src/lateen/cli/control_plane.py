"""`lateen control-plane`: the control plane as a program of its own, with istiod's flags."""

from typing import Any

import click

from lateen.cli.output import Failure


@click.command("control-plane")
@click.option("--configDir", "configDir", metavar="DIR", help="Directory of the configuration; it is watched.")
@click.option("--objects", hidden=True)
@click.option(
    "--grpcAddr",
    "grpcAddr",
    multiple=True,
    metavar="ADDRESS",
    help="Where to serve proxies in plain text; may be repeated.  [default: :15010]",
)
@click.option(
    "--secureGRPCAddr",
    "secureGRPCAddr",
    metavar="ADDRESS",
    help="Where to serve proxies over TLS.  [default: :15012, if there is a certificate]",
)
@click.option("--tlsCertFile", "tlsCertFile", metavar="FILE", help="Certificate to show, PEM, with its chain.")
@click.option("--tlsKeyFile", "tlsKeyFile", metavar="FILE", help="Its key, PEM.")
@click.option(
    "--caCertFile",
    "caCertFile",
    metavar="FILE",
    help="Authorities of clients, PEM: ask them for a certificate, and verify what they show.",
)
@click.option(
    "--httpAddr",
    "httpAddr",
    metavar="ADDRESS",
    help="Where to serve readiness and debug pages.  [default: 127.0.0.1:8080]",
)
@click.option(
    "--monitoringAddr",
    "monitoringAddr",
    metavar="ADDRESS",
    help="Where to serve metrics, and debug pages to this machine.  [default: :15014]",
)
@click.option(
    "--httpsAddr",
    "httpsAddr",
    metavar="ADDRESS",
    help="Where to serve the injection webhook.  [default: :15017, if there is a certificate]",
)
@click.option(
    "--revision",
    metavar="NAME",
    help="Revision of this control plane, which injected pods carry.  [default: REVISION, or default]",
)
@click.option(
    "--http2Engine",
    "http2Engine",
    type=click.Choice(["ngh2", "h2"]),
    envvar="LATEEN_HTTP2_ENGINE",
    show_envvar=True,
    help="Library that speaks HTTP/2 to proxies.  [default: ngh2]",
)
def command(**flags: Any) -> int:
    """Serve proxies over xDS from a directory of configuration, until told to stop by SIGTERM or SIGINT.

    With a certificate it injects sidecars too, as a webhook: by the ConfigMaps istio-sidecar-injector and istio of
    istio-system, as they are in the directory.

    An ADDRESS is HOST:PORT, :PORT (all addresses), unix:///PATH or fd://NUMBER (a listening socket that the parent
    process has left open); an empty one is not listened at.

    An object that is wrong is told on standard error with its file and line, and
    what was in force stays.
    """
    import logging
    import os

    import uvloop

    from lateen.control_plane.errors import CannotStart, InvalidSettings
    from lateen.control_plane.program import run
    from lateen.control_plane.settings import read_settings

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        uvloop.run(run(read_settings(flags, os.environ)))
    except InvalidSettings as error:
        raise click.UsageError(str(error)) from error
    except CannotStart as error:
        raise Failure(str(error)) from error
    return 0

"""Commands that another container's hook or a person runs in a pod: `request` and `wait`."""

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from lateen.envoy.errors import HttpError
from lateen.envoy.http1 import Response, Target, fetch
from lateen.proxy_agent.errors import AgentError
from lateen.proxy_agent.options import integer, split_flags

_READY_URL = "http://localhost:15021/healthz/ready"


def request(arguments: Sequence[str], environ: Mapping[str, str]) -> int:  # noqa: ARG001  # every command has it
    """`METHOD PATH [BODY] [--debug-port N]`: prints the answer; 1 for a status of 400 or more. Raises `AgentError`."""
    flags, positional = split_flags(arguments)
    if len(positional) not in (2, 3):
        raise AgentError("request takes METHOD PATH [BODY], as in 'request GET stats'")
    method, path, *body = positional
    target = Target("localhost", integer(flags, "debug-port", 15000) or 0)
    rooted = path if path.startswith("/") else f"/{path}"
    answer = asyncio.run(fetch(target, rooted, method=method.upper(), body="".join(body).encode(), seconds=60))
    sys.stdout.write(answer.text)
    if answer.status >= 400:
        print(f"error: status {answer.status}", file=sys.stderr)
        return 1
    return 0


def wait(arguments: Sequence[str], environ: Mapping[str, str]) -> int:  # noqa: ARG001  # every command has it
    """`[--timeoutSeconds 60] [--periodMillis 500] [--requestTimeoutMillis 500] [--url U]`: 0 once the answer is 200.

    Raises `AgentError`, also when that does not come in time.
    """
    flags, positional = split_flags(arguments)
    if positional:
        raise AgentError(f"wait takes flags only, not {' '.join(positional)}")
    url = flags.get("url", _READY_URL)
    seconds = integer(flags, "timeoutSeconds", 60) or 0
    problem = asyncio.run(
        _wait(
            url,
            seconds,
            period=(integer(flags, "periodMillis", 500) or 0) / 1000,
            request_seconds=(integer(flags, "requestTimeoutMillis", 500) or 0) / 1000,
        )
    )
    if problem is not None:
        raise AgentError(f"{url} was not ready within {seconds} s: {problem}")
    return 0


async def _wait(url: str, seconds: float, period: float, request_seconds: float) -> str | None:
    """The last problem seen, or None when the answer was 200."""
    target, path = _target(url)
    deadline = time.monotonic() + seconds
    while True:
        try:
            answer: Response = await fetch(target, path, seconds=request_seconds)
            problem = f"status {answer.status} {answer.text.strip()[:200]}"
            if answer.status == 200:
                return None
        except HttpError as error:
            problem = str(error)
        if time.monotonic() + period >= deadline:
            return problem
        await asyncio.sleep(period)


def _target(url: str) -> tuple[Target, str]:
    try:
        parts = urlsplit(url)
        port = parts.port or 80
    except ValueError as error:
        raise AgentError(f"flag --url: {url}: {error}") from error
    if parts.scheme != "http" or not parts.hostname:
        raise AgentError(f"flag --url: {url!r} is not an http URL")
    return Target(parts.hostname, port), (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

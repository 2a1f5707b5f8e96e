"""Certificates of a test's own, made by openssl."""

import subprocess
from pathlib import Path


def make_certificate(folder: Path, name: str = "server", host: str = "localhost") -> tuple[Path, Path]:
    """A self-signed certificate for a host, and its key, written to `NAME.pem` and `NAME.key`."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", f"/CN={name}"),
            *("-addext", f"subjectAltName=DNS:{host}"),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key

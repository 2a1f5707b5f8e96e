"""A certificate is taken over when both of its files fit, and told to be wrong otherwise."""

import ssl
from pathlib import Path

import pytest
from support.certificates import make_certificate

from lateen.control_plane.certificates import ServerCertificate
from lateen.control_plane.errors import CannotStart
from lateen.control_plane.settings import TlsFiles


def shown(context: ssl.SSLContext) -> bytes | None:
    """The certificate that a client of the context sees."""
    server_in, server_out = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    one = client.wrap_bio(server_out, server_in)
    other = context.wrap_bio(server_in, server_out, server_side=True)
    for side in (one, other, one, other):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return one.getpeercert(binary_form=True)


def test_contexts_that_are_in_use_show_the_new_certificate(tmp_path: Path) -> None:
    files = TlsFiles(*make_certificate(tmp_path))
    certificate = ServerCertificate(files)
    contexts = (certificate.for_anyone(), certificate.for_proxies())
    first = {shown(context) for context in contexts}
    assert not certificate.refresh()
    make_certificate(tmp_path)
    assert certificate.refresh()
    second = {shown(context) for context in contexts}
    assert len(first) == len(second) == 1
    assert first != second


def test_a_key_that_does_not_fit_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = TlsFiles(*make_certificate(tmp_path))
    certificate = ServerCertificate(files)
    context = certificate.for_anyone()
    before = shown(context)
    make_certificate(tmp_path, "other")[1].replace(files.key)
    assert not certificate.refresh()
    assert "key values mismatch; the certificate in use stays" in caplog.text
    files.certificate.unlink()
    assert not certificate.refresh()
    assert shown(context) == before


def test_at_the_start_what_is_missing_or_wrong_is_named(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    with pytest.raises(CannotStart, match=r"--tlsKeyFile /no/such: there is no such file"):
        ServerCertificate(TlsFiles(certificate, Path("/no/such"))).for_anyone()
    with pytest.raises(CannotStart, match="cannot be used as PEM"):
        ServerCertificate(TlsFiles(key, certificate)).for_anyone()

"""The page behind a web config file: promtool reads the same file, and a real Prometheus scrapes over TLS as a user."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import bcrypt
import httpx
import pytest
import yaml

from tests.deploy.programs import ask, eventually, free_address, running
from tests.e2e.running import PATIENCE, Running, long_csv, write_config
from tests.pipeline.streams import ar1
from tests.sources.certificates import make_certificate

pytestmark = pytest.mark.slow

TLS_OF_A_CLIENT = {"ca_file": "client_ca_file", "cert_file": "cert_file", "key_file": "key_file"}
"""Keys of Prometheus -> those of the server: one certificate serves as all three."""


def test_a_prometheus_with_a_certificate_and_a_password_scrapes_and_nobody_else_gets_in(
    tmp_path: Path, deploy: Path, tool: Callable[[str], str]
) -> None:
    certificate = make_certificate(tmp_path)
    secret = bcrypt.hashpw(b"open sesame", bcrypt.gensalt(10)).decode()
    content = yaml.safe_load((deploy / "web.yaml").read_text())
    names = {"cert_file": "certificate.pem", "key_file": "key.pem", "client_ca_file": "certificate.pem"}
    content["tls_server_config"] |= names
    content["basic_auth_users"] = {"prometheus": secret}
    (tmp_path / "web.yaml").write_text(yaml.safe_dump(content))
    judged = subprocess.run([tool("promtool"), "check", "web-config", tmp_path / "web.yaml"], capture_output=True)
    assert judged.returncode == 0, judged.stdout + judged.stderr

    (tmp_path / "data.csv").write_text(long_csv(ar1(1, 0.3, 50, 1)))
    address, listen = free_address(), free_address()
    write_config(tmp_path, web={"listen": address, "config_file": "web.yaml"})
    scrape = yaml.safe_load((deploy / "prometheus" / "scrape.yaml").read_text())
    scrape["global"], scrape["rule_files"] = {"scrape_interval": "1s", "scrape_timeout": "1s"}, []
    scrape["scrape_configs"][0] |= {
        "scheme": "https", "static_configs": [{"targets": [address]}],
        "basic_auth": {"username": "prometheus", "password": "open sesame"},
        "tls_config": {key: str(tmp_path / names[of]) for key, of in TLS_OF_A_CLIENT.items()},
    }  # fmt: skip
    (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(scrape))
    command = [
        tool("prometheus"), f"--config.file={tmp_path / 'prometheus.yaml'}",
        f"--storage.tsdb.path={tmp_path / 'prometheus'}", f"--web.listen-address={listen}",
    ]  # fmt: skip
    daemon = Running(tmp_path)
    try:
        daemon.said("msg=ready ")
        with (
            running(command, tmp_path / "output"),
            httpx.Client(base_url=f"http://{listen}", trust_env=False, timeout=10) as client,
        ):

            def up() -> bool:
                try:
                    return bool(ask(client, "query", query='up{job="sentinel"} == 1'))
                except httpx.TransportError:
                    return False

            eventually(up, PATIENCE, (tmp_path / "output").read_text)
        url = f"https://{address}/metrics"
        known = ssl.create_default_context(cafile=certificate)
        with pytest.raises(httpx.TransportError):  # no certificate
            httpx.get(url, verify=known, auth=("prometheus", "open sesame"))
        known.load_cert_chain(certificate, tmp_path / "key.pem")
        assert httpx.get(url, verify=known).status_code == 401
        answer = httpx.get(url, verify=known, auth=("prometheus", "open sesame"))
        assert answer.status_code == 200
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
    finally:
        daemon.kill()

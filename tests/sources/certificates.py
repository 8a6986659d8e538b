"""A certificate of our own for 127.0.0.1."""

from __future__ import annotations

import subprocess
from pathlib import Path


def make_certificate(folder: Path) -> Path:
    """Make a file with a key and a certificate that signs itself."""
    key, path = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    more = ["-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", key, "-out", path, *more], check=True, capture_output=True)
    path.write_bytes(key.read_bytes() + path.read_bytes())
    path.chmod(0o644)
    return path

"""A real Mosquitto on loopback, which may be stopped and started, and who publishes to it."""

from __future__ import annotations

import getpass
import json
import subprocess
from collections.abc import Iterable
from pathlib import Path

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.deploy.programs import free_address
from tests.e2e.running import PATIENCE, wait_for


class Broker:
    """The broker; `password` is that of the user `sentinel`, None = anybody may; `more` are lines of its settings."""

    def __init__(
        self, program: str, folder: Path, password: str | None = None, certificate: Path | None = None,
        more: Iterable[str] = (),
    ) -> None:  # fmt: skip
        self._program, self._folder = program, folder
        self.port = int(free_address().rpartition(":")[2])
        self.url = f"mqtt://127.0.0.1:{self.port}"
        (folder / "broker").mkdir(exist_ok=True)
        lines = [
            f"listener {self.port} 127.0.0.1", f"user {getpass.getuser()}", "persistence true",
            f"persistence_location {folder}/broker/", f"allow_anonymous {str(password is None).lower()}",
            *more,
        ]  # fmt: skip
        if password is not None:
            self.set_password(password)
            lines.append(f"password_file {folder}/passwords")
        if certificate is not None:
            self.secure_port = int(free_address().rpartition(":")[2])
            lines += [f"listener {self.secure_port} 127.0.0.1", f"certfile {certificate}", f"keyfile {certificate}"]
        (folder / "broker.conf").write_text("\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def set_password(self, password: str) -> None:
        command = ["mosquitto_passwd", "-b", "-c", str(self._folder / "passwords"), "sentinel", password]
        subprocess.run(command, check=True, capture_output=True)

    def start(self) -> None:
        with (self._folder / "broker.txt").open("ab") as log:
            command = [self._program, "-c", str(self._folder / "broker.conf")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

        def answers() -> bool:
            try:
                self.publish([])
            except OSError:
                return False
            return True

        wait_for(answers, PATIENCE, "the broker")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)

    def publish(self, messages: Iterable[tuple[str, object]], *, retain: bool = False) -> None:
        """Publish with QoS 1; all are with the broker at the end."""
        client = paho.Client(CallbackAPIVersion.VERSION2)
        client.username_pw_set("sentinel", "s3cret")
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        for topic, payload in messages:
            text = payload if isinstance(payload, str | bytes) else json.dumps(payload)
            client.publish(topic, text, qos=1, retain=retain).wait_for_publish(10)
        client.disconnect()
        client.loop_stop()

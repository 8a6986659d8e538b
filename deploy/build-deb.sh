#!/bin/bash
# build-deb.sh FOLDER [PYTHON]: build sentinel-ews_VERSION_all.deb of this copy of the repository into FOLDER.
# The package has the wheel of sentinel; its libraries are installed by pip when it is configured, into /opt/sentinel,
# from wherever pip of that machine takes them. PYTHON [python3] has pip and the extra `package`.
set -euo pipefail
out=$(mkdir -p "$1" && cd "$1" && pwd)
python=$(command -v "${2:-python3}")
here=$(cd "$(dirname "$0")/.." && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
share=$tree/usr/share

mkdir -p "$tree/source" "$share/sentinel" "$share/man/man1" "$tree/DEBIAN"
cp -r "$here"/{pyproject.toml,README.md,LICENSE,sentinel,detectors} "$tree/source" # setuptools writes beside its sources
"$python" -m pip wheel --quiet --no-deps --no-cache-dir -w "$share/sentinel" "$tree/source"
rm -r "$tree/source"
version=$(cd "$here" && "$python" -c 'import sentinel; print(sentinel.__version__.replace(".dev", "~dev"))')
(cd "$here" && deploy/pages.sh "$python" "$tree/pages")
install -D -m 0644 "$tree/pages/sentinel.1" "$share/man/man1/sentinel.1"
gzip -9n "$share/man/man1/sentinel.1"
install -D -m 0644 "$tree/pages/sentinel.bash" "$share/bash-completion/completions/sentinel"
install -D -m 0644 "$tree/pages/sentinel.zsh" "$share/zsh/vendor-completions/_sentinel"
rm -r "$tree/pages"
install -D -m 0644 "$here/deploy/systemd/sentinel.service" "$tree/lib/systemd/system/sentinel.service"
install -D -m 0644 "$here/config/sentinel.yaml" "$tree/etc/sentinel/sentinel.yaml"
install -D -m 0644 "$here/LICENSE" "$share/doc/sentinel-ews/copyright"
install -m 0644 "$here/docs/runbooks.md" "$here/deploy/README.md" "$share/doc/sentinel-ews"
cp -r "$here/deploy/prometheus" "$here/deploy/grafana" "$here/deploy/web.yaml" "$share/sentinel"
mkdir -p "$tree/usr/bin"
ln -s /opt/sentinel/bin/sentinel "$tree/usr/bin/sentinel"

cat >"$tree/DEBIAN/control" <<END
Package: sentinel-ews
Version: $version
Architecture: all
Maintainer: sentinel contributors <sentinel@localhost>
Depends: python3 (>= 3.11), python3-venv
Section: science
Priority: optional
Description: early warning of critical slowing down in time series
 Watches time series and warns, with a stated false-alarm budget, that one of
 them is losing resilience: that it recovers ever more slowly from small knocks.
END
echo /etc/sentinel/sentinel.yaml >"$tree/DEBIAN/conffiles"
cat >"$tree/DEBIAN/postinst" <<'END'
#!/bin/sh
set -e
[ "$1" = configure ] || exit 0
[ -x /opt/sentinel/bin/python ] || python3 -m venv /opt/sentinel
/opt/sentinel/bin/python -m pip install --quiet --disable-pip-version-check --upgrade /usr/share/sentinel/sentinel_ews-*.whl
# Compiled where the service keeps its compiled code, so that its first start takes seconds. One that runs goes on.
cache=/var/cache/private/sentinel
install -d -m 0700 /var/cache/private
mkdir -p "$cache"
NUMBA_CACHE_DIR=$cache MPLCONFIGDIR=$cache /opt/sentinel/bin/sentinel check --compile /etc/sentinel/sentinel.yaml \
    >/dev/null || echo "sentinel-ews: nothing was compiled, for the reason above; the next start compiles, or says it too" >&2
chown -R --reference="$cache" "$cache"
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    systemctl try-restart sentinel
fi
END
cat >"$tree/DEBIAN/prerm" <<'END'
#!/bin/sh
set -e
[ "$1" = remove ] || exit 0
[ ! -d /run/systemd/system ] || systemctl disable --now --quiet sentinel
END
cat >"$tree/DEBIAN/postrm" <<'END'
#!/bin/sh
# The state in /var/lib/sentinel is never removed: it is what the daemon has learnt.
set -e
[ "$1" = upgrade ] || [ "$1" = failed-upgrade ] || rm -rf /opt/sentinel /var/cache/private/sentinel /var/cache/sentinel
[ ! -d /run/systemd/system ] || systemctl daemon-reload
END
chmod 0755 "$tree"/DEBIAN/{postinst,prerm,postrm} "$tree"
dpkg-deb --build --root-owner-group -Zxz "$tree" "$out/sentinel-ews_${version}_all.deb"

#!/bin/sh
# install.sh [--prefix FOLDER] [--wheel FILE] [--uninstall]: install sentinel as a service from this copy of the repository,
# or from a wheel of it, or bring an installed one up to date. Run it again whenever you like: configuration and state
# stay, a running service is started again. As root, on a system with systemd. `--uninstall` leaves configuration and
# state, too.
set -eu

prefix=/opt/sentinel
uninstall=
here=$(cd "$(dirname "$0")/.." && pwd)
what=$here
while [ $# -gt 0 ]; do
    case $1 in
    --prefix) prefix=${2:?install.sh: --prefix needs a folder}; shift 2 ;;
    --wheel) what=${2:?install.sh: --wheel needs a file}; shift 2 ;;
    --uninstall) uninstall=yes; shift ;;
    *) echo "install.sh: $1; --prefix FOLDER, --wheel FILE and --uninstall are allowed" >&2; exit 2 ;;
    esac
done
case $prefix in
/home/* | /root/*) echo "install.sh: --prefix $prefix: the service cannot see home folders; take another" >&2; exit 2 ;;
/*) ;;
*) echo "install.sh: --prefix $prefix: a path from / is needed" >&2; exit 2 ;;
esac
[ "$(id -u)" = 0 ] || { echo "install.sh: root is needed" >&2; exit 1; }

unit=/etc/systemd/system/sentinel.service
config=/etc/sentinel/sentinel.yaml
cache=/var/cache/private/sentinel
man=/usr/local/share/man/man1/sentinel.1
bash=/usr/local/share/bash-completion/completions/sentinel
zsh=/usr/local/share/zsh/site-functions/_sentinel

if [ -n "$uninstall" ]; then
    systemctl disable --now --quiet sentinel 2>/dev/null || true
    rm -f "$unit" "$man" "$bash" "$zsh" /usr/local/bin/sentinel
    [ ! -e "$prefix/bin/sentinel" ] || rm -rf "$prefix" "$cache" /var/cache/sentinel
    systemctl daemon-reload
    echo "removed; $config and /var/lib/sentinel are left"
    exit 0
fi

was_active=$(systemctl is-active sentinel || true)
[ -x "$prefix/bin/python" ] || python3 -m venv "$prefix"
"$prefix/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade "$what[package]"
pages=$(mktemp -d)
trap 'rm -rf "$pages"' EXIT
"$here/deploy/pages.sh" "$prefix/bin/python" "$pages"
install -D -m 0644 "$pages/sentinel.1" "$man"
install -D -m 0644 "$pages/sentinel.bash" "$bash"
install -D -m 0644 "$pages/sentinel.zsh" "$zsh"
mkdir -p /usr/local/bin
ln -sf "$prefix/bin/sentinel" /usr/local/bin/sentinel
[ -e "$config" ] || install -D -m 0644 "$here/config/sentinel.yaml" "$config"
sed "s|/opt/sentinel/|$prefix/|" "$here/deploy/systemd/sentinel.service" >"$unit"
chmod 0644 "$unit"
systemctl daemon-reload

# A configuration that the new version refuses leaves the old service running, and says why. That one also goes on
# while the new version is compiled, for half a minute, where the service keeps its compiled code.
install -d -m 0700 /var/cache/private
mkdir -p "$cache"
failed=0
NUMBA_CACHE_DIR=$cache MPLCONFIGDIR=$cache "$prefix/bin/sentinel" check --compile "$config" >/dev/null || failed=$?
chown -R --reference="$cache" "$cache" # the service cannot start with folders in there that are not its own
[ "$failed" = 0 ] || exit "$failed"
if [ "$was_active" = active ]; then
    systemctl stop sentinel
    # The new version may convert the state; what it was is kept beside it, once per upgrade.
    kept=/var/backups/sentinel-$(date -u +%Y%m%dT%H%M%S)
    mkdir -p /var/backups
    cp -a /var/lib/private/sentinel "$kept"
    systemctl start sentinel
    echo "brought up to date and started again; the state as it was: $kept"
else
    echo "installed; adapt $config, then: systemctl enable --now sentinel"
fi

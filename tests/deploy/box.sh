#!/bin/bash
# box.sh FOLDER [SRC:DST ...]: a systemd of its own as process 1, on a view of / that is thrown away. FOLDER/etc is laid
# over /etc; each SRC is seen, read-only, as DST. It runs until it is killed, and needs root.
set -euo pipefail
group=/sys/fs/cgroup/unified/$(basename "$1")
[ -d /sys/fs/cgroup/unified ] || group=/sys/fs/cgroup/$(basename "$1")
mkdir -p "$group"
echo $BASHPID >"$group/cgroup.procs"
export W=$1/box OVER=$1/etc
shift
export BINDS="$*"
mkdir -p "$W"
exec unshare --mount --pid --fork --kill-child --cgroup --uts --ipc --net bash -euc '
mount -t tmpfs tmpfs $W; mkdir $W/{up,work,root}; R=$W/root
mount -t overlay overlay -o lowerdir=/,upperdir=$W/up,workdir=$W/work $R
mount -t proc proc $R/proc; mount --bind $R/proc/sys $R/proc/sys; mount -o remount,ro,bind $R/proc/sys
for d in run tmp; do mount -t tmpfs tmpfs $R/$d; done; chmod 1777 $R/tmp; chmod 755 $R/run
mount -t tmpfs -o mode=755 tmpfs $R/dev; mkdir $R/dev/pts $R/dev/shm
for n in null:3 zero:5 full:7 random:8 urandom:9; do mknod -m 666 $R/dev/${n%:*} c 1 ${n#*:}; done
mknod -m 666 $R/dev/tty c 5 0
mount -t devpts -o newinstance,ptmxmode=0666 devpts $R/dev/pts
ln -s pts/ptmx $R/dev/ptmx; ln -s /proc/self/fd $R/dev/fd
mount -t tmpfs -o mode=1777 tmpfs $R/dev/shm
mount -t sysfs -o ro sysfs $R/sys; mount -t cgroup2 cgroup2 $R/sys/fs/cgroup
rm -rf $R/etc/systemd/system/*.wants; : > $R/etc/fstab; hostname box
cp -a $OVER/. $R/etc/
for u in systemd-udevd systemd-udev-trigger systemd-timesyncd systemd-resolved systemd-networkd systemd-logind \
    systemd-modules-load systemd-sysctl; do ln -sf /dev/null $R/etc/systemd/system/$u.service; done
for b in $BINDS; do
    mkdir -p $R/${b#*:}; mount --bind ${b%:*} $R/${b#*:}; mount -o remount,ro,bind $R/${b#*:}
done
cd $R; mkdir -p .old; pivot_root . .old; umount -l /.old
exec env -i container=box PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --unit=multi-user.target --log-target=journal </dev/null'

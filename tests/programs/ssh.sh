# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: sshd and ssh: a login over a pipe, with a sandbox of system calls and dropped privileges
# needs: /usr/sbin/sshd /usr/bin/ssh /usr/bin/ssh-keygen
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

prepare() {
    /usr/bin/ssh-keygen -q -t ed25519 -N '' -C host -f host
    /usr/bin/ssh-keygen -q -t ed25519 -N '' -C user -f user
}

configure() {
    cat <<END
HostKey $inputs/host
AuthorizedKeysFile $inputs/user.pub
StrictModes no
PidFile none
UsePAM no
PasswordAuthentication no
Subsystem sftp internal-sftp
LogLevel ERROR
END
}

# root's sshd wants the folder /run/sshd; where it is missing, in a /run of its own.
sshd() {
    if [ "$(id -u)" != 0 ] || [ -d /run/sshd ]; then
        echo "/usr/sbin/sshd $*"
    else
        echo "/usr/bin/unshare -m /bin/sh -c 'mount -t tmpfs none /run; mkdir /run/sshd; exec /usr/sbin/sshd $*'"
    fi
}

login() {
    under -n 0 -p 'ssh*' /usr/bin/ssh -F none -i "$inputs/user" -o BatchMode=yes -o StrictHostKeyChecking=no \
        -o UserKnownHostsFile="$PWD/known" -o LogLevel=ERROR -o ProxyCommand="$(sshd -i -e -f "$PWD/conf")" "$@"
}

workload() {
    configure > conf
    under -n 0 /usr/bin/ssh-keygen -lf "$inputs/host.pub" | cut -d' ' -f 1,3,4
    under -n 0 /usr/bin/ssh-keygen -Y sign -q -n file -f "$inputs/user" < conf | sed -n 1p
    under -n 0 -p sshd /bin/sh -c "$(sshd -T -f conf)" | grep -e ^strictmodes -e ^subsystem
    login host 'echo logged in; seq 1 3 | paste -sd+'
    seq 1 20000 | login -C host 'sort -rn | sha256sum'
    login -s host sftp < /dev/null | wc -c
}

#!/usr/bin/env bash
# A real Slurm on this machine alone, for the tests: munge, the controller and one node, from Debian's packages.
#
#   tests/cluster/start_slurm.sh          install what is missing, start what is not running, wait for the node
#   tests/cluster/start_slurm.sh stop     end the jobs and the daemons this script has started
#
# For root in a container or a virtual machine without systemd and without cgroups of its own. Where a Slurm answers
# already, it is left as it is. All it writes is /etc/slurm/slurm.conf (and cgroup.conf) and SLURM_FOLDER.
set -euo pipefail
export PATH="$PATH:/usr/sbin:/sbin" LC_ALL=C

folder=${SLURM_FOLDER:-/var/tmp/slurm-for-tests}
conf=/etc/slurm/slurm.conf
cgroup_conf=/etc/slurm/cgroup.conf
mark="# written by $(basename "$0") for tests"

fail() { # what failed, and the end of a log that says why
    printf 'start_slurm: %s\n' "$1" >&2
    if [ -s "${2:-}" ]; then
        printf 'the end of %s:\n' "$2" >&2
        tail -n 20 "$2" >&2
    fi
    exit 1
}

wait_for() { # seconds command...; true as soon as the command is
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.2
    done
}

ours() { [ -f "$conf" ] && grep -qF "$mark" "$conf"; }
answers() { timeout 5 sinfo --noheader --format=%T | grep -qE '^(idle|mixed|allocated)$'; }
authenticates() { munge --no-input | unmunge; }
runs() { [ -s "$folder/$1.pid" ] && kill -0 "$(cat "$folder/$1.pid")"; }
ended() { ! runs "$1"; }

install_packages() {
    for program in slurmctld slurmd sbatch munged; do
        command -v "$program" >/dev/null || missing=yes
    done
    [ -n "${missing:-}" ] || return 0
    command -v apt-get >/dev/null || fail "slurmctld, slurmd, sbatch or munged is missing, and there is no apt-get"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update && apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=120 slurm-wlm munge; } \
        >"$folder/apt.log" 2>&1 || fail "slurm-wlm and munge cannot be installed" "$folder/apt.log"
}

configure() {
    local host cpus memory
    host=$(hostname -s)
    # A job of two tasks needs two processors, on a machine of one too.
    cpus=$(nproc) && [ "$cpus" -ge 2 ] || cpus=2
    memory=$(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo)
    mkdir -p "$(dirname "$conf")"
    cat >"$conf" <<CONF
$mark
ClusterName=tests
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
# A job that was requeued waits until the credential of its first start has expired: by default two minutes.
AuthInfo=cred_expire=15

# No cgroups, no pinning: the processors are shared with whatever else runs here.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none

# Up to eight jobs share a processor.
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
NodeName=$host NodeAddr=127.0.0.1 CPUs=$cpus RealMemory=$memory State=UNKNOWN
PartitionName=tests Nodes=$host Default=YES OverSubscribe=FORCE:8 MaxTime=60 DefaultTime=10 State=UP

SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
JobRequeue=1
ReturnToService=2
# Seconds between TERM and KILL, and until a finished job is forgotten.
KillWait=10
MinJobAge=1800
# The processors may be busy with tests: be patient rather than call the node down.
MessageTimeout=60
SlurmdTimeout=600

SlurmctldPidFile=$folder/slurmctld.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdPidFile=$folder/slurmd.pid
SlurmdLogFile=$folder/slurmd.log
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
CONF
    rm -f "$cgroup_conf"
}

start_munge() {
    if authenticates >/dev/null 2>&1; then
        return
    fi
    [ -s /etc/munge/munge.key ] || runuser -u munge -- mungekey --create >"$folder/munged.log" 2>&1 ||
        fail "munge has no key and cannot make one" "$folder/munged.log"
    # It refuses to keep a log or a process id in a folder that others can write to, hence its own folders.
    mkdir -p /run/munge /var/log/munge
    chown munge:munge /run/munge /var/log/munge
    runuser -u munge -- munged --pid-file=/run/munge/munged.pid >"$folder/munged.log" 2>&1 ||
        fail "munged does not start" "$folder/munged.log"
    wait_for 10 authenticates || fail "munged does not answer" /var/log/munge/munged.log
    ln -sf /run/munge/munged.pid "$folder/munged.pid"
}

start_slurm() {
    runs slurmctld 2>/dev/null || slurmctld >"$folder/slurmctld.log" 2>&1 ||
        fail "slurmctld does not start" "$folder/slurmctld.log"
    if ! runs slurmd 2>/dev/null && ! slurmd >"$folder/slurmd.log" 2>&1; then
        # Slurm 22.05 does without cgroups where it is told to use none, and knows no such setting; later ones need it.
        grep -q cgroup "$folder/slurmd.log" && echo "CgroupPlugin=disabled" >"$cgroup_conf" &&
            slurmd >>"$folder/slurmd.log" 2>&1 || fail "slurmd does not start" "$folder/slurmd.log"
    fi
    wait_for 60 answers || fail "the node is not ready: $(sinfo --noheader --format='%T %E' 2>&1 | tail -n 1)" \
        "$folder/slurmd.log"
}

start() {
    [ "$(id -u)" -eq 0 ] || fail "only root can start a Slurm"
    if command -v sinfo >/dev/null && answers 2>/dev/null; then
        echo "a Slurm is running: $(slurmctld -V 2>/dev/null || sinfo -V)"
        return
    fi
    [ ! -f "$conf" ] || ours || fail "$conf is of another Slurm, which does not answer; move it away"
    mkdir -p "$folder/state" "$folder/spool"
    install_packages
    configure
    start_munge
    start_slurm
    echo "Slurm is running: $(sinfo -V), logs in $folder"
}

stop() {
    ours || { echo "no Slurm of this script's"; return; }
    timeout 10 scancel --user=root --quiet 2>/dev/null || true
    # The node last: it ends the jobs.
    wait_for 20 sh -c '[ -z "$(squeue --noheader)" ]' || true
    for daemon in slurmctld slurmd munged; do
        ! runs "$daemon" 2>/dev/null || kill "$(cat "$folder/$daemon.pid")"
        wait_for 20 ended "$daemon" || fail "$daemon does not end" "$folder/$daemon.log"
    done
    rm -rf "$conf" "$cgroup_conf" "$folder"
    echo "Slurm has ended"
}

case "${1:-start}" in
    start) start ;;
    stop) stop ;;
    *) fail "unknown argument $1; give start (the default) or stop" ;;
esac

#!/bin/sh
# A job of MPI: once all members are there, the one with rank 0 starts the processes on the machines
# of all. The others are done at once: mpirun reaches their machines by ssh.
#
#     callsign run --pool worker --expect 4 --for mpi -- ./start.sh PROGRAM
#
# Open MPI and MPICH find the file of hosts by themselves.
set -eu
if [ "$CALLSIGN_RANK" = 0 ]; then
    echo "the hosts are in $CALLSIGN_HOSTFILE" >&2
    exec mpirun "$@"
fi

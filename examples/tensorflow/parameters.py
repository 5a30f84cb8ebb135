"""A job of TensorFlow with parameter servers: the chief hands out the work, the workers do it.

`callsign run` has set TF_CONFIG, which has a list for each role. README.md has the command lines.
"""

import os
import socket
import time

import tensorflow


def until_it_ends(chief):
    """Waits until the chief, which listens as long as it works, has begun and ended."""
    host, port = chief.rsplit(":", 1)
    has_begun = False
    while True:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
            has_begun = True
        except OSError:
            if has_begun:
                return
        time.sleep(0.5)


cluster = tensorflow.distribute.cluster_resolver.TFConfigClusterResolver()
if cluster.task_type != "chief":
    server = tensorflow.distribute.Server(
        cluster.cluster_spec(), job_name=cluster.task_type, task_index=cluster.task_id
    )
    until_it_ends(cluster.cluster_spec().task_address("chief", 0))
    # The server itself never ends.
    os._exit(0)

strategy = tensorflow.distribute.ParameterServerStrategy(cluster)
coordinator = tensorflow.distribute.coordinator.ClusterCoordinator(strategy)
with strategy.scope():
    total = tensorflow.Variable(0.0)


@tensorflow.function
def add():
    total.assign_add(1.0)


for _ in range(20):
    coordinator.schedule(add)
coordinator.join()
assert total.numpy() == 20, total.numpy()
servers = cluster.cluster_spec().num_tasks("ps")
workers = cluster.cluster_spec().num_tasks("worker")
print(f"{workers} workers have added {total.numpy():.0f} on {servers} ps", flush=True)

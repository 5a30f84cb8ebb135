"""A job of JAX in which every process adds its number to a sum.

    callsign run --pool worker --expect 4 --for jax -- python3 train.py

`callsign run` has set the three variables.
"""

import os

import jax
from jax.experimental import multihost_utils

jax.distributed.initialize(
    coordinator_address=os.environ["JAX_COORDINATOR_ADDRESS"],
    num_processes=int(os.environ["JAX_NUM_PROCESSES"]),
    process_id=int(os.environ["JAX_PROCESS_ID"]),
)
numbers = multihost_utils.process_allgather(jax.numpy.array([jax.process_index()]))
print(f"process {jax.process_index()} of {jax.process_count()}: the sum is {numbers.sum()}")

"""A job of torch.distributed in which every member adds its rank to a sum.

    callsign run --pool worker --expect 4 --for torch -- python3 train.py

`callsign run` has set RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT, which is what env:// reads.
"""

import datetime
import os

import torch
import torch.distributed as distributed

distributed.init_process_group(
    "gloo", init_method="env://", timeout=datetime.timedelta(seconds=60)
)
rank, world = distributed.get_rank(), distributed.get_world_size()
total = torch.tensor([rank + 1])
distributed.all_reduce(total)
expected = world * (world + 1) // 2
assert total.item() == expected, f"{total.item()} instead of {expected}"
print(f"{os.environ['CALLSIGN_NAME']} rank {rank} of {world}: the sum is {total.item()}", flush=True)
distributed.destroy_process_group()

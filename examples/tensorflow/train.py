"""A job of TensorFlow in which every worker trains the same model on its own numbers.

    callsign run --pool worker --expect 4 --for tensorflow -- python3 train.py

`callsign run` has set TF_CONFIG, which the strategy reads. It knows workers by the pool's name, so
the pool must be called `worker`.
"""

import json
import os

import tensorflow

task = json.loads(os.environ["TF_CONFIG"])["task"]
strategy = tensorflow.distribute.MultiWorkerMirroredStrategy()
with strategy.scope():
    weights = tensorflow.Variable(tensorflow.zeros([4, 1]))


@tensorflow.function
def step():
    """One step down the mean of all workers' gradients; returns how far off they are."""

    def own():
        inputs = tensorflow.random.normal([64, 4])
        wanted = tensorflow.reduce_sum(inputs, axis=1, keepdims=True)
        with tensorflow.GradientTape() as tape:
            loss = tensorflow.reduce_mean((inputs @ weights - wanted) ** 2)
        context = tensorflow.distribute.get_replica_context()
        mean = context.all_reduce("MEAN", tape.gradient(loss, weights))
        weights.assign_sub(0.1 * mean)
        return loss

    return strategy.reduce("MEAN", strategy.run(own), axis=None)


for _ in range(50):
    loss = step().numpy()
assert loss < 0.01, loss
print(f"worker {task['index']} of {strategy.num_replicas_in_sync} is done", flush=True)

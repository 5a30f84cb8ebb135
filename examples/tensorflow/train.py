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
    model = tensorflow.keras.Sequential([tensorflow.keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
inputs = tensorflow.random.normal([64, 4])
model.fit(inputs, tensorflow.reduce_sum(inputs, axis=1, keepdims=True), verbose=0)
print(f"worker {task['index']} of {strategy.num_replicas_in_sync} is done")

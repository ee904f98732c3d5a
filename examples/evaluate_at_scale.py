"""More predictions than one machine holds: scored in shards, in parallel, and merged exactly.

    pip install -e ".[tensorflow,scale]" && python examples/evaluate_at_scale.py

An Apache Beam pipeline. Here it runs on the DirectRunner, in two processes; with other pipeline
options the same pipeline runs on Flink, Spark or Dataflow. Each worker feeds metrics with its
shards, pickled metrics travel, and `merge_state` adds them up, so that the result is that of one
pass over everything, and so is its interval. About half a minute on two cores.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import apache_beam as beam
import numpy as np
from apache_beam.options.pipeline_options import PipelineOptions

SHARDS, ROWS = 40, 50_000


def shard(index):
    """The labels and logits of one shard: in earnest a file that a model wrote."""
    generator = np.random.default_rng(index)
    logits = generator.normal(-2, 2, (ROWS, 1)).astype("float32")
    true_chance = 1 / (1 + np.exp(-0.8 * logits))  # The model is somewhat too sure.
    return (generator.random((ROWS, 1)) < true_chance).astype("float32"), logits


def new_metrics():
    from keras_bce import metrics

    sure = {"from_logits": True, "uncertainty": True}
    return [
        metrics.BinaryCrossentropy(**sure),
        metrics.NormalizedEntropy(**sure),
        metrics.CalibrationRatio(**sure),
        metrics.ExpectedCalibrationError(from_logits=True),
    ]


def summary(metric):
    """The result, and the bounds of its interval of 95% where the metric has one."""
    bounds = metric.interval() if hasattr(metric, "interval") else ()
    return [float(metric.result()), *bounds]


class Evaluate(beam.CombineFn):
    """Labels and logits in, metrics out; Beam decides what is added where, and in what order."""

    def create_accumulator(self):
        return new_metrics()

    def add_input(self, metrics, element):
        for metric in metrics:
            metric.update_state(*element)
        return metrics

    def merge_accumulators(self, accumulators):
        first, *others = accumulators
        for i, metric in enumerate(first):
            metric.merge_state([other[i] for other in others])
        return first

    def extract_output(self, metrics):
        return {metric.name: summary(metric) for metric in metrics}


def read(index):
    print(f"\rshard {index + 1} of {SHARDS}", end="", file=sys.stderr, flush=True)
    return shard(index)


def merged():
    """The metrics of all shards, by way of the pipeline."""
    options = PipelineOptions(
        runner="DirectRunner",
        direct_running_mode="multi_processing",
        direct_num_workers=2,
        default_sdk_harness_log_level="ERROR",
    )
    with tempfile.TemporaryDirectory() as folder:
        output = str(Path(folder) / "results.json")
        with beam.Pipeline(options=options) as pipeline:
            (
                pipeline
                | beam.Create(range(SHARDS))
                | beam.Reshuffle()  # Or one worker would read all that one worker has listed.
                | beam.Map(read)
                | beam.CombineGlobally(Evaluate())
                | beam.Map(json.dumps)
                | beam.io.WriteToText(output, num_shards=1, shard_name_template="")
            )
        return json.loads(Path(output).read_text())


def main():
    single = new_metrics()
    for index in range(SHARDS):
        for metric in single:
            metric.update_state(*shard(index))
    print(f"{SHARDS * ROWS:,} predictions in {SHARDS} shards", flush=True)
    results = merged()
    print(f"\n{'':<28}{'one pass':>12}{'merged':>12}{'interval of 95%, merged':>28}")
    for metric in single:
        once, together = summary(metric), results[metric.name]
        bounds = ", ".join(f"{bound:.7f}" for bound in together[1:])
        print(f"{metric.name:<28}{once[0]:12.7f}{together[0]:12.7f}{bounds:>28}")
        if not np.allclose(once, together, rtol=1e-6, atol=0):
            sys.exit("The merged result is not that of the single pass.")


if __name__ == "__main__":
    main()
